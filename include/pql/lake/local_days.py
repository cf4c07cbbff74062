"""Local dates of the project's time zone (SEM-T1), in Python and as DuckDB text."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_of(moment: datetime, timezone: str) -> date:
    """The local date of an aware instant.

    >>> day_of(datetime(2024, 3, 31, 22, 30, tzinfo=UTC), "Europe/Berlin")
    datetime.date(2024, 4, 1)
    """
    return moment.astimezone(ZoneInfo(timezone)).date()


def midnight(day: date, timezone: str) -> datetime:
    """The instant (UTC) at which the local day begins.

    >>> midnight(date(2024, 4, 1), "Europe/Berlin")
    datetime.datetime(2024, 3, 31, 22, 0, tzinfo=datetime.timezone.utc)
    """
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def days_within(start: datetime, end: datetime, timezone: str) -> list[date]:
    """The local days that lie wholly in [start, end)."""
    day = day_of(start, timezone)
    if midnight(day, timezone) < start:
        day += timedelta(days=1)
    found = []
    while midnight(day + timedelta(days=1), timezone) <= end:
        found.append(day)
        day += timedelta(days=1)
    return found


def day_sql(column: str, timezone: str) -> str:
    """DuckDB text for the local date of a column of naive UTC timestamps."""
    if timezone == "UTC":
        return f"CAST({column} AS DATE)"
    return f"CAST(({column} AT TIME ZONE 'UTC') AT TIME ZONE '{timezone}' AS DATE)"


def naive(moment: datetime) -> datetime:
    """An aware instant as the naive UTC timestamp that is stored."""
    assert moment.tzinfo is not None, f"{moment} has no time zone; instants between rooms are aware"
    return moment.astimezone(UTC).replace(tzinfo=None)
