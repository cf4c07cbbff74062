"""Daily rows of subjects and users: the view `usage` and `f_part` in, blocks of integer arrays out.

The strings of stored usage end here: a row comes out as numbers of its stay, member, slot and key. Stays are taken in
blocks, so that what is made of the rows (matrices over slots) never needs memory for everybody at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pql.features.clock import Clock
from pql.features.grain import Field, Grain, Keys
from pql.features.scratch import Column, Ints, Scratch, quoted
from pql.features.slots import Slots, spans
from pql.features.subjects import Subjects

CELLS = 1_000_000  # of one matrix over members and slots

VALUE = "value"  # the only key of rows of values

# Sums are exact integers: value_sum is split into whole units and millionths, minutes are counted in millionths.
_FIELDS: dict[Field, str] = {
    "count": "u.count",
    "units": "coalesce(floor(u.value_sum), 0)::BIGINT",
    "micros": "coalesce((u.value_sum - floor(u.value_sum)) * 1000000, 0)::BIGINT",
    "values": "coalesce(u.value_n, 0)",
    "sessions": "coalesce(u.sessions, 0)::BIGINT",
    "minutes": "coalesce(round(u.minutes * 1000000), 0)::BIGINT",
    "first": "epoch_us(u.first_at)",
    "last": "epoch_us(u.last_at)",
}


@dataclass(frozen=True)
class Block:
    """Stays first … last − 1 with members first_member … last_member − 1, in their rows numbered from 0."""

    first: int
    last: int
    first_member: int
    last_member: int
    member_stay: Ints
    stays: Grain
    members: Grain

    @property
    def starts(self) -> Ints:
        """Each stay's first member; every stay has one."""
        return np.searchsorted(self.member_stay, np.arange(self.last - self.first))


@dataclass(frozen=True)
class Values:
    """Values of a property: the rows of each (entity, value), and which entity it is of, ascending."""

    entity: Ints
    rows: Grain


class Usage:
    """Daily rows of the members in `f_part`, with these fields; of `item_keys` their values too."""

    def __init__(
        self, scratch: Scratch, clock: Clock, keys: Keys, fields: Collection[Field], item_keys: Keys, *, by_hint: bool
    ) -> None:
        self._scratch = scratch
        self._numbers = {key: number for number, key in enumerate(sorted(keys), start=1)}
        self._fields: list[Field] = sorted({*fields, "count"})
        self.slots = make_slots(scratch, clock)
        hint = "AND p.account_hint IS NOT DISTINCT FROM u.account_hint" if by_hint else ""
        columns = ", ".join(f'{_FIELDS[name]} AS "{name}"' for name in self._fields)
        items = ", u.item" if item_keys else ""
        scratch.make(
            "f_usage",
            f"""SELECT p.stay::INTEGER AS stay, p.member::INTEGER AS member, s.slot::INTEGER AS slot,
                       list_position([{listed(keys)}], u.match)::SMALLINT AS key, {columns}{items}
                FROM usage u JOIN f_part p ON p.raw_id = u.raw_id {hint}
                     JOIN f_slot s ON s.day = u.day AND s.seg = u.seg
                WHERE u.match IN ({listed(keys)}) AND u.first_at < $1::TIMESTAMP""",
            [clock.latest],
        )

    def blocks(self, subjects: Subjects, width: int) -> Iterator[Block]:
        """All stays in order, in blocks of a bounded number of members × width."""
        columns = ", ".join(f'"{name}"' for name in self._fields)
        starts = np.searchsorted(subjects.member_stay, np.arange(len(subjects.key) + 1))
        for first, last in spans(np.diff(starts) * max(width, 1), CELLS):
            members = (int(starts[first]), int(starts[last]))
            found = self._scratch.fetch(
                f"""SELECT stay - {first} AS stay, member - {members[0]} AS member, slot, key, {columns}
                    FROM f_usage WHERE stay >= {first} AND stay < {last}"""
            )
            fields: dict[Field, Ints] = {name: found[name] for name in self._fields}
            rows = (found["slot"], found["key"], fields, self._numbers)
            yield Block(
                first,
                last,
                *members,
                subjects.member_stay[slice(*members)] - first,
                Grain(last - first, self.slots, found["stay"], *rows),
                Grain(members[1] - members[0], self.slots, found["member"], *rows),
            )

    def nobody(self) -> Block:
        """A block of no stays."""
        none = np.zeros(0, dtype=np.int64)
        rows = Grain(0, self.slots, none, none, none, dict.fromkeys(self._fields, none), self._numbers)
        return Block(0, 0, 0, 0, none, rows, rows)

    def first_at(self, keys: Keys) -> dict[str, Column]:
        """Per member that did any of these when it first did (µs): columns member and at."""
        return self._scratch.fetch(
            f"""SELECT member::BIGINT AS member, min("first") AS at FROM f_usage WHERE key IN ({self._numbered(keys)})
                GROUP BY member ORDER BY member"""
        )

    def _numbered(self, keys: Keys) -> str:
        return ", ".join(str(self._numbers[key]) for key in sorted(keys)) or "NULL"

    def values(self, block: Block, keys: Keys, *, per_user: bool) -> Values:
        """The values of a property in the block, as rows that say in which slots each was seen."""
        entity, first = ("member", block.first_member) if per_user else ("stay", block.first)
        found = self._scratch.fetch(
            f"""WITH seen AS (
                    SELECT DISTINCT {entity} AS entity, item, slot FROM f_usage
                    WHERE stay >= {block.first} AND stay < {block.last} AND key IN ({self._numbered(keys)})
                          AND item IS NOT NULL AND count > 0)
                SELECT entity - {first} AS entity, dense_rank() OVER (ORDER BY entity, item) - 1 AS pair, slot
                FROM seen ORDER BY pair"""
        )
        pair, once = found["pair"], np.ones(len(found["pair"]), dtype=np.int64)
        first_row = np.flatnonzero(np.diff(pair, prepend=-1))
        rows = Grain(len(first_row), self.slots, pair, found["slot"], once, {"count": once}, {VALUE: 1})
        return Values(found["entity"][first_row].astype(np.int64), rows)


