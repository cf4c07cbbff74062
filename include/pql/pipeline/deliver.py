"""What is due goes out: outbox → destinations, each delivery checked again before it is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pql import destinations, outbox, store
from pql.pipeline.project import Project
from pql.pipeline.recheck import rechecker
from pql.types import Destination, Order, Pace, Result, UnknownConnection, UserError

CLOCKS_AGREE = timedelta(minutes=1)  # of the five that a lease lasts


def due(project: Project, *, now: datetime) -> list[dict[str, Any]]:
    """Batches of due deliveries, each for one destination: `destination` and `ids`.

    What has waited for this moment (a digest, working hours) is gathered before it is listed.
    """
    outbox.gather_waiting(project.engine, outbox.rhythm(project.settings), now=now)
    return [{"destination": name, "ids": list(ids)} for name, ids in outbox.due(project.engine, now)]


def check_clock(project: Project, *, now: datetime) -> None:
    """Refuse to deliver by a clock that is not the ledger's: leases are kept by it. Raises UserError."""
    ahead = store.clock_ahead(project.engine, now)
    if abs(ahead) > CLOCKS_AGREE:
        raise UserError(
            f"This machine's clock is {ahead.total_seconds():+.0f} s off the ledger's. Set it right (NTP) and run this "
            "again; nothing is delivered meanwhile, because leases are kept by the clock."
        )


def deliver(
    project: Project,
    *,
    clock: Callable[[], datetime],
    only: Collection[int] | None = None,
    max_seconds: float = 600,
) -> dict[str, Any]:
    """Send what is due (or those of the ids `only`); returns `states`: how many ended in which state.

    A destination that cannot be built (unknown, no connection) fails its own rows with the reason, not the others'.
    """
    report = outbox.deliver(
        project.engine,
        {name: _build(project, name) for name in _wanted(project, clock())},
        recheck=rechecker(project, clock),
        clock=clock,
        sleep=time.sleep,
        only=only,
        max_seconds=max_seconds,
        rhythm=outbox.rhythm(project.settings),
    )
    return {"states": report.states, "destinations": {name: dict(each) for name, each in report.counts.items()}}


@dataclass(frozen=True)
class Unusable:
    """A destination that cannot be built: its deliveries wait with the reason, and end as dead if nobody mends it."""

    reason: str
    kind: str = "unusable"
    quiet_s: float = 0.0
    pace: Pace | None = None

    def send(self, order: Order) -> Result:
        """Nothing is sent."""
        return Result("not_sent", reason=self.reason)

    def find(self, order: Order) -> Result:
        """Nobody can look."""
        return Result("ambiguous", reason=self.reason)


def _wanted(project: Project, now: datetime) -> list[str]:
    return sorted({name for name, _ in outbox.due(project.engine, now)} | set(project.settings.destinations))


def _build(project: Project, name: str) -> Destination:
    try:
        return destinations.build(name, project.settings, project.connections)
    except (UserError, UnknownConnection) as error:
        return Unusable(str(error))
