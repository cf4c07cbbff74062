"""Points at which things are measured, and sums over windows of daily rows: sorted arrays in, arrays out.

Rows are sorted by entity, day and position on the clock, so the rows that count at a point are a contiguous stretch of
its entity: from the first day of the window to the last row entered. Sums are differences of running totals of
integers: exact, whatever the order of threads, and the same for one moment as for many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pql.features.scratch import Flags, Ints


@dataclass(frozen=True)
class Panel:
    """Points (entity, clock position k), sorted by both; entities are 0 … entities − 1, k < span."""

    entity: Ints
    k: Ints
    entities: int
    span: int

    def __len__(self) -> int:
        return len(self.entity)

    @cached_property
    def key(self) -> Ints:
        return self.entity * self.span + self.k

    @cached_property
    def ends(self) -> Ints:
        """Per entity: the index after its last point."""
        return np.searchsorted(self.entity, np.arange(self.entities), side="right")

    def first_at(self, entity: Ints, k: Ints) -> Ints:
        """Index of the entity's first point at or after k; the entity's end if it has none."""
        return np.minimum(np.searchsorted(self.key, entity * self.span + k), self.ends[entity])

    def running(self, start: Ints, stop: Ints) -> Ints:
        """At every point the number of intervals start ≤ point < stop; intervals stay within one entity."""
        change = np.bincount(start, minlength=len(self) + 1) - np.bincount(stop, minlength=len(self) + 1)
        return np.cumsum(change)[:-1]


@dataclass(frozen=True)
class Rows:
    """Daily rows sorted by entity, day and k; `k` is where on the clock a row begins to count."""

    entity: Ints
    day: Ints
    k: Ints
    columns: Mapping[str, Ints]

    def __len__(self) -> int:
        return len(self.entity)

    @cached_property
    def day_range(self) -> tuple[int, int]:
        return (int(self.day.min()), int(self.day.max())) if len(self) else (0, 0)

    @cached_property
    def by_day(self) -> Ints:
        return self.day_key(self.entity, self.day)

    def day_key(self, entity: Ints, day: Ints) -> Ints:
        first, last = self.day_range
        return entity * (last - first + 3) + np.clip(day - first + 1, 0, last - first + 2)


@dataclass(frozen=True)
class Stretch:
    """Per point the rows start ≤ i < stop that count there."""

    start: Ints
    stop: Ints

    def total(self, values: Ints) -> Ints:
        """The sum of `values` over each stretch."""
        running = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
        return running[self.stop] - running[self.start]

    def last(self, chosen: Flags) -> Ints:
        """Index of the last chosen row of each stretch, −1 if none."""
        newest = np.maximum.accumulate(np.where(chosen, np.arange(len(chosen)), -1))
        found = np.concatenate(([-1], newest))[self.stop]
        return np.where(found >= self.start, found, -1)

    def first(self, chosen: Flags) -> Ints:
        """Index of the first chosen row of each stretch, −1 if none."""
        count = len(chosen)
        oldest = np.minimum.accumulate(np.where(chosen, np.arange(count), count)[::-1])[::-1]
        found = np.concatenate((oldest, [count]))[self.start]
        return np.where(found < self.stop, found, -1)


def stretch(panel: Panel, rows: Rows, first_day: Ints | None = None, last_day: Ints | None = None) -> Stretch:
    """The rows that count at each point, of days first_day … last_day (per point, inclusive; None is open)."""
    stop = np.searchsorted(rows.entity * panel.span + rows.k, panel.key, side="right")
    if last_day is not None:
        stop = np.minimum(stop, np.searchsorted(rows.by_day, rows.day_key(panel.entity, last_day), side="right"))
    if first_day is None:
        start = np.searchsorted(rows.entity, np.arange(panel.entities))[panel.entity]
    else:
        start = np.searchsorted(rows.by_day, rows.day_key(panel.entity, first_day))
    return Stretch(start, np.maximum(start, stop))


def distinct(values: Ints) -> Ints:
    """The values sorted, without repeats; on nearly sorted input many times faster than numpy's hashing `unique`."""
    ordered = np.sort(values, kind="stable")
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def once_a_day(rows: Rows, chosen: Flags) -> Ints:
    """1 for the first chosen row of each entity and day, else 0."""
    index = np.flatnonzero(chosen)
    days = rows.by_day[index]
    found = np.zeros(len(rows), dtype=np.int64)
    found[index[np.concatenate((np.ones(min(1, len(days)), dtype=bool), days[1:] != days[:-1]))]] = 1
    return found
