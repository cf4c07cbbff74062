"""When activation stages were reached: conditions over usage at the ends of active days in, instants out (SEM-A1).

A stage is reached on the first day with any named event at whose end its condition held, or at T itself if T lies
within such a day. Its time is that day's first event of those the condition is about, else of any. Later days cannot
take it back, because it is always computed from the beginning.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from pql.definition.model import All, Any, Compare, Condition, Not, Stage
from pql.features.measures import Measured, Measures
from pql.features.scratch import Flags, Ints
from pql.features.slots import Positions
from pql.features.wants import named_keys, stage_keys


class Reached:
    """Stages of a block's stays at the positions of `main`."""

    def __init__(self, measured: Measured, main: Measures) -> None:
        self._measured, self._main = measured, main
        self._rows = measured.block.stays
        self._named = named_keys(measured.definition)

    def times(self) -> list[Ints]:
        """Per stage: when it was reached, per stay and position (µs), −1 if not by then."""
        return [self._time(stage) for stage in self._measured.definition.stages]

    @cached_property
    def _ends(self) -> Measures:
        """At the ends of days with usage."""
        positions = self._main.positions
        clock, slots = positions.clock, positions.slots
        end = np.searchsorted(clock.local_day, np.unique(slots.day) + 1)
        return Measures(self._measured, Positions(clock, slots, end[end < len(clock)]))

    @cached_property
    def _within(self) -> Ints:
        """Which positions lie within a day."""
        positions = self._main.positions
        return np.flatnonzero(positions.window_day == positions.clock.local_day[positions.k])

    def _active(self, positions: Positions) -> Flags:
        """Whether anything named happened by then on the day of each position."""
        return positions.today().total(self._rows.seen(self._named)) > 0

    @cached_property
    def _active_ends(self) -> Flags:
        return self._active(self._ends.positions)

    @cached_property
    def _active_within(self) -> Flags:
        return self._active(self._main.positions)

    def _time(self, stage: Stage) -> Ints:
        positions, ends = self._main.positions, self._ends.positions
        found = np.full((self._rows.entities, len(positions)), -1, dtype=np.int64)
        hit = truth(self._ends, stage.when)[0] & self._active_ends
        stays = np.flatnonzero(hit.any(axis=1))
        if len(stays):
            index = hit[stays].argmax(axis=1)
            at = self._first_event(stage, stays, ends.window_day[index], ends.entered[index])
            reached = ends.k[index][:, None] <= positions.k
            found[stays] = np.where(reached, at[:, None], -1)
        if len(self._within):
            self._add_today(stage, found)
        return found

    def _add_today(self, stage: Stage, found: Ints) -> None:
        positions = self._main.positions
        holds = truth(self._main, stage.when)[0] & self._active_within & (found == -1)
        for column in self._within:
            stays = np.flatnonzero(holds[:, column])
            day, entered = positions.window_day[[column]], positions.entered[[column]]
            found[stays, column] = self._first_event(
                stage, stays, np.repeat(day, len(stays)), np.repeat(entered, len(stays))
            )

    def _first_event(self, stage: Stage, stays: Ints, day: Ints, entered: Ints) -> Ints:
        """When the first contributing event of these stays on these days happened (µs); `entered` slots count."""
        first, stop = self._main.positions.slots.of_days(day)
        stop = np.minimum(stop, entered)
        found = np.full(len(stays), -1, dtype=np.int64)
        for keys in (self._named, stage_keys(self._measured.definition, stage)):
            slot = np.full(len(stays), -1, dtype=np.int64)
            chosen = self._rows.chosen(keys)
            for step in range(int((stop - first).max(initial=0))):
                here = (slot < 0) & (first + step < stop)
                here[here] = chosen[stays[here], first[here] + step]
                slot[here] = first[here] + step
            at = self._rows.instants("first", keys, stays, slot)
            found = np.where(slot >= 0, at, found)
        return found


def truth(measures: Measures, condition: Condition) -> tuple[Flags, Flags]:
    """(it holds, it does not hold) everywhere; where neither, it is unknown (SEM-M4)."""
    match condition:
        case All(of=parts):
            each = [truth(measures, part) for part in parts]
            return np.logical_and.reduce([yes for yes, _ in each]), np.logical_or.reduce([no for _, no in each])
        case Any(of=parts):
            each = [truth(measures, part) for part in parts]
            return np.logical_or.reduce([yes for yes, _ in each]), np.logical_and.reduce([no for _, no in each])
        case Not(of=part):
            yes, no = truth(measures, part)
            return no, yes
        case Compare():
            return _compared(measures, condition)


def _compared(measures: Measures, condition: Compare) -> tuple[Flags, Flags]:
    values = measures.value(measures.measured.definition.signal(condition.name))
    known = ~np.isnan(values)
    if condition.exists is not None:
        return known == condition.exists, known != condition.exists
    holds = known
    if condition.min is not None:
        holds = holds & (values >= condition.min)
    if condition.max is not None:
        holds = holds & (values <= condition.max)
    if condition.one_of is not None:
        holds = holds & np.isin(values, [float(v) for v in condition.one_of])
    return holds, known & ~holds
