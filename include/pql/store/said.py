"""What old deliveries and ended stays said: the people and reasons in it go, that it was said stays."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, null, select, update

from pql.store.instants import to_naive
from pql.store.tables import deliveries, episodes

ERASED_KEY = "erased:"  # how the keys begin of deliveries about who was forgotten
OVER = ("delivered", "dead", "suppressed")
PEOPLE = {"champions": [], "reasons": [], "owner_email": "", "owner_name": "", "next_step": "", "flags": []}


def count(conn: Connection, before: datetime) -> dict[str, int]:
    """How many of each still say what they said and were over before `before`."""
    return {"deliveries": len(_deliveries(conn, before)), "stays": len(_stays(conn, before))}


def forget(conn: Connection, before: datetime) -> dict[str, int]:
    """Let them say no more than account, score and grade; how many of each."""
    old, ended = _deliveries(conn, before), _stays(conn, before)
    for row_id, alert in old:
        values = {"alert": {**alert, **PEOPLE}, "options": {}}
        conn.execute(update(deliveries).where(deliveries.c.id == row_id).values(values))
    for row_id, _ in ended:
        conn.execute(update(episodes).where(episodes.c.id == row_id).values(alert=null()))
    return {"deliveries": len(old), "stays": len(ended)}


def _deliveries(conn: Connection, before: datetime) -> list[tuple[int, dict[str, Any]]]:
    columns = deliveries.c
    wanted = [columns.state.in_(OVER), columns.finished_at < to_naive(before)]
    return [
        (row.id, row.alert)
        for row in conn.execute(select(columns.id, columns.alert, columns.options).where(*wanted))
        if row.options or any(row.alert.get(name) for name in PEOPLE)
    ]


def _stays(conn: Connection, before: datetime) -> list[tuple[int, dict[str, Any]]]:
    ended: ColumnElement[bool] = episodes.c.closed_as_of < to_naive(before)
    rows = conn.execute(select(episodes.c.id, episodes.c.alert).where(ended, episodes.c.alert.is_not(None)))
    return [(row.id, row.alert) for row in rows if row.alert]
