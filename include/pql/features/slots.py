"""Windows as stretches of slots: clock positions and windows in, index ranges out.

A *slot* is a local day, or the part of one between two moments; slots are numbered in order of time. What counts at a
position of the clock is always a prefix of the slots, and what counts in a window there a stretch of them. So sums over
windows are differences of running totals along the slots: exact, and the same for one moment as for many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pql.definition.model import Window
from pql.features.clock import Clock
from pql.features.scratch import Column, Ints


@dataclass(frozen=True)
class Slots:
    """Ascending: the local day of each slot, and the clock position `k` from which on its events count."""

    day: Ints
    k: Ints

    def __len__(self) -> int:
        return len(self.day)

    @cached_property
    def continued(self) -> list[int]:
        """The slots whose day began in the slot before."""
        return [int(slot) for slot in np.flatnonzero(self.day[1:] == self.day[:-1]) + 1]

    def of_days(self, day: Ints) -> tuple[Ints, Ints]:
        """(first slot, slot after the last) of local days."""
        return np.searchsorted(self.day, day), np.searchsorted(self.day, day, side="right")


@dataclass(frozen=True)
class Stretch:
    """Slots start ≤ s < stop: per position, or per entity and position."""

    start: Ints
    stop: Ints

    def total(self, running: Ints) -> Ints:
        """The sum over each stretch, from running totals (entities × slots + 1, the first being 0): per entity and
        position."""
        found: Ints = at(running, self.stop)
        if self.start.any():
            found -= at(running, self.start)
        return found

    def covering(self, slots: int) -> tuple[Ints, Ints]:
        """For each of so many slots the first position whose stretch holds it, and the one after the last such.

        Later positions begin and end no earlier, so these are all of them. Needs the same stretches for everybody.
        """
        slot = np.arange(slots)
        return np.searchsorted(self.stop, slot, side="right"), np.searchsorted(self.start, slot, side="right")

    def last(self, newest: Ints) -> Ints:
        """The last chosen slot of each stretch, −1 if none; `newest` (entities × slots + 1): the last before."""
        found = at(newest, self.stop)
        return np.where(found >= self.start, found, -1)


def at(matrix: Column, index: Ints) -> Column:
    """Columns of the matrix: the same for each row (a list), or each row's own (a matrix)."""
    if index.ndim == 1:
        return np.take(matrix, index, axis=1)
    return np.take_along_axis(matrix, index, axis=1)


@dataclass(frozen=True)
class Positions:
    """Ascending positions of a clock at which things are measured."""

    clock: Clock
    slots: Slots
    k: Ints

    def __len__(self) -> int:
        return len(self.k)

    @cached_property
    def window_day(self) -> Ints:
        return self.clock.window_day[self.k]

    @cached_property
    def entered(self) -> Ints:
        """How many slots count at each position."""
        return np.searchsorted(self.slots.k, self.k, side="right")

    def stretch(self, window: Window, signup_day: Ints, back: int = 0) -> Stretch:
        """What counts in the window, or in the one `back` windows earlier; `signup_day` per entity and position."""
        if window.kind == "all" or window.days is None:
            return Stretch(np.zeros_like(self.entered), self.entered)
        if window.kind == "first":
            return self._between(signup_day, signup_day + window.days - 1)
        last = self.window_day - back * window.days
        return self._between(last - window.days + 1, last)

    def today(self) -> Stretch:
        """What counts of the day of each position."""
        return self._between(self.window_day, self.window_day)

    def _between(self, first_day: Ints, last_day: Ints) -> Stretch:
        start = np.searchsorted(self.slots.day, first_day)
        stop = np.minimum(np.searchsorted(self.slots.day, last_day, side="right"), self.entered)
        return Stretch(start, np.maximum(start, stop))


def spans(weight: Ints, limit: int) -> Iterator[tuple[int, int]]:
    """Cut 0 … len(weight) into consecutive ranges of at most `limit` together (or of one).

    >>> list(spans(np.array([2, 2, 2, 9, 1]), 4))
    [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    total, first = np.cumsum(weight), 0
    while first < len(weight):
        before = total[first - 1] if first else 0
        last = max(int(np.searchsorted(total, before + limit, side="right")), first + 1)
        yield first, last
        first = last
