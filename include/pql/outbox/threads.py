"""Which message a further one answers under: within 24 hours an account's channel gets no second one (SEM-D5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Alias, ColumnElement, Connection, Row, Table, exists, func, or_, select

from pql.plays.model import Kind
from pql.store.instants import to_naive
from pql.store.tables import deliveries

THREAD_FOR = timedelta(hours=24)
TABLE = "table:"  # how the account key of a table begins: it is about many
_THREADABLE = ("pending", "claimed", "sending", "ambiguous", "delivered")


def parent(conn: Connection, *, account_key: str, destination: str, kind: Kind, lane: str, now: datetime) -> int | None:
    """Return the message to answer under at `now`: the newest of the last 24 hours that stands in the channel itself.

    What counts is when it was sent, or will be: one that was held for days is new on the day it is released, and one
    that waits to be gathered is nothing to answer under yet. Where the account was told of under a table, the further
    message goes there, too.
    """
    if kind != "slack":
        return None
    columns = deliveries.c
    table = deliveries.alias("listed_in")
    said_at = func.coalesce(columns.sent_at, columns.not_before)
    under_a_table = exists().where(table.c.id == columns.thread_of, is_table(table))
    return conn.execute(
        select(func.coalesce(columns.thread_of, columns.id))
        .where(
            columns.account_key == account_key,
            columns.lane == lane,
            columns.destination == destination,
            columns.kind == "slack",
            or_(columns.thread_of.is_(None), under_a_table),
            columns.gather_at.is_(None),
            columns.state.in_(_THREADABLE),
            said_at > to_naive(now - THREAD_FOR),
        )
        .order_by(said_at.desc(), columns.id.desc())
        .limit(1)
    ).scalar()


def parent_of(conn: Connection, row: Row[Any], *, now: datetime) -> int | None:
    """Return what the delivery of this row is to answer under at `now`."""
    said_in = {name: getattr(row, name) for name in ("account_key", "destination", "kind", "lane")}
    return parent(conn, **said_in, now=now)


def is_table(rows: Table | Alias) -> ColumnElement[bool]:
    """Return the condition that a delivery is a table of others (`outbox.digest`)."""
    return rows.c.account_key.startswith(TABLE)
