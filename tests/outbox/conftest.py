"""A ledger with episodes that cause deliveries, a clock one can turn, and a destination that keeps its effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from pql import outbox, store
from pql.outbox import Claim, DeliverReport, Delivery, Queued
from pql.outbox.queueing.retract import TakenBack, retract
from pql.plays.model import Cause, Intent, Merged
from pql.qualification.model import Closed, Decisions, Opened
from pql.store import decisions, runs
from pql.store.tables import deliveries
from pql.types import Alert, Order, Pace, Result

T0 = datetime(2026, 3, 2, tzinfo=UTC)
WHY = "by corrected data it did not qualify"


@dataclass
class Clock:
    """A clock that stands still until it is turned; sleeping turns it."""

    now: datetime = T0

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Remote:
    """A destination whose effects outlive the request: `effects` is what really happened, by delivery key.

    `script` gives the outcome of the sends to come, delivered when it is empty. "lost": the effect happens and the
    answer does not arrive.
    """

    kind: str = "slack"
    quiet_s: float = 0.0
    pace: Pace | None = None
    effects: list[str] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    script: list[Any] = field(default_factory=list)
    blind: bool = False  # find cannot tell

    def send(self, order: Order) -> Result:
        self.orders.append(order)
        step = self.script.pop(0) if self.script else "delivered"
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Result):
            return step
        self.effects.append(order.key)
        return Result("ambiguous", reason="time-out") if step == "lost" else Result("delivered", {"ts": order.key})

    def find(self, order: Order) -> Result:
        self.looked.append(order.key)
        if self.blind:
            return Result("ambiguous", reason="history cannot be read")
        return Result("delivered", {"ts": order.key}) if order.key in self.effects else Result("not_sent")


@dataclass
class World:
    """Everything a story about deliveries needs."""

    engine: Engine
    clock: Clock = field(default_factory=Clock)
    remote: Remote = field(default_factory=Remote)
    objections: dict[str, str] = field(default_factory=dict)  # account → why not to send
    episodes: dict[str, int] = field(default_factory=dict)  # subject → its episode

    def qualifies(
        self,
        account: str,
        *,
        definition: str = "d",
        lane: str = "slack:#pql",
        silent: Any = None,
        score: int = 80,
        kind: Any = "slack",
        options: Any = None,
        hold: bool = False,
        subject: str | None = None,
        rhythm: outbox.Rhythm | None = None,
    ) -> Queued:
        """An episode opens now; unless silent, what it causes is enqueued in the same transaction."""
        now, subject = self.clock(), subject or account
        with store.deciding(self.engine) as conn:
            run_id = runs.start_run(conn, kind="hourly", as_of=now, now=now, live=True)
            opened = Opened(subject, account, now, silent is None, silent, score)
            applied = decisions.apply(
                conn, Decisions(definition, "hash", now, live=True, opened=(opened,)), run_id=run_id
            )
            self.episodes[subject] = applied.episodes[definition, subject]
            intent = self.intent(account, subject, definition, lane, kind, options or {"channel": "#pql"}, score)
            decisions.keep_intents(conn, [intent], applied)
            if silent is not None:
                return Queued()
            return outbox.enqueue(conn, [merged(intent)], applied, run_id=run_id, now=now, hold=hold, rhythm=rhythm)

    def run_of(
        self,
        accounts: Sequence[str],
        *,
        rhythm: outbox.Rhythm,
        lane: str = "slack:#pql",
        options: Any = None,
        scores: Sequence[int] = (),
    ) -> Queued:
        """One run in which all these accounts are in the qualified state; those without a stay open one."""
        now = self.clock()
        with store.deciding(self.engine) as conn:
            run_id = runs.start_run(conn, kind="hourly", as_of=now, now=now, live=True)
            new = [account for account in accounts if account not in self.episodes]
            opened = tuple(Opened(account, account, now, True, None, 80) for account in new)
            made = Decisions("d", "hash", now, live=True, opened=opened)
            self.episodes |= {key[1]: each for key, each in decisions.apply(conn, made, run_id=run_id).episodes.items()}
            applied = decisions.Applied(episodes={("d", account): self.episodes[account] for account in accounts})
            ranked = zip(accounts, scores or [80] * len(accounts), strict=True)
            wanted = [
                self.intent(account, account, "d", lane, "slack", options or {"channel": "#pql"}, score)
                for account, score in ranked
            ]
            return outbox.enqueue(conn, map(merged, wanted), applied, run_id=run_id, now=now, rhythm=rhythm)

    def intent(
        self, account: str, subject: str, definition: str, lane: str, kind: Any, options: Any, score: int
    ) -> Intent:
        alert = Alert(
            "just qualified", (definition,), (definition,), subject, account, account.title(),
            self.clock().isoformat(), score, 75, "B1", 9,
        )  # fmt: skip
        cause = Cause(definition, "episode", subject, "ping", f"0:{kind}")
        return Intent(cause, account, subject, "remote", kind, lane, options, alert, 10)

    def stops(self, *accounts: str, because: str = "too many at once", **how: Any) -> int:
        """One run is stopped with a delivery for each account, the later ones hotter; returns the run's id."""
        first = len(self.all())
        for number, account in enumerate(accounts):
            self.qualifies(account, hold=True, score=50 + number, **how)
        run_id = max(each.run_id or 0 for each in self.all())
        with store.writing(self.engine) as conn:
            ids = [each.id for each in self.all()[first:]]
            conn.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(run_id=run_id))
            summary = {"held": len(ids), "held_because": [because]}
            runs.finish_run(conn, run_id, announced=0, held=len(accounts), summary=summary)
        return run_id

    def closes(self, subject: str, reason: Any) -> None:
        """The subject's stay ends now."""
        now = self.clock()
        with store.deciding(self.engine) as conn:
            run_id = runs.start_run(conn, kind="hourly", as_of=now, now=now, live=True)
            ended = Closed(self.episodes[subject], subject, subject, now, reason, None)
            decisions.apply(conn, Decisions("d", "hash", now, live=True, closed=(ended,)), run_id=run_id)

    def deliver(self, **options: Any) -> DeliverReport:
        return outbox.deliver(
            self.engine,
            {"remote": self.remote},
            **{"recheck": self.recheck, "clock": self.clock, "sleep": self.clock.sleep, **options},
        )

    def recheck(self, claim: Claim) -> str | None:
        return self.objections.get(claim.account_key)

    def all(self) -> list[Delivery]:
        """All deliveries, the oldest first."""
        with store.reading(self.engine) as conn:
            return list(reversed(outbox.list_deliveries(conn)))

    def only(self) -> Delivery:
        (delivery,) = self.all()
        return delivery


def merged(intent: Intent, *others: Intent) -> Merged:
    return Merged(
        intent.account_key,
        intent.subject_key,
        intent.destination,
        intent.kind,
        intent.lane,
        intent.options,
        intent.alert,
        tuple(each.cause for each in (intent, *others)),
    )


@pytest.fixture
def world(ledger: Engine) -> World:
    return World(ledger)


@pytest.fixture
def world_on() -> type[World]:
    return World


@pytest.fixture
def merge_of() -> Callable[..., Merged]:
    return merged


def taken_back(world: Any, *subjects: str, **options: Any) -> TakenBack:
    """The stays of these subjects end as retracted, and what announced them is taken back."""
    for subject in subjects:
        world.closes(subject, "retracted")
    return again(world, *subjects, **options)


def again(world: Any, *subjects: str, **options: Any) -> TakenBack:
    with store.deciding(world.engine) as conn:
        why = {world.episodes[subject]: WHY for subject in subjects}
        return retract(conn, why, run_id=None, now=world.clock(), **options)
