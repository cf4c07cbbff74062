"""What each source was last read for: its cursor, how far it is complete, what it brought, what went wrong."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from pql.store.instants import to_aware, to_naive
from pql.store.tables import sources
from pql.store.upsert import upsert
from pql.types import IngestReport


@dataclass(frozen=True)
class SourceStatus:
    """How a source stands ("Mixpanel complete to 14:00"); counts are its last read's.

    `error` is of the last try, None if it went well.
    """

    source: str
    complete_to: datetime | None
    cursor: Any
    read_at: datetime | None
    read: int
    quarantined: int
    error: str | None
    added: int = 0  # records the lake did not have
    duplicates: int = 0  # records that came twice in one unit
    newest_at: datetime | None = None  # when the newest event it ever brought happened


def status(conn: Connection) -> dict[str, SourceStatus]:
    """Return every source ever read, by name."""
    return {
        row.source: SourceStatus(
            row.source,
            to_aware(row.complete_to),
            row.cursor,
            to_aware(row.read_at),
            row.read,
            row.quarantined,
            row.error,
            row.added,
            row.duplicates,
            to_aware(row.newest_at),
        )
        for row in conn.execute(select(sources).order_by(sources.c.source))
    }


def cursor(conn: Connection, source: str) -> Any:
    """Return the note the source left of where it stands, None before its first read."""
    return conn.execute(select(sources.c.cursor).where(sources.c.source == source)).scalar()


def record_read(
    conn: Connection,
    report: IngestReport,
    *,
    cursor: Any,
    read_at: datetime,
    added: int = 0,
    duplicates: int = 0,
    newest_at: datetime | None = None,
) -> None:
    """Write down a read that went well.

    `complete_to` and `newest_at` never go back: redoing an old hour loses nothing.
    """
    before = conn.execute(
        select(sources.c.complete_to, sources.c.newest_at).where(sources.c.source == report.source)
    ).first()
    known = (None, None) if before is None else tuple(before)
    _put(
        conn,
        report.source,
        complete_to=_newest(known[0], to_naive(report.complete_to)),
        cursor=cursor,
        read_at=to_naive(read_at),
        read=report.read,
        quarantined=report.quarantined,
        error=None,
        added=added,
        duplicates=duplicates,
        newest_at=_newest(known[1], to_naive(newest_at)),
    )


def record_failure(conn: Connection, source: str, error: str) -> None:
    """Write down why the last try failed; what earlier reads reached stays."""
    _put(conn, source, error=error)


def complete(conn: Connection, names: Collection[str], as_of: datetime) -> bool:
    """Tell whether all the named sources are complete to `as_of`, so that absence means something (SEM-D2).

    A source that cannot tell (files) counts once it has been read.
    """
    known = status(conn)
    read = [known[name] for name in names if name in known and known[name].read_at is not None]
    return len(read) == len(names) and all((each.complete_to or as_of) >= as_of for each in read)


def _newest(*moments: datetime | None) -> datetime | None:
    return max((at for at in moments if at is not None), default=None)


def _put(conn: Connection, source: str, **values: Any) -> None:
    fresh = {"read": 0, "quarantined": 0, **values}
    statement = upsert(conn, sources).values(source=source, **fresh)
    conn.execute(statement.on_conflict_do_update(index_elements=[sources.c.source], set_=values))
