"""What ops were told: a thing's state in, whether there is something to tell out; so each change is told once."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from pql.store.instants import to_naive
from pql.store.tables import ops_states

State = Literal["ok", "failed", "late", "low", "held", "unclear"]


def note_state(connection: Connection, name: str, state: State, now: datetime) -> bool:
    """Note that `name` ("dag:hourly_signals", "source:product" …) is in `state`; True until ops were told so.

    The caller tells them and then says so with `mark_told`, in the same transaction: of two who find out at once only
    one tells. A thing never heard of is taken to have been ok, of which there is nothing to tell.
    """
    here = ops_states.c.name == name
    known = connection.execute(select(ops_states.c.state, ops_states.c.told_at).where(here).with_for_update()).first()
    at = to_naive(now)
    if known is None:
        is_news = state != "ok"
        told_at = None if is_news else at
        connection.execute(insert(ops_states).values(name=name, state=state, since=at, told_at=told_at))
        return is_news
    if known.state == state:
        return known.told_at is None
    connection.execute(update(ops_states).where(here).values(state=state, since=at, told_at=None))
    return True


def told(connection: Connection) -> dict[str, str]:
    """The states that ops know, by name: these need neither telling nor noting."""
    rows = connection.execute(select(ops_states.c.name, ops_states.c.state).where(ops_states.c.told_at.is_not(None)))
    return {row.name: row.state for row in rows}


def mark_told(connection: Connection, name: str, now: datetime) -> None:
    """Note that ops know the present state of `name`, or that there is nobody to tell."""
    connection.execute(update(ops_states).where(ops_states.c.name == name).values(told_at=to_naive(now)))
