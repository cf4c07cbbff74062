"""What every source is given and hands back; no behaviour of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol

import duckdb

from pql.types import IngestReport, Progress, Quarantined

Mode = Literal["hourly", "nightly", "history"]
Mark = tuple[str, datetime]  # (fact key, newest fact's time)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Published(Protocol):
    """What the lake says about one published unit."""

    @property
    def rows(self) -> int:
        """Rows of the unit that are now in the lake."""

    @property
    def newest_us(self) -> Mapping[str, int]:
        """Fact keys of the unit's rows with their newest time, in microseconds since 1970."""

    @property
    def skipped_older(self) -> bool:
        """True: a newer export of this unit is there already, nothing was written."""


class LakeWriter(Protocol):
    """The part of `pql.lake.Lake` that sources write to."""

    def publish_events(
        self,
        con: duckdb.DuckDBPyConnection,
        select_sql: str,
        *,
        source: str,
        unit: str,
        start: datetime,
        end: datetime,
        exported_at: datetime,
        replaces_days: bool = False,
    ) -> Published:
        """Replace this unit's events."""

    def file_crm(
        self,
        con: duckdb.DuckDBPyConnection,
        select_sql: str,
        *,
        source: str,
        object: str,
        kind: Literal["snapshot", "changes"],
        filed_at: datetime,
        replace: bool = False,
    ) -> int:
        """File records seen at a moment; 0 and no write if that filing is there already."""

    def crm_filings(self, *, source: str, object: str) -> list[tuple[datetime, str]]:
        """What is filed already: moments, and whether a snapshot or changes."""

    def quarantine(self, source: str, unit: str, records: Iterable[Quarantined]) -> object:
        """Replace this unit's quarantined records."""


@dataclass(frozen=True)
class Request:
    """One call of `sources.read`, without the source's own settings."""

    source: str
    lake: LakeWriter
    con: duckdb.DuckDBPyConnection
    as_of: datetime
    now: datetime
    mode: Mode
    cursor: dict[str, Any]
    progress: Progress
    timezone: str
    horizon: timedelta

    @property
    def is_live(self) -> bool:
        """Whether this run may decide (SEM-D2)."""
        return self.as_of >= self.now - self.horizon


class Read(NamedTuple):
    """What one read of one source did, where it stands now, and which subjects have something new to look at."""

    report: IngestReport
    cursor: dict[str, Any]
    marks: list[Mark]


def newest_of(marks: Iterable[Mark]) -> list[Mark]:
    """One mark per fact key, with its newest time.

    >>> newest_of([("user:a", datetime(2026, 1, 2)), ("user:a", datetime(2026, 1, 1))])  # noqa: DTZ001
    [('user:a', datetime.datetime(2026, 1, 2, 0, 0))]
    """
    newest: dict[str, datetime] = {}
    for key, at in marks:
        if key not in newest or at > newest[key]:
            newest[key] = at
    return list(newest.items())


def add_newest(newest: dict[str, int], more: Mapping[str, int]) -> None:
    """Put the newest times of more fact keys to those already known.

    A long export has millions of them: these are plain numbers until all is read.
    """
    for key, micros in more.items():
        if micros > newest.get(key, micros - 1):
            newest[key] = micros


def marks_of(newest: Mapping[str, int]) -> list[Mark]:
    """One mark per fact key, with its newest time.

    >>> marks_of({"user:a": 1_500_000})
    [('user:a', datetime.datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=datetime.timezone.utc))]
    """
    return [(key, _EPOCH + timedelta(microseconds=micros)) for key, micros in newest.items()]
