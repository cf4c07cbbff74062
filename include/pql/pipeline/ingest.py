"""Read one source into the lake and mark in the ledger what there is to look at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from pql import sources, store
from pql.pipeline.health.tally import Tally
from pql.pipeline.history import history_start
from pql.pipeline.moments import checked
from pql.pipeline.project import Project
from pql.pipeline.unusable import unusable
from pql.settings import FilesSource, HubSpotSource
from pql.store import marks
from pql.store import sources as source_status
from pql.types import Progress, UserError

Kind = Literal["hourly", "nightly"]


def ingest(
    project: Project,
    source: str,
    *,
    as_of: datetime,
    now: datetime,
    kind: Kind,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Read `source` for the moment `as_of` and return counts: read, published, quarantined, left_out (records that name
    nobody), complete_to, note, new (records the lake did not have), duplicates.

    What could not be used, why and what to do is said to `tell`, in a sentence or two: it quotes records.

    The lake is published before the marks are written: a crash in between repeats the read, never loses a mark. A
    CRM is filed at `as_of` by a live run and at `now` otherwise (SEM-C1). Raises UserError for an unknown source and
    whatever the source raises when it cannot be read.
    """
    as_of = checked(as_of, now)
    configured = project.settings.sources.get(source)
    if configured is None:
        known = ", ".join(sorted(project.settings.sources)) or "none"
        raise UserError(f"There is no source `{source}` in {project.paths.settings} (there are: {known}).")
    live = as_of >= now - project.horizon
    cursor = _cursor(project, source)
    if isinstance(configured, HubSpotSource) and not live and cursor is not None:
        return _report(source, note="not read again: a run of the past uses the CRM as it was filed")
    lake_connection, tally = project.lake.connect(), Tally(project.lake)
    try:
        outcome = sources.read(
            source,
            configured,
            tally,
            lake_connection,
            connection=None if isinstance(configured, FilesSource) else project.connections(configured.connection),
            as_of=as_of,
            now=now,
            mode=kind,
            cursor=cursor,
            progress=progress,
            base=project.paths.settings.parent,
            timezone=project.settings.timezone,
            horizon=project.horizon,
        )
    except Exception as error:
        with store.writing(project.engine) as connection:
            told = str(error) if isinstance(error, UserError) else type(error).__name__  # others may carry anything
            source_status.record_failure(connection, source, told)
        raise
    finally:
        lake_connection.close()
    wanted = [d.id for d in project.definitions if d.status != "retired"]
    with store.writing(project.engine) as connection:
        source_status.record_read(
            connection,
            outcome.report,
            cursor=outcome.cursor,
            read_at=now,
            added=tally.added,
            duplicates=tally.duplicates,
            newest_at=min(tally.newest_at, now) if tally.newest_at else None,  # later than now is a mistake
        )
        marks.mark(connection, wanted, _not_forgotten(project, outcome.marks))
    report = outcome.report
    if tell is not None and (told := unusable(project, report, tally.first_unusable)):
        tell(told)
    return _report(
        source,
        read=report.read,
        published=report.published,
        quarantined=report.quarantined,
        left_out=report.left_out,
        complete_to=report.complete_to.isoformat() if report.complete_to else None,
        note=report.note,
        new=tally.added,
        duplicates=tally.duplicates,
    )


def _not_forgotten(project: Project, found: Sequence[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    forgotten = project.lake.is_forgotten([key for key, _ in found])
    return [mark for mark, is_forgotten in zip(found, forgotten, strict=True) if not is_forgotten]


def _cursor(project: Project, source: str) -> Any:
    """Where the source stands. A lake without an event (another one, or one lost) is filled from the beginning."""
    with store.reading(project.engine) as connection:
        cursor = source_status.cursor(connection, source)
    return cursor if cursor is None or history_start(project) is not None else None


def _report(
    source: str,
    *,
    read: int = 0,
    published: int = 0,
    quarantined: int = 0,
    left_out: int = 0,
    complete_to: str | None = None,
    note: str = "",
    new: int = 0,
    duplicates: int = 0,
) -> dict[str, Any]:
    return {
        "source": source,
        "read": read,
        "published": published,
        "quarantined": quarantined,
        "left_out": left_out,
        "complete_to": complete_to,
        "note": note,
        "new": new,
        "duplicates": duplicates,
    }