def make_slots(scratch: Scratch, clock: Clock) -> Slots:
    """Create `f_slot` (day, seg, slot) from `f_segment`: where on the clock the rows of each segment begin to count.

    ValueError if the events of one segment count at different instants: the views were not cut for these moments.
    """
    found = scratch.fetch(
        """SELECT day, seg::BIGINT AS seg, epoch_us(first_at) AS first, epoch_us(last_at) AS last
           FROM f_segment ORDER BY day, seg"""
    )
    k, last = clock.enters(found["first"]), clock.enters(found["last"])
    if (k != last).any():
        day = found["day"][np.argmax(k != last)].astype("datetime64[D]")
        raise ValueError(f"{day} is not cut at the moments asked for: prepare the lake for the same moments")
    known = k < len(clock)
    day, k, seg = found["day"][known].astype("datetime64[D]"), k[known], found["seg"][known]
    number = day.astype(np.int64)
    new = np.ones(len(k), dtype=bool)
    new[1:] = (np.diff(number) != 0) | (np.diff(k) != 0)
    slot = np.cumsum(new) - 1
    columns = {"day": pa.array(day, pa.date32()), "seg": pa.array(seg), "slot": pa.array(slot), "k": pa.array(k)}
    scratch.put("f_slot", columns)
    return Slots(number[new], k[new])


def listed(keys: Keys) -> str:
    """The keys as the inside of an SQL `IN (…)`; NULL, which nothing equals, if there are none."""
    return ", ".join(quoted(key) for key in sorted(keys)) or "NULL"


def exact(units: Ints, micros: Ints) -> np.typing.NDArray[np.float64]:
    """Whole units and millionths as one number, the nearest there is wherever millionths matter.

    >>> exact(np.array([-2]), np.array([750_000])).tolist()
    [-1.25]
    """
    carried, rest = np.divmod(micros, 1_000_000)
    whole = units + carried
    small = np.abs(whole) < 9_000_000_000_000
    return np.where(small, (np.where(small, whole, 0) * 1_000_000 + rest) / 1e6, whole.astype(np.float64))
