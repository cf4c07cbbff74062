"""Which message a further one answers under: within 24 hours an account's channel gets no second one (SEM-D5)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from pql.plays.model import Kind
from pql.store.instants import to_naive
from pql.store.tables import deliveries

THREAD_FOR = timedelta(hours=24)
_THREADABLE = ("pending", "claimed", "sending", "ambiguous", "delivered")


def parent(conn: Connection, *, account_key: str, destination: str, kind: Kind, lane: str, now: datetime) -> int | None:
    """Return the message to answer under at `now`: the newest of the last 24 hours that stands in the channel itself.

    What counts is when it was sent, or will be: one that was held for days is new on the day it is released.
    """
    if kind != "slack":
        return None
    columns = deliveries.c
    said_at = func.coalesce(columns.sent_at, columns.not_before)
    return conn.execute(
        select(columns.id)
        .where(
            columns.account_key == account_key,
            columns.lane == lane,
            columns.destination == destination,
            columns.kind == "slack",
            columns.thread_of.is_(None),
            columns.state.in_(_THREADABLE),
            said_at > to_naive(now - THREAD_FOR),
        )
        .order_by(said_at.desc(), columns.id.desc())
        .limit(1)
    ).scalar()
