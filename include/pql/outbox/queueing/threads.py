"""Which message a further one answers under: its stay's first, else one of the last 24 hours (SEM-D5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, exists, func, or_, select

from pql.outbox.queueing import follow_ups
from pql.plays.model import Kind
from pql.store.instants import to_naive
from pql.store.tables import deliveries

THREAD_FOR = timedelta(hours=24)
TABLE = "table:"  # how the account key of a table begins: it is about many
_TABLE, _TAKEN_BACK = deliveries.alias("listed_in"), deliveries.alias("taken_back")  # costly to make for each row
_THREADABLE = ("pending", "claimed", "sending", "ambiguous", "delivered")


def parent(conn: Connection, *, account_key: str, destination: str, kind: Kind, lane: str, now: datetime) -> int | None:
    """Return the message to answer under at `now`: the newest of the last 24 hours that stands in the channel itself.

    What counts is when it was sent, or will be: one that was held for days is new on the day it is released, and one
    that waits to be gathered is nothing to answer under yet. Where the account was told of under a table, the further
    message goes there, too.
    """
    if kind != "slack":
        return None
    columns, table, taken_back = deliveries.c, _TABLE, _TAKEN_BACK
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
            ~exists().where(taken_back.c.retracts == columns.id, taken_back.c.state.not_in(follow_ups.OVER)),
            said_at > to_naive(now - THREAD_FOR),
        )
        .order_by(said_at.desc(), columns.id.desc())
        .limit(1)
    ).scalar()


def parent_of(conn: Connection, row: Row[Any], *, now: datetime) -> int | None:
    """Return what the delivery of this row is to answer under at `now`; in a digest, no stay of long ago."""
    said_in = {name: getattr(row, name) for name in ("destination", "kind", "lane")}
    happened = () if row.options.get("how") == "digest" else follow_ups.happened_behind(conn, row.id)
    first = follow_ups.first_message(conn, happened, **said_in, not_under=row.id)
    return parent(conn, account_key=row.account_key, **said_in, now=now) if first is None else first


def is_table(rows: FromClause) -> ColumnElement[bool]:
    """Return the condition that a delivery is a table of others (`outbox.digest`)."""
    return rows.c.account_key.startswith(TABLE)
