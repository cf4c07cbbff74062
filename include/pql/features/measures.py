"""Signals at the points of a panel: usage rows in, one float64 array per signal out; NaN is unknown (SEM-M1, M4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from pql.definition.model import Bound, Definition, Signal, Window
from pql.features.clock import Clock
from pql.features.pairs import Pairs, count_pairs
from pql.features.panel import Panel, Rows, Stretch, once_a_day, stretch
from pql.features.rows import Field, Keys, Usage, Want, exact
from pql.features.scratch import Flags, Floats, Ints
from pql.features.signup import Signups
from pql.features.subjects import Subjects
from pql.usage import session_need, value_need

USAGE_MEASURES = frozenset(
    ("count", "active_days", "users", "sum", "average", "distinct", "days_since", "change", "sessions", "minutes")
)
COMPARABLE_FROM = 10  # events in the earlier window before a change means anything (SEM-M1)

_READ: dict[str, tuple[Field, ...]] = {
    "sum": ("units", "micros"),
    "average": ("units", "micros", "values"),
    "sessions": ("sessions",),
    "minutes": ("minutes",),
    "time_to": ("count", "first"),
}


def keys_of(definition: Definition, signal: Signal) -> Keys:
    """The stored usage that a signal is computed from."""
    if signal.measure in ("sessions", "minutes"):
        return frozenset((session_need(definition, signal).key,))
    return frozenset(definition.event(name).match.key for name in signal.events)


def wants_of(definition: Definition, signal: Signal) -> set[Want]:
    """The columns of daily rows that a signal reads."""
    keys = keys_of(definition, signal)
    return {Want(keys, field) for field in _READ.get(signal.measure, ("count",))} if keys else set()


def active_keys(definition: Definition) -> Keys:
    """The stored usage of `any_event`: every named event that is not passive (SEM-M2)."""
    return frozenset(event.match.key for event in definition.events if not event.passive)


@dataclass(frozen=True)
class Material:
    """Everything measured from, fetched once and shared by all panels of a computation."""

    definition: Definition
    clock: Clock
    timezone: str
    subjects: Subjects
    signups: Signups
    by_stay: Rows
    by_member: Rows
    values: dict[tuple[str, bool], Pairs]  # (signal, per user) → sightings


@dataclass(frozen=True)
class Grain:
    """One panel of stays, or of members at the points of their stay (`parent`), with the rows to measure there."""

    material: Material
    panel: Panel
    rows: Rows
    signup_day: Ints  # of the subject: what `first:` windows start from (SEM-T4)
    own_signup: tuple[Ints, Ints]  # of the entity itself: µs and local date
    per_user: bool

    @cached_property
    def window_day(self) -> Ints:
        return self.material.clock.window_day[self.panel.k]

    @cached_property
    def _stretches(self) -> dict[tuple[str, int | None, int], Stretch]:
        return {}

    def stretch(self, window: Window, back: int = 0) -> Stretch:
        """The rows inside the window, or inside the one `back` windows earlier."""
        key = (window.kind, window.days, back)
        if key not in self._stretches:
            self._stretches[key] = stretch(self.panel, self.rows, *self._days(window, back))
        return self._stretches[key]

    def _days(self, window: Window, back: int) -> tuple[Ints | None, Ints | None]:
        if window.kind == "all" or window.days is None:
            return None, None
        if window.kind == "first":
            return self.signup_day, self.signup_day + window.days - 1
        last = self.window_day - back * window.days
        return last - window.days + 1, last if back else None

    def chosen(self, keys: Keys) -> Flags:
        """The rows in which any of the events happened."""
        return self.rows.columns[Want(keys, "count").name] > 0

    def total(self, keys: Keys, field: Field, window: Window, back: int = 0) -> Ints:
        return self.stretch(window, back).total(self.rows.columns[Want(keys, field).name])

    def measure(self, signal: Signal) -> Floats:
        """The signal's value for each entity as such, whatever its `per: user`."""
        keys = keys_of(self.material.definition, signal)
        match signal.measure:
            case "active_days":
                return self.stretch(signal.window).total(once_a_day(self.rows, self.chosen(keys))).astype(np.float64)
            case "users" | "distinct":
                return self._distinct(signal)
            case "sum" | "average" | "minutes":
                return self._valued(signal, keys)
            case "days_since":
                return self._days_since(keys)
            case "time_to":
                return self._hours_to(keys)
            case "change":
                return self._change(signal, keys)
            case _:
                field: Field = "sessions" if signal.measure == "sessions" else "count"
                return self.total(keys, field, signal.window).astype(np.float64)

    def _distinct(self, signal: Signal) -> Floats:
        pairs = self.material.values[signal.name, self.per_user]
        found = count_pairs(self.panel, pairs, self.material.clock, signal.window, self.signup_day)
        return found.astype(np.float64)

    def _valued(self, signal: Signal, keys: Keys) -> Floats:
        if signal.measure == "minutes":
            return exact(np.zeros(1, dtype=np.int64), self.total(keys, "minutes", signal.window))
        summed = exact(self.total(keys, "units", signal.window), self.total(keys, "micros", signal.window))
        if signal.measure == "sum":
            return summed
        count = self.total(keys, "values", signal.window)
        average: Floats = np.divide(summed, count, out=np.full(len(count), np.nan), where=count > 0)
        return average

    def _days_since(self, keys: Keys) -> Floats:
        newest = self.stretch(Window()).last(self.chosen(keys))
        since = self.own_signup[1].copy()
        seen = newest >= 0
        since[seen] = self.rows.day[newest[seen]]
        return (self.window_day - since).astype(np.float64)

    def _hours_to(self, keys: Keys) -> Floats:
        first = self.stretch(Window()).first(self.chosen(keys))
        at = self.rows.columns[Want(keys, "first").name]
        return hours_between(self.own_signup[0], np.where(first >= 0, at[first], -1) if len(at) else first)

    def _change(self, signal: Signal, keys: Keys) -> Floats:
        now = self.total(keys, "count", signal.window)
        before = self.total(keys, "count", signal.window, back=1)
        found = np.full(len(now), np.nan)
        told = before >= COMPARABLE_FROM
        found[told] = (now[told] - before[told]) / before[told] * 100
        return found


