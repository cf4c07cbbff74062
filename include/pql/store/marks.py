"""Dirty marks: which facts have news that a definition has not looked at yet (SEM-D1).

Ingest publishes to the lake first and marks after; an evaluation reads `current_seq` first and the lake after. So
whatever a mark up to that number stands for, the evaluation saw.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, case, delete, func, literal, or_, select, update

from pql.store.instants import to_aware, to_naive
from pql.store.tables import counters, dirty_marks, members
from pql.store.upsert import upsert

_COUNTER = "marks"
_CRM_PREFIXES = ("company:", "contact:")


@dataclass(frozen=True)
class Mark:
    """Something new about `fact_key`, the newest of it from `newest_fact_at`."""

    fact_key: str
    seq: int
    newest_fact_at: datetime


def mark(conn: Connection, definitions: Collection[str], facts: Iterable[tuple[str, datetime]]) -> int:
    """Mark each (fact key, newest fact's instant) for each definition; return the marks' number, seq.

    A fact marked before gets the new seq, so an evaluation that began earlier cannot clear it, and keeps the newer
    of the two instants.
    """
    newest: dict[str, datetime] = {}
    for fact_key, at in facts:
        at = to_naive(at)
        newest[fact_key] = max(at, newest.get(fact_key, at))
    if not newest or not definitions:
        return current_seq(conn)
    seq = _next_seq(conn)
    statement = upsert(conn, dirty_marks)
    known, fresh = dirty_marks.c.newest_fact_at, statement.excluded.newest_fact_at
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[dirty_marks.c.definition, dirty_marks.c.fact_key],
            set_={"seq": statement.excluded.seq, "newest_fact_at": case((known > fresh, known), else_=fresh)},
        ),
        [
            {"definition": definition, "fact_key": fact_key, "seq": seq, "newest_fact_at": at}
            for definition in sorted(definitions)
            for fact_key, at in sorted(newest.items())
        ],
    )
    return seq


def mark_account(conn: Connection, definitions: Collection[str], account_key: str, at: datetime) -> int:
    """Mark what a person did to an account (a block, its end), so that the next hour looks at it; the marks' number.

    It is marked by one of its users, by whom an evaluation finds it again.
    """
    user = conn.execute(select(func.min(members.c.user_id)).where(members.c.account_key == account_key)).scalar()
    return mark(conn, definitions, [(f"user:{user}", at)] if user is not None else [])


def current_seq(conn: Connection) -> int:
    """Return the number of the newest committed marking; read it before the lake, pass it to `clear`."""
    return conn.execute(select(counters.c.value).where(counters.c.name == _COUNTER)).scalar() or 0


def read(conn: Connection, definition: str) -> tuple[Mark, ...]:
    """Return all marks of `definition`, in the order of their fact keys."""
    rows = conn.execute(
        select(dirty_marks.c.fact_key, dirty_marks.c.seq, dirty_marks.c.newest_fact_at)
        .where(dirty_marks.c.definition == definition)
        .order_by(dirty_marks.c.fact_key)
    )
    return tuple(Mark(row.fact_key, row.seq, to_aware(row.newest_fact_at)) for row in rows)


def clear(
    conn: Connection, definition: str, fact_keys: Iterable[str], *, seq_at_start: int, as_of: datetime
) -> tuple[str, ...]:
    """Clear those of the marks that this evaluation took care of, and return their fact keys (SEM-D1).

    `fact_keys` are the facts of subjects it decided. A mark stays if it came after the evaluation began reading
    (its seq is above `seq_at_start`), or if T = `as_of` does not cover its newest fact: events count before T
    (SEM-T2), what the CRM filed counts up to and including T (SEM-C1).
    """
    at = to_naive(as_of)
    wanted = set(fact_keys)
    is_crm = or_(*(dirty_marks.c.fact_key.like(f"{prefix}%") for prefix in _CRM_PREFIXES))
    covered = or_(dirty_marks.c.newest_fact_at < at, and_(is_crm, dirty_marks.c.newest_fact_at == at))
    clearable = conn.execute(
        select(dirty_marks.c.fact_key).where(
            dirty_marks.c.definition == definition, dirty_marks.c.seq <= seq_at_start, covered
        )
    ).scalars()
    cleared = tuple(sorted(key for key in clearable if key in wanted))
    if cleared:
        conn.execute(
            delete(dirty_marks).where(
                dirty_marks.c.definition == definition,
                dirty_marks.c.fact_key == bindparam("key"),
                dirty_marks.c.seq <= literal(seq_at_start),
            ),
            [{"key": key} for key in cleared],
        )
    return cleared


def _next_seq(conn: Connection) -> int:
    # The row stays locked until the marking commits: numbers become visible in the order they were given.
    grow = update(counters).where(counters.c.name == _COUNTER).values(value=counters.c.value + 1)
    if conn.execute(grow).rowcount == 0:
        start = upsert(conn, counters).values(name=_COUNTER, value=0)
        conn.execute(start.on_conflict_do_nothing(index_elements=[counters.c.name]))
        conn.execute(grow)
    return int(conn.execute(select(counters.c.value).where(counters.c.name == _COUNTER)).scalar_one())
