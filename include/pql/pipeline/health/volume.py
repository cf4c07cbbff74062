"""Whether a source brings far less than it usually does at this hour of the week: event counts in, drops out.

An abnormal drop holds alerts instead of sending wrong ones (PRODUCT-S5). It is read off the lake, so a rerun sees the
same. A source that stopped altogether is late, which is something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import duckdb

from pql import store
from pql.pipeline.moments import local_midnight
from pql.pipeline.project import Project
from pql.store import sources
from pql.store.sources import SourceStatus

WINDOWS = (timedelta(hours=3), timedelta(hours=24))  # the first that usually holds enough events is looked at
WEEK = timedelta(days=7)
WEEKS = 4  # of the past that say what is usual …
AT_LEAST = 3  # … or fewer, of a source that is younger
ENOUGH = 100  # events; of fewer nobody can tell


@dataclass(frozen=True)
class Drop:
    """A source that brought `count` events in the `window` up to `until`, where about `usual` are usual."""

    source: str
    count: int
    usual: int
    window: timedelta
    until: datetime

    def __str__(self) -> str:
        hours = int(self.window.total_seconds() // 3600)
        return (
            f"{self.source} brought {self.count} events in the {hours} hours to {self.until:%Y-%m-%d %H:%M} UTC, "
            f"at this time of the week it is about {self.usual}"
        )


def drops_of(project: Project, lake: duckdb.DuckDBPyConnection, as_of: datetime) -> tuple[Drop, ...]:
    """The sources with an abnormal drop at `as_of`, by name."""
    if project.settings.volume_drop_pct >= 100:
        return ()
    with store.reading(project.engine) as connection:
        known = sources.status(connection)
    found = [_drop(project, lake, known[name], as_of) for name in sorted(project.settings.sources) if name in known]
    return tuple(drop for drop in found if drop is not None)


def _drop(project: Project, lake: duckdb.DuckDBPyConnection, status: SourceStatus, as_of: datetime) -> Drop | None:
    until = _known_until(project, status, as_of)
    if until is None or status.newest_at is None:
        return None
    for window in WINDOWS if status.complete_to else WINDOWS[-1:]:
        ends = [(until.astimezone(project.zone) - n * WEEK).astimezone(UTC) for n in range(WEEKS + 1)]  # by the clock
        spans = [(end - window, end) for end in ends]
        count, *before = project.lake.count_events(lake, status.source, spans)
        told = [each for each in before if each is not None]
        usual = median(told) if len(told) >= AT_LEAST else 0
        if count is not None and usual >= ENOUGH:
            is_low = count < usual * (1 - project.settings.volume_drop_pct / 100)
            return Drop(status.source, count, round(usual), window, until) if is_low else None
    return None


def _known_until(project: Project, status: SourceStatus, as_of: datetime) -> datetime | None:
    """Up to when its events can be counted; None if that is long ago: then it is late.

    A source that cannot tell how far it is complete is taken at its last day that is over.
    """
    if status.complete_to is not None:
        until = min(as_of, status.complete_to)
    elif status.newest_at is not None:
        until = local_midnight(as_of + timedelta(microseconds=1), project.zone)
        if status.newest_at < until - timedelta(days=1):
            return None
    else:
        return None
    return until if as_of - until < timedelta(days=1) else None
