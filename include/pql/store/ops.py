"""What ops were told: a thing's state in, whether there is something to tell out; so each change is told once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from pql.store.instants import to_naive
from pql.store.tables import ops_states

State = Literal["ok", "failed", "late", "low", "high", "held", "unclear"]
TELLING_TAKES = timedelta(minutes=1)
"""Longer than Slack is waited for: so long one who tells ops has it to himself."""


def note_state(connection: Connection, name: str, state: State, now: datetime) -> bool:
    """Note that `name` ("dag:hourly_signals", "source:product" …) is in `state`; whether the caller has to tell ops.

    Who has to tells them once this is committed, and then says so with `mark_told` or `not_told`. Of two who find out
    at once only one tells; one who was to tell and is not heard of for a minute is not waited for. A thing never heard
    of is taken to have been ok, of which there is nothing to tell.
    """
    here = ops_states.c.name == name
    at, until = to_naive(now), to_naive(now + TELLING_TAKES)
    known = connection.execute(select(ops_states).where(here).with_for_update()).first()
    if known is None:
        is_news = state != "ok"
        told_at, telling = (None, until) if is_news else (at, None)
        connection.execute(
            insert(ops_states).values(name=name, state=state, since=at, told_at=told_at, telling_until=telling)
        )
        return is_news
    if known.state != state:
        connection.execute(update(ops_states).where(here).values(state=state, since=at, told_at=None))
    elif known.told_at is not None or (known.telling_until is not None and known.telling_until > at):
        return False
    connection.execute(update(ops_states).where(here).values(telling_until=until))
    return True


def told(connection: Connection) -> dict[str, str]:
    """The states that ops know, by name: these need neither telling nor noting."""
    rows = connection.execute(select(ops_states.c.name, ops_states.c.state).where(ops_states.c.told_at.is_not(None)))
    return {row.name: row.state for row in rows}


def mark_told(connection: Connection, name: str, state: State, now: datetime) -> None:
    """Note that ops know that `name` is in `state`, if it still is, or that there is nobody to tell."""
    known = (ops_states.c.name == name) & (ops_states.c.state == state)
    connection.execute(update(ops_states).where(known).values(told_at=to_naive(now), telling_until=None))


def not_told(connection: Connection, name: str, state: State) -> None:
    """Note that ops could not be told: the next report of the same state tells them."""
    known = (ops_states.c.name == name) & (ops_states.c.state == state)
    connection.execute(update(ops_states).where(known).values(telling_until=None))
