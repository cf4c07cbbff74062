"""One pace for all workers, kept in the ledger: a send's place in, the moment it may leave out."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from pql.outbox.sending.backoff import LONGEST_TOLD
from pql.outbox.sending.claims import Claim
from pql.store.instants import to_aware, to_naive
from pql.store.tables import paces
from pql.store.upsert import upsert
from pql.types import Pace

PATIENCE = timedelta(seconds=5)  # a wait so long happens in place; for a longer one the row goes back with a time


def place(pace: Pace, claim: Claim) -> str:
    """Return what keeps a pace of its own: the channel of the delivery, or its whole destination."""
    return f"{claim.destination}|{claim.lane}" if pace.by == "lane" else claim.destination


def reserve(conn: Connection, name: str, pace: Pace, now: datetime) -> tuple[datetime, bool]:
    """Return when a send to `name` may leave, and whether that moment is now taken for it.

    It is taken if it is at most 5 seconds away; else nothing changes and the row is to come back then. The moments
    given out are `gap_s` apart, whoever asks.
    """
    at = _next(conn, name, pace, now)
    if at > now + PATIENCE:
        return at, False
    free_at = to_naive(at + timedelta(seconds=pace.gap_s))
    conn.execute(update(paces).where(paces.c.name == name).values(free_at=free_at))
    return at, True


def ahead(conn: Connection, destination: str, pace: Pace, now: datetime) -> dict[str, datetime]:
    """Return what of `destination` has no turn to give within 5 seconds, and when it will have one."""
    own = or_(paces.c.name == destination, paces.c.name.startswith(f"{destination}|", autoescape=True))
    moments = {
        row.name: _moment(row.free_at, row.held_until, pace, now) for row in conn.execute(select(paces).where(own))
    }
    return {name: at for name, at in moments.items() if at > now + PATIENCE}


def hold(conn: Connection, name: str, until: datetime) -> None:
    """Let nothing leave for `name` before `until`: a destination that said "later" to one says it to all."""
    fresh = upsert(conn, paces).values(name=name, free_at=to_naive(until), held_until=to_naive(until))
    conn.execute(
        fresh.on_conflict_do_update(index_elements=[paces.c.name], set_={"held_until": fresh.excluded.held_until})
    )


def _next(conn: Connection, name: str, pace: Pace, now: datetime) -> datetime:
    fresh = upsert(conn, paces).values(name=name, free_at=to_naive(now))
    conn.execute(fresh.on_conflict_do_nothing(index_elements=[paces.c.name]))
    row = conn.execute(select(paces).where(paces.c.name == name).with_for_update()).one()
    return _moment(row.free_at, row.held_until, pace, now)


def _moment(free: datetime, held: datetime | None, pace: Pace, now: datetime) -> datetime:
    free_at, held_until = to_aware(free), to_aware(held)
    # No turn is given out further ahead: such a one, or such a hold, is of a clock that has been put back since.
    if free_at > now + PATIENCE + timedelta(seconds=pace.gap_s):
        free_at = now
    if held_until is None or held_until > now + LONGEST_TOLD:
        return max(now, free_at)
    return max(now, free_at, held_until)
