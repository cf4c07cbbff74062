"""Instants at the ledger's door: timezone-aware UTC outside, naive UTC inside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def to_naive(at: datetime) -> datetime: ...
@overload
def to_naive(at: None) -> None: ...
def to_naive(at: datetime | None) -> datetime | None:
    """Return the aware instant `at` as naive UTC; raise ValueError for a naive one, whose zone nobody knows.

    >>> from datetime import timedelta, timezone
    >>> to_naive(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    datetime.datetime(2026, 1, 1, 0, 0)
    """
    if at is None:
        return None
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone: instants between rooms are aware UTC")
    return at.astimezone(UTC).replace(tzinfo=None)


@overload
def to_aware(at: datetime) -> datetime: ...
@overload
def to_aware(at: None) -> None: ...
def to_aware(at: datetime | None) -> datetime | None:
    """Return a stored instant as aware UTC.

    >>> to_aware(datetime(2026, 1, 1)).isoformat()
    '2026-01-01T00:00:00+00:00'
    """
    return None if at is None else at.replace(tzinfo=UTC)