def hours_between(start: Ints, end: Ints) -> Floats:
    """Hours from start to end (µs), not below 0; NaN where end is negative, which stands for never.

    >>> hours_between(np.array([0, 0]), np.array([5_400_000_000, -1])).tolist()
    [1.5, nan]
    """
    return np.where(end < 0, np.nan, np.maximum(end - start, 0) / 3.6e9)


class Measures:
    """Signals at the points of one panel of stays."""

    def __init__(self, material: Material, panel: Panel) -> None:
        self.material = material
        self.panel = panel
        signup = material.signups.earliest(panel, material.subjects.member_stay, material.timezone)
        self.signup_at, self.signup_day = signup
        self.stays = Grain(material, panel, material.by_stay, self.signup_day, signup, per_user=False)

    @cached_property
    def _parent(self) -> Ints:
        """Per member and point of its stay at which the member was seen already: that point."""
        m = self.material
        start = self.panel.first_at(m.subjects.member_stay, m.signups.born_k)
        length = self.panel.ends[m.subjects.member_stay] - start
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        parent: Ints = np.repeat(start, length) + within
        return parent

    @cached_property
    def users(self) -> Grain:
        """The same points, for each member."""
        m = self.material
        start = self.panel.first_at(m.subjects.member_stay, m.signups.born_k)
        length = self.panel.ends[m.subjects.member_stay] - start
        member = np.repeat(np.arange(len(length)), length)
        panel = Panel(member, self.panel.k[self._parent], len(length), self.panel.span)
        own = m.signups.earliest(panel, np.arange(len(length)), m.timezone)
        return Grain(m, panel, m.by_member, self.signup_day[self._parent], own, per_user=True)

    def value(self, signal: Signal) -> Floats:
        """A usage signal at every point; with `per: user`, how many users meet its bound (SEM-W2)."""
        if signal.per_user is None:
            return self.stays.measure(signal)
        met = _meets(self.users.measure(signal), signal.per_user)
        users: Ints = np.bincount(self._parent[met], minlength=len(self.panel))
        return users.astype(np.float64)

    def newest(self, keys: Keys, window: Window) -> Ints:
        """The newest of these events inside the window (µs), −1 if none."""
        index = self.stays.stretch(window).last(self.stays.chosen(keys))
        at = self.stays.rows.columns[Want(keys, "last").name]
        return np.where(index >= 0, at[index], -1) if len(at) else index


def _meets(values: Floats, bound: Bound) -> Flags:
    known = ~np.isnan(values)
    low = values >= bound.min if bound.min is not None else known
    high = values <= bound.max if bound.max is not None else known
    return known & low & high


def sightings(
    usage: Usage, definition: Definition, signals: Iterable[Signal], by_member: Rows, stay_of_member: Ints
) -> dict[tuple[str, bool], Pairs]:
    """The pairs that `users` and `distinct` signals count, by signal and grain (True: per user)."""
    found: dict[tuple[str, bool], Pairs] = {}
    for signal in signals:
        if signal.measure == "users":
            seen = np.flatnonzero(by_member.columns[Want(keys_of(definition, signal), "count").name] > 0)
            member = by_member.entity[seen]
            found[signal.name, False] = Pairs(stay_of_member[member], member, by_member.day[seen], by_member.k[seen])
        elif signal.measure == "distinct":
            per_user = signal.per_user is not None
            found[signal.name, per_user] = _values(usage, definition, signal, "member" if per_user else "stay")
    return found


def _values(usage: Usage, definition: Definition, signal: Signal, grain: Literal["stay", "member"]) -> Pairs:
    events = [definition.event(name).match for name in signal.events]
    keys = frozenset(value_need(e, signal.property).key if signal.property else e.key for e in events)
    rows = usage.values(grain, keys, "item" if signal.property else "match")
    return Pairs(rows.entity, rows.columns["pair"], rows.day, rows.k)
