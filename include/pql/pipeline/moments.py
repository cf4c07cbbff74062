"""Moments a stage may be asked for: never in the future, always UTC (SEM-T1, T2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pql.types import UserError


def checked(as_of: datetime, now: datetime) -> datetime:
    """`as_of` in UTC; UserError if it lies after `now` (SEM-T2)."""
    if as_of > now:
        raise UserError(
            f"as of {as_of:%Y-%m-%d %H:%M} UTC lies in the future (it is {now:%Y-%m-%d %H:%M} UTC): nothing can be "
            "known about it yet."
        )
    return as_of.astimezone(UTC)


def every(first: datetime, last: datetime, step: timedelta, zone: ZoneInfo) -> Iterator[datetime]:
    """Moments from `first` to `last` inclusive; whole days step along the local calendar, not in 24-hour blocks.

    >>> first = datetime(2026, 3, 28, 23, tzinfo=UTC)
    >>> [f"{m:%d %H}" for m in every(first, first + timedelta(days=2), timedelta(days=1), ZoneInfo("Europe/Berlin"))]
    ['28 23', '29 22', '30 22']
    """
    if step <= timedelta(0):
        raise UserError("the step between moments must be longer than nothing")
    if step % timedelta(days=1):
        moment = first.astimezone(UTC)
        while moment <= last:
            yield moment
            moment += step
        return
    local, count = first.astimezone(zone), 0
    while (moment := (local.replace(tzinfo=None) + count * step).replace(tzinfo=zone).astimezone(UTC)) <= last:
        yield moment
        count += 1


def local_midnight(moment: datetime, zone: ZoneInfo, days_back: int = 0) -> datetime:
    """The last local midnight strictly before `moment`, or that many days earlier, in UTC."""
    day = (moment - timedelta(microseconds=1)).astimezone(zone).date() - timedelta(days=days_back)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
