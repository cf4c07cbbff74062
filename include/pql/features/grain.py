"""Daily rows of some entities as matrices over slots: rows in, entities × slots out, each made when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from pql.features.scratch import Column, Flags, Ints
from pql.features.slots import Slots

Keys = frozenset[str]  # of stored usage
Field = Literal["count", "units", "micros", "values", "sessions", "minutes", "first", "last"]


@dataclass(frozen=True)
class Grain:
    """Rows of usage of entities 0 … entities − 1; row i is of `entity[i]`, in `slot[i]`, of key number `key[i]`."""

    entities: int
    slots: Slots
    entity: Ints
    slot: Ints
    key: Ints
    fields: Mapping[Field, Ints]
    numbers: Mapping[str, int]  # of keys, from 1
    _made: dict[object, Column] = field(default_factory=dict)

    @cached_property
    def _cell(self) -> Ints:
        return self.entity.astype(np.int64) * len(self.slots) + self.slot

    @property
    def _size(self) -> int:
        return self.entities * len(self.slots)

    def _once(self, what: object, make: Callable[[], Column]) -> Column:
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    def _rows_of(self, keys: Keys) -> Ints | slice:
        """The rows of any of these keys."""
        if len(keys) == len(self.numbers):
            return slice(None)
        return self._once((keys, "rows"), lambda: self._chosen_rows(keys))

    def _chosen_rows(self, keys: Keys) -> Ints:
        wanted = np.zeros(len(self.numbers) + 1, dtype=bool)
        wanted[[self.numbers[key] for key in keys]] = True
        return np.flatnonzero(wanted[self.key])

    def _sums(self, keys: Keys, of: Field) -> Ints:
        """The sum of a field over these keys, per entity and slot."""
        rows, flat = self._rows_of(keys), np.zeros(self._size, dtype=np.int64)
        np.add.at(flat, self._cell[rows], self.fields[of][rows])
        return flat.reshape(self.entities, len(self.slots))

    def chosen(self, keys: Keys) -> Flags:
        """Whether any of the events happened, per entity and slot."""
        return self._once((keys, "chosen"), lambda: self._chosen(keys))

    def _chosen(self, keys: Keys) -> Flags:
        rows, flat = self._rows_of(keys), np.zeros(self._size, dtype=bool)
        happened = self.fields["count"][rows] > 0
        flat[self._cell[rows] if happened.all() else self._cell[rows][happened]] = True
        return flat.reshape(self.entities, len(self.slots))

    def cells(self, keys: Keys) -> tuple[Ints, Ints]:
        """(entity, slot) wherever any of the events happened, in this order."""
        return np.divmod(np.flatnonzero(self.chosen(keys)), max(len(self.slots), 1))

    def running(self, keys: Keys, of: Field) -> Ints:
        """Running totals of a field: per entity and slot the sum before it; one column more than slots."""
        return self._once((keys, of), lambda: _running(self._sums(keys, of), np.int64))

    def seen(self, keys: Keys) -> Ints:
        """Running numbers of slots in which any of the events happened."""
        return self._once((keys, "seen"), lambda: _running(self.chosen(keys), np.int32))

    def days(self, keys: Keys) -> Ints:
        """Running numbers of days on which any of the events happened."""
        if not self.slots.continued:
            return self.seen(keys)
        return self._once((keys, "days"), lambda: _running(self._first_of_day(keys), np.int32))

    def _first_of_day(self, keys: Keys) -> Flags:
        chosen = self.chosen(keys)
        new, today, last = chosen.copy(), np.zeros(self.entities, dtype=bool), -1
        for slot in self.slots.continued:
            before = chosen[:, slot - 1]
            today = today | before if slot - 1 == last else before
            new[:, slot] &= ~today
            last = slot
        return new

    def newest(self, keys: Keys) -> Ints:
        """Per entity and slot the last slot before it in which any of the events happened, −1 if none."""
        return self._once((keys, "newest"), lambda: self._newest(keys))

    def _newest(self, keys: Keys) -> Column:
        found = np.full((self.entities, len(self.slots) + 1), -1, dtype=np.int32)
        happened = np.where(self.chosen(keys), np.arange(len(self.slots), dtype=np.int32), np.int32(-1))
        np.maximum.accumulate(happened, axis=1, out=found[:, 1:])
        return found

    def instants(self, of: Literal["first", "last"], keys: Keys, entity: Ints, slot: Ints) -> Ints:
        """When the events happened first or last (µs) in cells in which they did; −1 where slot is −1."""
        found = np.full(len(slot), -1, dtype=np.int64)
        asked = np.flatnonzero(slot >= 0)
        cells = entity[asked] * len(self.slots) + slot[asked]
        wanted = np.zeros(self._size, dtype=bool)
        wanted[cells] = True
        of_keys = self._rows_of(keys)
        rows = np.flatnonzero(wanted[self._cell[of_keys]])
        if not isinstance(of_keys, slice):
            rows = of_keys[rows]
        earliest = of == "first"
        best = np.full(self._size, np.iinfo(np.int64).max if earliest else np.iinfo(np.int64).min)
        (np.minimum if earliest else np.maximum).at(best, self._cell[rows], self.fields[of][rows])
        found[asked] = best[cells]
        return found


def _running(values: Column, dtype: type[np.signedinteger]) -> Column:
    """Running totals along each row, with a 0 in front."""
    found = np.zeros((values.shape[0], values.shape[1] + 1), dtype=dtype)
    np.cumsum(values, axis=1, out=found[:, 1:])
    return found
