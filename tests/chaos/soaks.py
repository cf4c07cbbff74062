"""The soak's row: seeds, ledgers and a budget in, its result out; the seeds that found something are named."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from multiprocessing import get_context

from tests.chaos import ledgers, plan
from tests.chaos.history import SENT, Anomaly
from tests.chaos.soak import Outcome, soak
from tests.chaos.stories import LEDGERS, Told

FULL = 10_000  # deliveries of a soak as it is promised
Say = Callable[[float, str], None]
Soaked = tuple[int, str, Outcome]  # seed, ledger, what came of it


def run(seeds: Sequence[int], on: Sequence[str], deliveries: int, minutes: float, say: Say) -> tuple[Told, str]:
    """Soak each seed on each ledger, as many as the budget of minutes allows, at least one; (what it told, seeds).

    The ledgers are soaked side by side, each by a process of its own, one seed after the other.
    """
    began = time.monotonic()
    done: list[Soaked] = []
    left, wanted = {each: list(seeds) for each in on}, len(seeds) * len(on)
    running: dict[Future[Outcome], tuple[int, str]] = {}
    with ExitStack() as stack:
        urls = {each: stack.enter_context(getattr(ledgers, each)()) for each in on}
        pool = stack.enter_context(ProcessPoolExecutor(len(on), mp_context=get_context("spawn")))
        while True:
            for ledger in set(left) - {each for _, each in running.values()}:
                if left[ledger] and (not done or (time.monotonic() - began) / 60 < minutes):
                    seed = left[ledger].pop(0)
                    running[pool.submit(one, seed, urls[ledger], deliveries)] = (seed, ledger)
            if not running:
                break
            for job in wait(running, timeout=30, return_when=FIRST_COMPLETED).done:
                done.append((*running.pop(job), _outcome(job)))
                print(_line(done[-1]), flush=True)
            say(len(done) / wanted, ", ".join(f"seed {n} on {LEDGERS[at]}" for n, at in running.values()))
    return told(sorted(done, key=lambda each: each[0]), wanted, deliveries), _seeds(done)


def one(seed: int, url: str, deliveries: int) -> Outcome:
    """Soak one seed on the ledger, emptied before."""
    ledgers.empty(url)
    with ledgers.scratch() as folder:
        return soak(plan.make(seed, deliveries), url, folder)


def _outcome(job: Future[Outcome]) -> Outcome:
    try:
        return job.result()
    except Exception as error:  # the others may still tell something
        broken = Anomaly("broke off", f"{type(error).__name__}: {error}")
        return Outcome((broken,), {}, {}, {}, 0, 0, 0, 0.0, 0.0)


def _line(soaked: Soaked) -> str:
    seed, ledger, outcome = soaked
    found = f"{len(outcome.anomalies)} anomalies" if outcome.anomalies else "no anomaly"
    said = f"seed {seed} on {LEDGERS[ledger]}: {found}, {outcome.requests:,} sends in {outcome.seconds:.0f} s"
    return "\n  ".join([said, *map(str, outcome.anomalies[:10])])


def told(done: Sequence[Soaked], wanted: int, deliveries: int) -> Told:
    """What so many soaks of the wanted ones come to: failed if any judge found anything, and then by which seed."""
    found = [f"seed {seed} on {LEDGERS[on]}: {each}" for seed, on, outcome in done for each in outcome.anomalies]
    left_out = [f"{len(done)} of {wanted} soaks in the time given"] if len(done) < wanted else []
    left_out += ["at a smaller size"] if deliveries < FULL else []
    state = ", ".join(["failed" if found else "passed", *left_out])
    ran_on = tuple(name for each, name in LEDGERS.items() if any(on == each for _, on, _ in done))
    return Told(state, ran_on, _figures(done, deliveries), "\n".join(found))


def _figures(done: Sequence[Soaked], deliveries: int) -> tuple[str, ...]:
    outcomes = [outcome for _, _, outcome in done]
    states, effects = Counter[str](), Counter[str]()
    for each in outcomes:
        states.update(each.states)
        effects.update(each.effects)
    kills = sum(sum(each.deaths.values()) for each in outcomes)
    made = sum(effects[kind] for kind in SENT)
    return (
        f"{len(outcomes)} soaks of {deliveries:,} deliveries",
        f"{kills:,} workers killed, {sum(each.frozen for each in outcomes):,} frozen",
        f"{made:,} effects of {sum(each.requests for each in outcomes):,} sends",
        ", ".join(f"{number:,} {state}" for state, number in sorted(states.items())),
        f"{sum(each.replayed for each in outcomes):,} dead letters played again",
        *(_guilty(done) or ("lost 0, doubled 0, no anomaly of any kind",)),
        f"{sum(each.simulated_h for each in outcomes):,.0f} simulated hours in {_minutes(outcomes)} real minutes",
    )


def _guilty(done: Sequence[Soaked]) -> tuple[str, ...]:
    """The seeds that found something, and what."""
    named = []
    for seed, on, outcome in done:
        kinds = Counter(each.kind for each in outcome.anomalies)
        if kinds:
            found = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
            named.append(f"seed {seed} on {LEDGERS[on]}: {found}")
    return tuple(named)


def _minutes(outcomes: Sequence[Outcome]) -> str:
    return f"{sum(each.seconds for each in outcomes) / 60:,.0f}"


def _seeds(done: Sequence[Soaked]) -> str:
    seeds = sorted({seed for seed, _, _ in done})
    return f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]}–{seeds[-1]}"
