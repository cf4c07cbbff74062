"""Where ledger and destinations differ: what a reconciliation found in, what is open, new or in order again out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, or_, select, update

from pql.store.instants import to_aware, to_naive
from pql.store.ops import TELLING_TAKES
from pql.store.tables import discrepancies

What = Literal["missing", "doubled", "unknown", "undue", "undelivered", "overdue"]


@dataclass(frozen=True)
class Finding:
    """One thing that differs. `detail` names no person and no account: it outlives what is forgotten."""

    what: What
    about: str  # the delivery's key, or "episode:12"
    destination: str
    place: str
    delivery_id: int | None
    happened_at: datetime
    detail: str


@dataclass(frozen=True)
class Discrepancy:
    """A finding as the ledger keeps it."""

    id: int
    finding: Finding
    found_at: datetime
    seen_at: datetime
    cleared_at: datetime | None


@dataclass(frozen=True)
class Recorded:
    """What a reconciliation changed."""

    new: int = 0
    cleared: int = 0
    open: int = 0


def record(
    conn: Connection,
    found: Sequence[Finding],
    *,
    read: Collection[tuple[str, str]],
    since: datetime,
    oldest: datetime,
    now: datetime,
) -> Recorded:
    """Keep what was found; what is not found any more is cleared, but only where somebody could look.

    `read`: the (destination, place) that were read, back to `since`. What happened before `oldest` is looked at no
    more: it is cleared as aged, of which nobody is told. The caller holds the ledger-wide lock.
    """
    known = {_name(row): row for row in conn.execute(select(discrepancies).where(discrepancies.c.cleared_at.is_(None)))}
    fresh = {(each.what, each.about, each.destination): each for each in found}
    new = [each for name, each in fresh.items() if name not in known]
    for each in new:
        conn.execute(insert(discrepancies).values(**_values(each), found_at=to_naive(now), seen_at=to_naive(now)))
    cleared = 0
    for name, row in known.items():
        here = discrepancies.c.id == row.id
        if name in fresh:
            conn.execute(update(discrepancies).where(here).values(detail=fresh[name].detail, seen_at=to_naive(now)))
        elif why := _why_cleared(row, read, to_naive(since), to_naive(oldest)):
            cleared += 1
            told = to_naive(now) if why == "aged" or row.told_at is None else None  # of what nobody heard, no all-clear
            values = {"cleared_at": to_naive(now), "cleared_why": why, "clearing_told_at": told}
            conn.execute(update(discrepancies).where(here).values(values))
    return Recorded(len(new), cleared, len(known) + len(new) - cleared)


def list_open(conn: Connection, *, limit: int | None = None) -> tuple[Discrepancy, ...]:
    """What differs by now, the newest finding first."""
    query = select(discrepancies).where(discrepancies.c.cleared_at.is_(None)).order_by(discrepancies.c.id.desc())
    return tuple(_discrepancy(row) for row in conn.execute(query.limit(limit)))


def take_untold(conn: Connection, now: datetime) -> tuple[Discrepancy, ...]:
    """What ops have not heard of yet: open ones, and such as they heard of and are in order again.

    Who takes them tells ops once this is committed, and then says so with `mark_told` or `not_told`; until then, for a
    minute at most, nobody else gets them.
    """
    columns = discrepancies.c
    begun = columns.told_at.is_(None) & columns.cleared_at.is_(None)
    ended = columns.cleared_at.is_not(None) & columns.clearing_told_at.is_(None)
    free = columns.telling_until.is_(None) | (columns.telling_until <= to_naive(now))
    query = select(discrepancies).where(or_(begun, ended), free).order_by(columns.id).with_for_update()
    taken = tuple(_discrepancy(row) for row in conn.execute(query))
    _set(conn, taken, telling_until=to_naive(now + TELLING_TAKES))
    return taken


def mark_told(conn: Connection, told: Collection[Discrepancy], now: datetime) -> None:
    """Note that ops know of these as they were taken, or that there is nobody to tell."""
    _set(conn, [each for each in told if each.cleared_at is None], told_at=to_naive(now), telling_until=None)
    _set(conn, [each for each in told if each.cleared_at], clearing_told_at=to_naive(now), telling_until=None)


def not_told(conn: Connection, taken: Collection[Discrepancy]) -> None:
    """Note that ops could not be told of these: whoever looks next tells them."""
    _set(conn, taken, telling_until=None)


def _set(conn: Connection, which: Collection[Discrepancy], **values: datetime | None) -> None:
    conn.execute(update(discrepancies).where(discrepancies.c.id.in_([each.id for each in which])).values(values))


def _why_cleared(
    row: Row[Any], read: Collection[tuple[str, str]], since: datetime, oldest: datetime
) -> Literal["gone", "aged", ""]:
    if row.what == "overdue":
        return "gone"
    if row.happened_at < oldest:
        return "aged"
    was_looked_at = row.what == "undelivered" or (row.destination, row.place) in read
    return "gone" if was_looked_at and row.happened_at >= since else ""


def _name(row: Row[Any]) -> tuple[str, str, str]:
    return row.what, row.about, row.destination


def _values(each: Finding) -> dict[str, Any]:
    return {**vars(each), "place": each.place[:200], "happened_at": to_naive(each.happened_at)}


def _discrepancy(row: Row[Any]) -> Discrepancy:
    finding = Finding(
        row.what, row.about, row.destination, row.place, row.delivery_id, to_aware(row.happened_at), row.detail
    )
    return Discrepancy(row.id, finding, to_aware(row.found_at), to_aware(row.seen_at), to_aware(row.cleared_at))
