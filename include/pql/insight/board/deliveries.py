"""Deliveries as the page lists them: by state, counted, a page at a time, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from pql import outbox
from pql.outbox import Delivery
from pql.store.tables import deliveries as table

PAGE = 50
ATTENTION = "attention"  # the filter's word for those that wait for a person
_WAITING = ("dead", "held", "ambiguous")
DELIVERY_STATES = ("pending", "held", "claimed", "sending", "ambiguous", "delivered", "dead", "suppressed")


@dataclass(frozen=True)
class Deliveries:
    """One page of deliveries, with what its filters offer."""

    rows: tuple[Delivery, ...]
    total: int
    page: int
    pages: int
    counts: Mapping[str, int]  # by state and ATTENTION, of the destination asked for
    destinations: tuple[str, ...]


def deliveries(connection: Connection, *, state: str = "", destination: str = "", page: int = 1) -> Deliveries:
    """The page asked for; an unknown state shows everything, a page beyond the last is the last."""
    of = [table.c.destination == destination] if destination else []
    by_state = connection.execute(select(table.c.state, func.count()).where(*of).group_by(table.c.state))
    counts = {str(name): int(number) for name, number in by_state}
    counts[ATTENTION] = sum(counts.get(name, 0) for name in _WAITING)
    states = _WAITING if state == ATTENTION else (state,) if state in DELIVERY_STATES else ()
    total = sum(counts.get(name, 0) for name in states or DELIVERY_STATES)
    pages = max(1, -(-total // PAGE))
    page = min(max(page, 1), pages)
    found = outbox.list_deliveries(
        connection, states=states, destination=destination or None, limit=PAGE, offset=(page - 1) * PAGE
    )
    names = connection.execute(select(table.c.destination).distinct().order_by(table.c.destination)).scalars()
    return Deliveries(found, total, page, pages, counts, tuple(names))
