"""The outbox drained: due deliveries in, effects and receipts out, at most one effect each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select

from pql.outbox import claims, digest
from pql.outbox.attempt import Recheck, Worker
from pql.outbox.claims import Claim
from pql.outbox.owners import at_work
from pql.outbox.rhythm import Rhythm
from pql.outbox.settling import LOST, Boundary
from pql.store.engine import reading, writing
from pql.store.instants import to_aware
from pql.store.tables import deliveries
from pql.types import BatchDestination, Destination

BATCH = 10
WAIT_IN_PLACE = timedelta(seconds=5)
_FAILED = ("retry", "ambiguous")
_TOO_MANY = 5  # failures in a row after which a destination is taken to be down
_BREATH_S = 0.1  # a due row that could not be claimed is another worker's for a moment


@dataclass(frozen=True)
class DeliverReport:
    """How attempts ended, per destination and state.

    delivered, retry, waiting (for its turn), ambiguous, unclear, dead, suppressed, lost (to another worker) or not
    reached.
    """

    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unconfigured: tuple[str, ...] = ()  # destinations that rows are due for and nobody offered

    @property
    def states(self) -> dict[str, int]:
        """Attempts by state, all destinations together."""
        total: Counter[str] = Counter()
        for each in self.counts.values():
            total.update(each)
        return dict(total)


def deliver(
    engine: Engine,
    destinations: Mapping[str, Destination],
    *,
    recheck: Recheck,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
    only: Collection[int] | None = None,
    max_seconds: float = 600,
    owner: str | None = None,
    boundary: Boundary = lambda name: None,
    rhythm: Rhythm | None = None,
) -> DeliverReport:
    """Carry out what is due for `destinations` (of the ids `only`, if given) and report how it ended.

    Ends when nothing is due within 5 seconds or after `max_seconds`; what is then still claimed is given back. A
    destination that fails five times in a row is left alone until the next call.
    Several may run at once. `recheck` is asked about every row just before it is sent (SEM-W4). What has waited for a
    digest or for working hours is gathered first, unless certain ids are asked for; `rhythm` says when people are at
    work, and how many messages make a table.
    """
    deadline = clock() + timedelta(seconds=max_seconds)
    with at_work(owner) as name:
        worker = Worker(engine, recheck, clock, sleep, boundary, rhythm or Rhythm())
        drain = _Drain(worker, destinations, only, name)
        while clock() < deadline:
            drain.gather()
            took = sum(drain.batch(name, deadline) for name in drain.open)
            if took == 0 and not drain.wait(sleep, deadline):
                break
    return DeliverReport({name: dict(each) for name, each in drain.counts.items()}, drain.unconfigured())


@dataclass(frozen=True)
class _Drain:
    worker: Worker
    destinations: Mapping[str, Destination]
    only: Collection[int] | None
    owner: str
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)  # failures in a row
    tripped: set[str] = field(default_factory=set)

    @property
    def open(self) -> list[str]:
        """The destinations that are still sent to."""
        return sorted(set(self.destinations) - self.tripped)

    def gather(self) -> None:
        """Put messages that have waited for this moment under tables, where they are many."""
        if self.only is None:
            digest.gather_waiting(self.worker.engine, self.worker.rhythm, now=self.worker.clock())

    def batch(self, name: str, deadline: datetime) -> int:
        """Claim a batch for the destination `name` and carry it out; return how many rows it had."""
        destination = self.destinations[name]
        size = destination.batch_size if isinstance(destination, BatchDestination) else BATCH
        self.worker.boundary("before claim")
        with writing(self.worker.engine) as conn:
            claimed = claims.claim(conn, name, owner=self.owner, now=self.worker.clock(), limit=size, only=self.only)
        if not claimed:
            return 0
        self.worker.boundary("claimed")
        counts = self.counts.setdefault(name, Counter())
        one_by_one = [claimed] if isinstance(destination, BatchDestination) else [(each,) for each in claimed]
        for together in one_by_one:
            if name in self.tripped or self.worker.clock() >= deadline:
                counts.update(self._give_back(each) for each in together)
                continue
            states = self.worker.carry_out(together, destination)
            counts.update(states)
            self._watch(name, states)
        return len(claimed)

    def _watch(self, name: str, states: Sequence[str]) -> None:
        """Leave a destination alone for this drain that fails several times in a row: it is down, not the rows."""
        for state in states:
            failed = self.failing.get(name, 0) + 1 if state in _FAILED else 0
            self.failing[name] = failed
            if failed >= _TOO_MANY:
                self.tripped.add(name)

    def wait(self, sleep: Callable[[float], None], deadline: datetime) -> bool:
        """Sleep until the next row is due if that is near, and tell whether there is reason to go on."""
        now = self.worker.clock()
        due_at = self._next_due()
        if due_at is None or due_at > min(now + WAIT_IN_PLACE, deadline):
            return False
        sleep(max(_BREATH_S, (due_at - now).total_seconds()))
        return self.worker.clock() > now

    def unconfigured(self) -> tuple[str, ...]:
        """Return the destinations of due rows that this call was not offered; none if it was asked for some rows."""
        if self.only is not None:
            return ()
        query = select(deliveries.c.destination).where(claims.is_due(self.worker.clock())).distinct()
        with reading(self.worker.engine) as conn:
            return tuple(sorted(set(conn.execute(query).scalars()) - set(self.destinations)))

    def _give_back(self, claim: Claim) -> str:
        """Back it goes as it came: no attempt was made."""
        now = self.worker.clock()
        with writing(self.worker.engine) as conn:
            ours = claims.put_back(conn, claim, not_before=now, reason=None, maybe_sent=claim.maybe_sent, counts=False)
        return "not reached" if ours else LOST

    def _next_due(self) -> datetime | None:
        wanted = [
            deliveries.c.state.in_(("pending", "ambiguous")),
            deliveries.c.destination.in_(self.open),
            ~claims.waits_for_thread(),
        ]
        if self.only is not None:
            wanted.append(deliveries.c.id.in_(sorted(self.only)))
        with reading(self.worker.engine) as conn:
            return to_aware(conn.execute(select(func.min(deliveries.c.not_before)).where(*wanted)).scalar())
