"""A seeded soak: a plan and an empty ledger in, what came of it and every anomaly out.

Deliveries to Slack, HubSpot and a webhook are decided by the wave and carried out by worker processes that are killed
and frozen, while the sandbox loses answers, acts late, limits, refuses and goes down. Everybody follows one clock.
It moves only while all workers sleep, a whole second at least, so a busy machine changes nothing. The plan is the
seed's; how the system schedules the processes, and so which request a fault strikes, is not.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from mmap import mmap
from pathlib import Path
from struct import pack, unpack
from typing import Any

import requests
from sqlalchemy import Engine, func, select
from tests.chaos.crew import Crew
from tests.chaos.deciding import decide
from tests.chaos.history import OVER, Anomaly, History, Intended, Left, Row, anomalies
from tests.chaos.plan import T0, Plan
from tests.chaos.worker import Post

from pql import outbox, store
from pql.sandbox import Server
from pql.sandbox.credentials import HUBSPOT_TOKEN
from pql.settings import Settings
from pql.store.instants import to_aware
from pql.store.tables import deliveries, delivery_causes, episodes

REST_S = 300.0  # who found nothing to do looks again so much later, as `deliver` does, or when something was decided
AT_MOST_S = 6 * 86_400.0  # by then everything has to be over
SETTINGS = Settings.model_validate(
    {
        "destinations": {
            "slack": {"kind": "slack"},
            "crm": {"kind": "hubspot"},
            "zapier_nudge": {"kind": "webhook", "connection": "zapier_nudge"},
        }
    }
)


@dataclass(frozen=True)
class Outcome:
    """What came of a soak."""

    anomalies: tuple[Anomaly, ...]
    states: Mapping[str, int]  # of deliveries, when everything was over for the first time
    effects: Mapping[str, int]  # by kind, in the sandbox's log
    deaths: Mapping[str, int]  # by where workers were killed
    frozen: int  # how often one was stopped for a while and went on
    requests: int  # sends that left, batches counted by row
    replayed: int  # dead letters that were played again
    simulated_h: float
    seconds: float


def soak(
    plan: Plan, ledger: str, folder: Path, say: Callable[[float, str], None] = lambda share, what: None
) -> Outcome:
    """Carry the plan out on the empty ledger at that URL; `say` is told how far it is (0 to 1) and what goes on."""
    began = time.monotonic()
    clock = _Clock(folder / "clock")
    engine = store.connect(ledger)
    with Server(folder / "sandbox", clock=clock, paced_by_clock=True, company_at=T0) as sandbox:
        post = Post(ledger, sandbox.url, SETTINGS, clock.dial, folder / "left", plan.seed)
        run = _Run(plan, engine, sandbox, clock, post, say)
        try:
            run.until_over()
            states = run.states()
            found = anomalies(run.history())
            replayed = run.replay()
        finally:
            run.crew.end()
            run.desk.shutdown()
        history = run.history()
        engine.dispose()
    return Outcome(
        anomalies=tuple(dict.fromkeys((*found, *anomalies(history)))),
        states=states,
        effects=dict(sorted(Counter(str(each["kind"]) for each in history.effects).items())),
        deaths=dict(sorted(run.crew.deaths.items())),
        frozen=run.crew.frozen,
        requests=len(history.left),
        replayed=replayed,
        simulated_h=clock.now_s / 3600,
        seconds=time.monotonic() - began,
    )


class _Clock:
    """Seconds since T0, in a file that all processes look at."""

    def __init__(self, dial: Path) -> None:
        self.dial = dial
        dial.write_bytes(pack("d", 0.0))
        with dial.open("r+b") as file:
            self._shown = mmap(file.fileno(), 8)

    def __call__(self) -> datetime:
        return T0 + timedelta(seconds=self.now_s)

    @property
    def now_s(self) -> float:
        return float(unpack("d", self._shown[:8])[0])

    def turn_to(self, now_s: float) -> None:
        self._shown[:8] = pack("d", max(now_s, self.now_s))


@dataclass
class _Run:
    plan: Plan
    engine: Engine
    sandbox: Server
    clock: _Clock
    post: Post
    say: Callable[[float, str], None]
    late: set[int] = field(default_factory=set)
    answers: dict[str, int] = field(default_factory=dict)  # key → the delivery it was queued to answer
    waves: int = 0  # decided so far
    weathers: int = 0  # in force so far
    hides_bursts: bool = False
    rested_at_s: float = -REST_S
    desk: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))  # where waves are decided

    def __post_init__(self) -> None:
        self.post.left.touch()
        self.crew = Crew(self.plan, self.post)
        self.company = _a_company(self.sandbox)

    def until_over(self) -> None:
        """Let time pass until every delivery is over, or too much of it has passed."""
        end_s = self.clock.now_s + AT_MOST_S
        while self.clock.now_s < end_s:
            self._land()
            self._change_weather()
            due_s = self._next_due_s()
            if due_s == math.inf and self.waves == len(self.plan.waves):
                return
            rested = max(due_s, self.rested_at_s + REST_S) <= self.clock.now_s
            self.rested_at_s = self.clock.now_s if rested else self.rested_at_s
            before = len(self.sandbox.effects())
            self.crew.wake(self.clock.now_s, resting=rested, mortal=self.clock.now_s < self.plan.calm_from_s)
            self._decide()
            self.crew.until_asleep(self.clock.now_s)
            self._answered()
            if self.crew.thawed:  # who stood still between its turn and its request sends late
                self.crew.thawed = False
                self._are_late(before)
            self._move()

    def replay(self) -> int:
        """Play the dead letters again, twice, in fair weather; return how many there were."""
        with store.reading(self.engine) as conn:
            dead = [each.id for each in outbox.list_deliveries(conn, states=("dead",))]
        for _ in range(2):
            with store.writing(self.engine) as conn:
                outbox.retry(conn, [each for each in dead if self._state(each) == "dead"], now=self.clock())
            self.until_over()
        return len(dead)

    def states(self) -> dict[str, int]:
        """How many deliveries are in which state."""
        with store.reading(self.engine) as conn:
            query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
            return {state: number for state, number in conn.execute(query)}

    def history(self) -> History:
        """Everything that is known by now."""
        intended = [
            Intended(each.definition, each.subject_key, each.destination)
            for wave in self.plan.waves
            for each in wave.decisions
        ]
        left = [Left(*json.loads(line)) for line in self.post.left.read_text().splitlines()]
        return History(intended, self._rows(), self.sandbox.effects(), left, frozenset(self.late))

    def _move(self) -> None:
        """Turn the clock to the next moment at which something happens, by whole seconds."""
        landing = self.sandbox.landing_at()
        waves, weather = self.plan.waves[self.waves :], self.plan.weather[self.weathers :]
        moments = [
            self.crew.next_s(),
            max(self._next_due_s(), self.rested_at_s + REST_S) if self.crew.resting else math.inf,
            math.inf if landing is None else (landing - T0).total_seconds(),
            waves[0].at_s if waves else math.inf,
            weather[0].from_s if weather else math.inf,
        ]
        if (soonest := min(moments)) < math.inf:
            self.clock.turn_to(math.ceil(soonest - 1e-6))

    def _answered(self) -> None:
        """Wait until the sandbox is done with what the dead and the frozen have asked of it."""
        if self.crew.interrupted:
            self.crew.interrupted = False
            time.sleep(0.01)  # what they sent just before may not have been read yet
        while self.sandbox.in_hand():
            time.sleep(0.001)

    def _next_due_s(self) -> float:
        """When the next delivery wants something done, infinity if all are over."""
        columns = deliveries.c
        waiting = select(func.min(columns.not_before)).where(columns.state.in_(("pending", "ambiguous")))
        held = select(func.min(columns.lease_until)).where(columns.state.in_(("claimed", "sending")))
        with store.reading(self.engine) as conn:
            found = [conn.execute(query).scalar() for query in (waiting, held)]
        return min([(to_aware(at) - T0).total_seconds() for at in found if at is not None], default=math.inf)

    def _land(self) -> None:
        """Let requests that were held up on the way have their effects, and remember which these are."""
        before = len(self.sandbox.effects())
        while (at := self.sandbox.landing_at()) is not None and at <= self.clock():
            time.sleep(0.002)
        self._are_late(before)

    def _are_late(self, before: int) -> None:
        self.late |= {int(each["seq"]) for each in self.sandbox.effects()[before:]}

    def _change_weather(self) -> None:
        while self.weathers < len(self.plan.weather) and self.plan.weather[self.weathers].from_s <= self.clock.now_s:
            new = self.plan.weather[self.weathers]
            self.weathers += 1
            self.sandbox.faults.clear()
            for fault in new.faults:
                self.sandbox.faults.arm(fault)
            self.hides_bursts = new.hides_bursts
            self.say(self._share(), f"{self.clock.now_s / 60:5.0f} min: {new.name}")
        # what is held up on the way, or by a worker that stands still, lands beside what leaves at pace
        held_up = self.crew.has_frozen or self.sandbox.landing_at() is not None
        self.sandbox.world.hides_bursts = self.hides_bursts and not held_up

    def _share(self) -> float:
        """How much of the work is done, 0 to 1."""
        over = sum(number for state, number in self.states().items() if state in OVER)
        return over / self.plan.deliveries

    def _decide(self) -> None:
        while self.waves < len(self.plan.waves) and self.plan.waves[self.waves].at_s <= self.clock.now_s:
            wave = self.plan.waves[self.waves]
            self.waves += 1
            job = self.desk.submit(decide, self.engine, wave, self.company, self.clock())
            self.answers |= self.crew.until_done(job, self.clock.now_s)
            self.rested_at_s = -REST_S

    def _state(self, id: int) -> str:
        with store.reading(self.engine) as conn:
            return str(conn.execute(select(deliveries.c.state).where(deliveries.c.id == id)).scalar())

    def _rows(self) -> list[Row]:
        """The ledger's deliveries with their causes, as the judge wants them."""
        causes: dict[int, list[Intended]] = {}
        query = select(delivery_causes, episodes.c.subject_key).join(
            episodes, episodes.c.id == delivery_causes.c.episode_id
        )
        with store.reading(self.engine) as conn:
            for each in conn.execute(query):
                found = Intended(each.definition, each.subject_key, each.destination)
                causes.setdefault(each.delivery_id, []).append(found)
            return [
                Row(
                    row.id,
                    row.key,
                    row.state,
                    row.attempt,
                    self.answers.get(row.key),
                    row.sent_at is not None,
                    row.reason or "",
                    tuple(causes.get(row.id, ())),
                )
                for row in conn.execute(select(deliveries).order_by(deliveries.c.id))
            ]


def _a_company(sandbox: Server) -> str:
    known = {"Authorization": f"Bearer {HUBSPOT_TOKEN}"}
    url = f"{sandbox.url}/hubspot/crm/v3/objects/companies"
    answer: Any = requests.get(url, params={"limit": 1}, headers=known, timeout=30).json()
    return str(answer["results"][0]["id"])
