"""Moments and local days: aware instants in, a `Clock` that says what a row at some time counts for out (SEM-T1 to T3).

A row of usage counts at instant T if its events are before T, and drops out of `last: n` when the local date of the
instant just before T is n days later than its own day. Both are positions in one ascending list of instants, so all
window arithmetic is on small integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pql.features.scratch import Ints


@dataclass(frozen=True)
class Clock:
    """Ascending instants (µs since 1970, UTC) with their local dates (days since 1970)."""

    instants: Ints
    local_day: Ints  # of the instant itself
    window_day: Ints  # of the instant just before: the last day of `last: n` (SEM-T3)

    def __len__(self) -> int:
        return len(self.instants)

    @property
    def latest(self) -> str:
        """The last instant, as text."""
        return str(self.instants.max(initial=0).astype("datetime64[us]"))

    def enters(self, at: Ints) -> Ints:
        """Position of the first instant at which an event at `at` counts; len(self) if none (SEM-T2)."""
        return np.searchsorted(self.instants, at, side="right")

    def positions(self, instants: Ints) -> Ints:
        """Positions of instants that are on the clock."""
        return np.searchsorted(self.instants, instants, side="left")


def clock(instants: Ints, timezone: str) -> Clock:
    """The clock of these instants, sorted and without repeats."""
    unique = np.unique(instants)
    return Clock(unique, local_days(unique, timezone), local_days(unique - 1, timezone))


def microseconds(moments: Sequence[datetime]) -> Ints:
    """Aware moments as µs since 1970, sorted, without repeats; ValueError for a naive one."""
    if any(moment.tzinfo is None for moment in moments):
        raise ValueError("a moment without a time zone: hand over timezone-aware UTC datetimes")
    naive = [moment.astimezone(UTC).replace(tzinfo=None) for moment in moments]
    return np.unique(np.array(naive, dtype="datetime64[us]").astype(np.int64))


def local_days(instants: Ints, timezone: str) -> Ints:
    """Local dates of UTC instants.

    >>> local_days(np.array([0, 23 * 3_600_000_000]), "Europe/Berlin")
    array([0, 1])
    """
    local = pd.DatetimeIndex(instants.astype("datetime64[us]"), tz="UTC").tz_convert(ZoneInfo(timezone))
    return local.tz_localize(None).to_numpy(dtype="datetime64[D]").astype(np.int64)


def day_ends(first: int, last: int, timezone: str) -> Ints:
    """The UTC instants at which the local days first … last end."""
    midnights = pd.DatetimeIndex(np.arange(first + 1, last + 2).astype("datetime64[D]").astype("datetime64[us]"))
    # Where clocks change at midnight, the day begins with its first existing, first occurring instant.
    dst = np.ones(len(midnights), dtype=bool)
    local = midnights.tz_localize(ZoneInfo(timezone), nonexistent="shift_forward", ambiguous=dst)
    return local.tz_convert("UTC").as_unit("us").asi8
