"""The outbox drained: due deliveries in, effects and receipts out, at most one effect each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from pql.outbox.queueing.rhythm import Rhythm
from pql.outbox.sending import claims
from pql.outbox.sending.attempt import Worker
from pql.outbox.sending.checking import Checking, Recheck
from pql.outbox.sending.drain import Drain
from pql.outbox.sending.owners import at_work
from pql.outbox.sending.settling import Boundary, Settling
from pql.outbox.sending.together import Together
from pql.store.engine import reading
from pql.store.tables import deliveries
from pql.types import Destination


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

    Destinations are drained side by side, and so are the lanes (channels) of one. Ends when nothing is due within
    5 seconds or after `max_seconds`; what is then still claimed is given back. A destination that fails five times in
    a row is left alone until the next call. Several may run at once.

    `recheck` is asked about every row at most 10 seconds before it is sent (SEM-W4), about many at once if it can
    (`checking.BatchRecheck`). What has waited for a digest or for working hours is gathered first, unless certain ids
    are asked for; `rhythm` says when people are at work, and how many messages make a table. `clock` is read, `recheck`
    asked and `boundary` told by several threads; `sleep` is called by the caller's alone, and only while no request is
    on its way.
    """
    deadline = clock() + timedelta(seconds=max_seconds)
    together, days = Together(engine), rhythm or Rhythm()
    settling = Settling(together, clock, boundary)
    checking = Checking(engine, recheck, clock, settling, days)
    with at_work(owner) as name:
        worker = Worker(together, checking, settling, clock, boundary)
        drain = Drain(engine, worker, destinations, owner=name, only=only, deadline=deadline)
        drain.run(sleep)
    return DeliverReport(
        {line.name: dict(line.counts) for line in drain.lines if line.counts},
        () if only is not None else _unconfigured(engine, clock(), destinations),
    )


def _unconfigured(engine: Engine, now: datetime, offered: Collection[str]) -> tuple[str, ...]:
    """Return the destinations of due rows that were not offered."""
    query = select(deliveries.c.destination).where(claims.is_due(now)).distinct()
    with reading(engine) as conn:
        return tuple(sorted(set(conn.execute(query).scalars()) - set(offered)))
