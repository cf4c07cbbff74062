"""The soak's row: seeds, ledgers and a budget in, its result out; the seeds that found something are named."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests.chaos import ledgers, plan
from tests.chaos.soak import Outcome, soak
from tests.chaos.stories import LEDGERS, Told

FULL = 10_000  # deliveries of a soak as it is promised
Say = Callable[[float, str], None]


def run(seeds: Sequence[int], on: Sequence[str], deliveries: int, minutes: float, say: Say) -> tuple[Told, str]:
    """Soak each seed on each ledger, as many as the budget of minutes allows, at least one; (what it told, seeds)."""
    began = time.monotonic()
    done: list[tuple[int, str, Outcome]] = []
    wanted = [(seed, ledger) for seed in seeds for ledger in on]
    with ExitStack() as stack:
        urls = {each: stack.enter_context(getattr(ledgers, each)()) for each in on}
        for number, (seed, ledger) in enumerate(wanted):
            if done and (time.monotonic() - began) / 60 > minutes:
                break
            ledgers.empty(urls[ledger])

            def told(share: float, what: str, number: int = number, seed: int = seed, on: str = ledger) -> None:
                say((number + share) / len(wanted), f"seed {seed} on {LEDGERS[on]}, {what}")

            with ledgers.scratch() as folder:
                done.append((seed, ledger, soak(plan.make(seed, deliveries), urls[ledger], folder, told)))
    return _told(done, wanted, deliveries), _seeds(done)


def _told(done: Sequence[tuple[int, str, Outcome]], wanted: Sequence[object], deliveries: int) -> Told:
    found = [f"seed {seed} on {LEDGERS[on]}: {each}" for seed, on, outcome in done for each in outcome.anomalies]
    state = "failed" if found else "passed"
    if len(done) < len(wanted) and not found:
        state = f"passed, {len(done)} of {len(wanted)} soaks in the time given"
    elif deliveries < FULL and not found:
        state = "passed at a smaller size"
    return Told(
        state,
        tuple(LEDGERS[each] for each in LEDGERS if any(on == each for _, on, _ in done)),
        _figures([outcome for _, _, outcome in done], deliveries),
        "\n".join(found),
    )


def _figures(outcomes: Sequence[Outcome], deliveries: int) -> tuple[str, ...]:
    states, effects, kinds = Counter[str](), Counter[str](), Counter[str]()
    for each in outcomes:
        states.update(each.states)
        effects.update(each.effects)
        kinds.update(anomaly.kind for anomaly in each.anomalies)
    kills = sum(sum(each.deaths.values()) for each in outcomes)
    made = sum(effects[kind] for kind in ("slack", "crm_task", "webhook"))
    return (
        f"{len(outcomes)} soaks of {deliveries:,} deliveries",
        f"{kills:,} workers killed, {sum(each.frozen for each in outcomes):,} frozen",
        f"{made:,} effects of {sum(each.requests for each in outcomes):,} sends",
        ", ".join(f"{number:,} {state}" for state, number in sorted(states.items())),
        f"{sum(each.replayed for each in outcomes):,} dead letters played again",
        ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "lost 0, doubled 0, anomalies 0",
        f"{sum(each.simulated_h for each in outcomes):,.0f} simulated hours in {_minutes(outcomes)} real minutes",
    )


def _minutes(outcomes: Sequence[Outcome]) -> str:
    return f"{sum(each.seconds for each in outcomes) / 60:,.0f}"


def _seeds(done: Sequence[tuple[int, str, Outcome]]) -> str:
    seeds = sorted({seed for seed, _, _ in done})
    return f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]}–{seeds[-1]}"
