"""Signals of the stays of a block at positions of the clock: matrices in, one float64 matrix per signal out.

Matrices are stays × positions; NaN is unknown (SEM-M1, M4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from pql.definition.model import Bound, Definition, Signal, Window
from pql.features.grain import Field, Grain, Keys
from pql.features.rows import VALUE, Block, Usage, exact
from pql.features.scratch import Flags, Floats, Ints
from pql.features.signup import Signups
from pql.features.slots import Positions, Stretch
from pql.features.wants import keys_of, value_keys

COMPARABLE_FROM = 10  # events in the earlier window before a change means anything (SEM-M1)
_NOBODY = np.zeros((0, 0), dtype=np.int64)  # signup days of windows that do not begin at a signup


@dataclass(frozen=True)
class Measured:
    """What a block is measured with, whatever the positions."""

    definition: Definition
    timezone: str
    usage: Usage
    block: Block
    signups: Signups  # of the block's members


class Measures:
    """Signals at some positions."""

    def __init__(self, measured: Measured, positions: Positions) -> None:
        self.measured, self.positions = measured, positions
        block, zone = measured.block, measured.timezone
        signup = cache(lambda: measured.signups.earliest(positions.k, block.member_stay, block.stays.entities, zone))
        self._signup = signup
        self._stays = _Entities(measured, positions, block.stays, lambda: signup()[1], signup, per_user=False)
        self._known: dict[str, Floats] = {}

    @property
    def signup_at(self) -> Ints:
        """When the subject signed up (µs), per stay and position."""
        return self._signup()[0]

    @property
    def signup_day(self) -> Ints:
        """The local date of that."""
        return self._signup()[1]

    @cached_property
    def _members(self) -> _Entities:
        block, zone, k = self.measured.block, self.measured.timezone, self.positions.k
        count = block.members.entities
        own = cache(lambda: self.measured.signups.earliest(k, np.arange(count), count, zone))
        of_subject = cache(lambda: self.signup_day[block.member_stay])
        return _Entities(self.measured, self.positions, block.members, of_subject, own, per_user=True)

    def value(self, signal: Signal) -> Floats:
        """A usage signal everywhere; with `per: user`, how many users meet its bound (SEM-W2)."""
        if signal.name not in self._known:
            self._known[signal.name] = self._value(signal)
        return self._known[signal.name]

    def _value(self, signal: Signal) -> Floats:
        if signal.per_user is not None:
            met = _meets(self._members.measure(signal), signal.per_user) & self._born
            return self._per_stay(met)
        if signal.measure == "users":
            keys = keys_of(self.measured.definition, signal)
            if signal.window.kind == "first":
                return self._per_stay(self._members.is_seen(keys, signal.window))
            return self._users_seen(self.positions.stretch(signal.window, _NOBODY), keys)
        return self._stays.measure(signal)

    def _users_seen(self, stretch: Stretch, keys: Keys) -> Floats:
        """How many members did any of these in each stretch.

        People are active on few of all days, so this goes through what they did instead of a matrix over members: one
        counts from where a day of theirs comes into the window, or the day before it drops out, to where it drops out.
        """
        block, width = self.measured.block, len(self.positions) + 1
        member, slot = block.members.cells(keys)
        begin, end = (position[slot] for position in stretch.covering(len(self.positions.slots)))
        again = member[1:] == member[:-1]
        begin[1:][again] = np.maximum(begin[1:][again], end[:-1][again])
        row = block.member_stay[member] * width
        size = (block.last - block.first) * width
        change = np.bincount(row + begin, minlength=size) - np.bincount(row + end, minlength=size)
        counted: Floats = change.reshape(-1, width).cumsum(axis=1)[:, :-1].astype(np.float64)
        return counted

    @cached_property
    def _born(self) -> Flags:
        """Whether each member was seen already, per member and position."""
        return self.measured.signups.born_k[:, None] <= self.positions.k

    def users(self) -> Ints:
        """How many users were seen by then."""
        return self._per_stay(self._born).astype(np.int64)

    def _per_stay(self, of_members: Flags) -> Floats:
        if not len(of_members):
            return np.zeros(of_members.shape)
        found: Ints = np.add.reduceat(of_members.view(np.int8), self._starts, axis=0, dtype=np.int32)
        return found.astype(np.float64)

    @cached_property
    def _starts(self) -> Ints:
        return self.measured.block.starts

    def newest(self, keys: Keys, window: Window) -> Ints:
        """The newest of these events inside the window (µs), −1 if none."""
        stays = self.measured.block.stays
        slot = self._stays.stretch(window).last(stays.newest(keys))
        entity = np.repeat(np.arange(stays.entities), slot.shape[1])
        return stays.instants("last", keys, entity, slot.ravel()).reshape(slot.shape)


@dataclass(frozen=True)
class _Entities:
    """Stays, or their members, with the rows to measure."""

    measured: Measured
    positions: Positions
    rows: Grain
    signup_day: Callable[[], Ints]  # of the subject: what `first:` windows start from (SEM-T4)
    own_signup: Callable[[], tuple[Ints, Ints]]  # of the entity itself: µs and local date
    per_user: bool

    def stretch(self, window: Window, back: int = 0) -> Stretch:
        signup_day = self.signup_day() if window.kind == "first" else _NOBODY
        return self.positions.stretch(window, signup_day, back)

    def total(self, keys: Keys, field: Field, window: Window, back: int = 0) -> Ints:
        return self.stretch(window, back).total(self.rows.running(keys, field))

    def is_seen(self, keys: Keys, window: Window) -> Flags:
        """Whether any of the events happened in the window."""
        return self.stretch(window).total(self.rows.seen(keys)) > 0

    def measure(self, signal: Signal) -> Floats:
        """The signal's value for each entity as such, whatever its `per: user`."""
        keys = keys_of(self.measured.definition, signal)
        match signal.measure:
            case "active_days":
                return self.stretch(signal.window).total(self.rows.days(keys)).astype(np.float64)
            case "users":
                return self.is_seen(keys, signal.window).astype(np.float64)
            case "distinct":
                return self._distinct(signal, keys).astype(np.float64)
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

    def _distinct(self, signal: Signal, keys: Keys) -> Ints:
        if signal.property is None:
            each = [self.is_seen(frozenset((key,)), signal.window).astype(np.int64) for key in sorted(keys)]
            return np.asarray(np.sum(each, axis=0, dtype=np.int64))
        values = self.measured.usage.values(
            self.measured.block, value_keys(self.measured.definition, signal), per_user=self.per_user
        )
        found = np.zeros((self.rows.entities, len(self.positions)), dtype=np.int64)
        if len(values.entity):
            of_values = _Entities(
                self.measured,
                self.positions,
                values.rows,
                lambda: self.signup_day()[values.entity],
                self.own_signup,
                self.per_user,
            )
            seen = of_values.is_seen(frozenset((VALUE,)), signal.window)
            present, starts = np.unique(values.entity, return_index=True)
            found[present] = np.add.reduceat(seen, starts, axis=0, dtype=np.int64)
        return found

    def _valued(self, signal: Signal, keys: Keys) -> Floats:
        if signal.measure == "minutes":
            return exact(np.zeros(1, dtype=np.int64), self.total(keys, "minutes", signal.window))
        summed = exact(self.total(keys, "units", signal.window), self.total(keys, "micros", signal.window))
        if signal.measure == "sum":
            return summed
        count = self.total(keys, "values", signal.window)
        average: Floats = np.divide(summed, count, out=np.full(count.shape, np.nan), where=count > 0)
        return average

    def _days_since(self, keys: Keys) -> Floats:
        newest = self.stretch(Window()).last(self.rows.newest(keys))
        days = np.append(self.positions.slots.day, 0)[newest]
        since = np.where(newest >= 0, days, self.own_signup()[1])
        return (self.positions.window_day - since).astype(np.float64)

    def _hours_to(self, keys: Keys) -> Floats:
        chosen = self.rows.chosen(keys)
        slot = np.where(chosen.any(axis=1), chosen.argmax(axis=1), -1) if chosen.size else np.full(len(chosen), -1)
        at_ = self.rows.instants("first", keys, np.arange(len(slot)), slot)[:, None]
        reached = (slot >= 0)[:, None] & (slot[:, None] < self.positions.entered)
        return hours_between(self.own_signup()[0], np.where(reached, at_, -1))

    def _change(self, signal: Signal, keys: Keys) -> Floats:
        now = self.total(keys, "count", signal.window)
        before = self.total(keys, "count", signal.window, back=1)
        found = np.full(now.shape, np.nan)
        told = before >= COMPARABLE_FROM
        found[told] = (now[told] - before[told]) / before[told] * 100
        return found


def hours_between(start: Ints, end: Ints) -> Floats:
    """Hours from start to end (µs), not below 0; NaN where end is negative, which stands for never.

    >>> hours_between(np.array([0, 0]), np.array([5_400_000_000, -1])).tolist()
    [1.5, nan]
    """
    return np.where(end < 0, np.nan, np.maximum(end - start, 0) / 3.6e9)


def _meets(values: Floats, bound: Bound) -> Flags:
    known = ~np.isnan(values)
    low = values >= bound.min if bound.min is not None else known
    high = values <= bound.max if bound.max is not None else known
    return known & low & high
