"""Whether a source brings far less, or far more, than usual at this hour of the week: event counts in, what is odd out.

An abnormal volume holds alerts instead of sending wrong ones (PRODUCT-S5, A6). It is read off the lake, so a rerun sees
the same. A source that stopped altogether is late, which is something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import duckdb

from pql import store
from pql.pipeline.moments import local_midnight
from pql.pipeline.project import Project
from pql.settings import Settings
from pql.store import sources
from pql.store.sources import SourceStatus

WINDOWS = (timedelta(hours=3), timedelta(hours=24))  # the first that usually holds enough events is looked at
WEEK = timedelta(days=7)
WEEKS = 4  # of the past that say what is usual …
AT_LEAST = 3  # … or fewer, of a source that is younger
ENOUGH = 100  # events; of fewer nobody can tell


@dataclass(frozen=True)
class Unusual:
    """A source that brought `count` events in the `window` up to `until`, where about `usual` are usual."""

    source: str
    count: int
    usual: int
    window: timedelta
    until: datetime

    @property
    def is_drop(self) -> bool:
        """Whether it is too few: then what rests on absence cannot be told. Too many only make alerts doubtful."""
        return self.count < self.usual

    def __str__(self) -> str:
        hours = int(self.window.total_seconds() // 3600)
        return (
            f"{self.source} brought {self.count} events in the {hours} hours to {self.until:%Y-%m-%d %H:%M} UTC, "
            f"at this time of the week it is about {self.usual}"
        )


def unusual(project: Project, lake: duckdb.DuckDBPyConnection, as_of: datetime) -> tuple[Unusual, ...]:
    """The sources with an abnormal volume at `as_of`, by name."""
    if project.settings.volume_drop_pct >= 100 and not project.settings.volume_surge_factor:
        return ()
    with store.reading(project.engine) as connection:
        known = sources.status(connection)
    found = [
        _looked_at(project, lake, known[name], as_of) for name in sorted(project.settings.sources) if name in known
    ]
    return tuple(each for each in found if each is not None)


def _looked_at(
    project: Project, lake: duckdb.DuckDBPyConnection, status: SourceStatus, as_of: datetime
) -> Unusual | None:
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
            is_odd = _is_odd(project.settings, count, usual)
            return Unusual(status.source, count, round(usual), window, until) if is_odd else None
    return None


def _is_odd(settings: Settings, count: int, usual: float) -> bool:
    is_low = count < usual * (1 - settings.volume_drop_pct / 100)
    return is_low or 0 < settings.volume_surge_factor * usual < count


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
