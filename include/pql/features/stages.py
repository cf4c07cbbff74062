"""When activation stages were reached: conditions over usage at the ends of active days in, instants out (SEM-A1).

A stage is reached on the first day with any named event at whose end its condition held, or at T itself if T lies
within such a day. Its time is that day's first event of those the condition is about, else of any. Later days cannot
take it back, because it is always computed from the beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pql.definition.model import All, Any, Compare, Condition, Definition, Not, Signal, Stage
from pql.features.measures import Material, Measures
from pql.features.panel import Panel, distinct, stretch
from pql.features.rows import Keys, Want
from pql.features.scratch import Flags, Ints


def named_keys(definition: Definition) -> Keys:
    """The stored usage of every named event: a day with any of it is an active day for stages."""
    return frozenset(event.match.key for event in definition.events)


def read_by(definition: Definition, condition: Condition) -> tuple[Signal, ...]:
    """The signals a stage's condition looks at; ValueError if it looks at anything else."""
    match condition:
        case All(of=parts) | Any(of=parts):
            return tuple(dict.fromkeys(signal for part in parts for signal in read_by(definition, part)))
        case Not(of=part):
            return read_by(definition, part)
        case Compare(operand="signal", name=name):
            return (definition.signal(name),)
        case _:
            raise ValueError(f"a stage of {definition.id} looks at something that is not a usage signal: {condition}")


def stage_wants(definition: Definition) -> set[Want]:
    """The columns of daily rows that the times of stages are read from."""
    keys = [named_keys(definition), *(_about(definition, stage) for stage in definition.stages)]
    return {Want(k, "count") for k in keys} | {Want(k, "first") for k in keys}


def _about(definition: Definition, stage: Stage) -> Keys:
    events = {name for signal in read_by(definition, stage.when) for name in signal.events}
    return frozenset(definition.event(name).match.key for name in events)


@dataclass(frozen=True)
class Reached:
    """Stages over the points of the main panel."""

    material: Material
    main: Panel

    def times(self) -> list[Ints]:
        """Per stage and main point when it was reached (µs), −1 if not by then."""
        return [self._time(stage) for stage in self.material.definition.stages]

    @cached_property
    def _within_day(self) -> Ints:
        """Indices of main points that lie within a day on which their stay was active before."""
        clock = self.material.clock
        window_day = clock.window_day[self.main.k]
        inside = np.flatnonzero(window_day == clock.local_day[self.main.k])
        points = Panel(self.main.entity[inside], self.main.k[inside], self.main.entities, self.main.span)
        rows = self.material.by_stay
        today = stretch(points, rows, window_day[inside]).last(self._active)
        return inside[today >= 0]

    @cached_property
    def _active(self) -> Flags:
        return self.material.by_stay.columns[Want(named_keys(self.material.definition), "count").name] > 0

    @cached_property
    def _panel(self) -> tuple[Panel, Flags]:
        """Ends of active days and points within one; which of them are ends."""
        rows, clock, span = self.material.by_stay, self.material.clock, self.main.span
        end = np.searchsorted(clock.local_day, rows.day[self._active] + 1, side="left")
        over = end < len(clock)
        ends = distinct(rows.entity[self._active][over] * span + end[over])
        within = self.main.key[self._within_day]
        keys = distinct(np.concatenate((ends, within)))
        entity, k = np.divmod(keys, span)
        return Panel(entity, k, self.main.entities, span), ~np.isin(keys, within, assume_unique=True)

    @cached_property
    def _measures(self) -> Measures:
        return Measures(self.material, self._panel[0])

    def _time(self, stage: Stage) -> Ints:
        panel, is_end = self._panel
        holds = truth(self._measures, stage.when)[0]
        at = self._first_event(stage)
        hits = np.flatnonzero(holds & is_end)
        stays, first = np.unique(panel.entity[hits], return_index=True)
        hit = np.full(panel.entities, -1)
        hit[stays] = hits[first]
        mine = hit[self.main.entity]
        reached = (mine >= 0) & (panel.k[mine] <= self.main.k) if len(panel) else mine >= 0
        found = np.full(len(self.main), -1)
        found[reached] = at[mine[reached]]
        today = self._within_day[~reached[self._within_day]]
        index = np.searchsorted(panel.key, self.main.key[today])
        found[today] = np.where(holds[index], at[index], -1)
        return found

    def _first_event(self, stage: Stage) -> Ints:
        """Per stage-panel point the first contributing event of its day (µs)."""
        rows, panel = self.material.by_stay, self._panel[0]
        day = self.material.clock.window_day[panel.k]
        today = stretch(panel, rows, day, day)
        found = np.full(len(panel), -1)
        for keys in (named_keys(self.material.definition), _about(self.material.definition, stage)):
            index = today.first(rows.columns[Want(keys, "count").name] > 0)
            seen = index >= 0
            found[seen] = rows.columns[Want(keys, "first").name][index[seen]]
        return found


def truth(measures: Measures, condition: Condition) -> tuple[Flags, Flags]:
    """(it holds, it does not hold) at every point; where neither, it is unknown (SEM-M4)."""
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
    values = measures.value(measures.material.definition.signal(condition.name))
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
