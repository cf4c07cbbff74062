"""What ops were told: a thing's state in, whether it changed out; so each change is told once."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from pql.store.instants import to_naive
from pql.store.tables import ops_states

State = Literal["ok", "failed", "late"]


def change_state(connection: Connection, name: str, state: State, now: datetime) -> bool:
    """Note that `name` ("dag:hourly_signals", "source:product") is in `state`; True if that is news.

    A thing never heard of is taken to have been ok.
    """
    known = connection.execute(select(ops_states.c.state).where(ops_states.c.name == name).with_for_update()).scalar()
    if known is None:
        connection.execute(
            insert(ops_states).values(name=name, state=state, since=to_naive(now), told_at=to_naive(now))
        )
        return state != "ok"
    if known == state:
        return False
    connection.execute(
        update(ops_states)
        .where(ops_states.c.name == name)
        .values(state=state, since=to_naive(now), told_at=to_naive(now))
    )
    return True
