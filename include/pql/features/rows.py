"""Daily rows of subjects, users and values: the view `usage` and `f_part` in, sorted integer arrays out.

One query per grain with one filtered sum per column that some signal reads. A row is placed on the clock by its
segment of the day, which must not straddle an instant: that is checked, not assumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from pql.features.clock import Clock
from pql.features.panel import Rows
from pql.features.scratch import Column, Ints, Scratch, quoted

Keys = frozenset[str]  # of stored usage
Field = Literal["count", "units", "micros", "values", "sessions", "minutes", "first", "last"]
Grain = Literal["stay", "member"]

# Sums are exact integers: value_sum is split into whole units and millionths, minutes are counted in millionths.
_FIELDS: dict[Field, str] = {
    "count": "coalesce(sum(u.count) {where}, 0)::BIGINT",
    "units": "coalesce(sum(floor(u.value_sum)) {where}, 0)::BIGINT",
    "micros": "coalesce(sum((u.value_sum - floor(u.value_sum)) * 1000000) {where}, 0)::BIGINT",
    "values": "coalesce(sum(u.value_n) {where}, 0)::BIGINT",
    "sessions": "coalesce(sum(u.sessions) {where}, 0)::BIGINT",
    "minutes": "coalesce(sum(round(u.minutes * 1000000)::BIGINT) {where}, 0)::BIGINT",
    "first": "coalesce(epoch_us(min(u.first_at) {where}), 0)",
    "last": "coalesce(epoch_us(max(u.last_at) {where}), 0)",
}


@dataclass(frozen=True)
class Want:
    """One column: a field of the usage of any of these keys."""

    keys: Keys
    field: Field

    @property
    def name(self) -> str:
        return f"{self.field} {' '.join(sorted(self.keys))}"


class Usage:
    """Reads daily rows of the members in `f_part`."""

    def __init__(self, scratch: Scratch, clock: Clock, keys: Keys, *, by_hint: bool) -> None:
        self._scratch = scratch
        hint = "AND p.account_hint IS NOT DISTINCT FROM u.account_hint" if by_hint else ""
        scratch.make(
            "f_usage",
            f"""SELECT p.stay, p.member, u.* EXCLUDE (raw_id, account_hint, match),
                       list_position([{listed(keys)}], u.match)::SMALLINT AS match,
                       (u.day - DATE '1970-01-01')::BIGINT AS day_number
                FROM usage u JOIN f_part p ON p.raw_id = u.raw_id {hint}
                WHERE u.match IN ({listed(keys)}) AND u.first_at < $1::TIMESTAMP""",
            [clock.latest],
        )
        self._number = {key: i for i, key in enumerate(sorted(keys), start=1)}
        make_segments(scratch, clock, "f_segment", "f_usage")

    def rows(self, grain: Grain, wants: Iterable[Want]) -> Rows:
        """One row per stay or member, day and segment, with a column per want."""
        columns = sorted(set(wants), key=lambda want: want.name)
        if not columns:
            nothing = np.zeros(0, dtype=np.int64)
            return Rows(nothing, nothing, nothing, {})
        keys: Keys = frozenset().union(*(want.keys for want in columns))
        sums = [f"{self._sum(want)} AS c{i}" for i, want in enumerate(columns)]
        found = self._scratch.fetch(
            f"""SELECT u.{grain} AS entity, u.day_number, g.k, {", ".join(sums)}
                FROM f_usage u JOIN f_segment g USING (day, seg)
                WHERE u.match IN ({self._numbered(keys)}) GROUP BY ALL ORDER BY entity, day_number, g.k"""
        )
        values = {want.name: found[f"c{i}"].astype(np.int64, copy=False) for i, want in enumerate(columns)}
        return Rows(found["entity"], found["day_number"], found["k"], values)

    def values(self, grain: Grain, keys: Keys, what: Literal["item", "match"]) -> Rows:
        """One row per entity, value, day and segment; column `pair` numbers (entity, value), sorted by pair, day, k."""
        found = self._scratch.fetch(
            f"""WITH seen AS (
                    SELECT DISTINCT u.{grain} AS entity, u.{what} AS item, u.day_number, g.k
                    FROM f_usage u JOIN f_segment g USING (day, seg)
                    WHERE u.match IN ({self._numbered(keys)}) AND u.{what} IS NOT NULL AND u.count > 0)
                SELECT entity, dense_rank() OVER (ORDER BY entity, item) AS pair, day_number, k
                FROM seen ORDER BY pair, day_number, k"""
        )
        return Rows(found["entity"], found["day_number"], found["k"], {"pair": found["pair"]})

    def first_at(self, key: str | None) -> dict[str, Column]:
        """Per member that did it when it first did (µs): columns member and at."""
        return self._scratch.fetch(
            f"""SELECT u.member, epoch_us(min(u.first_at)) AS at FROM f_usage u JOIN f_segment g USING (day, seg)
                WHERE u.match IN ({self._numbered(frozenset((key,)) if key else frozenset())})
                GROUP BY u.member ORDER BY u.member"""
        )

    def _sum(self, want: Want) -> str:
        return _FIELDS[want.field].format(where=f"FILTER (WHERE u.match IN ({self._numbered(want.keys)}))")

    def _numbered(self, keys: Keys) -> str:
        return ", ".join(str(self._number[key]) for key in sorted(keys)) or "NULL"


def make_segments(scratch: Scratch, clock: Clock, name: str, view: str, where: str = "true") -> None:
    """Create `name` (day, seg, k): where on the clock the rows of a segment begin to count.

    ValueError if the rows of one segment count at different instants: the view was not cut for these moments.
    """
    found = scratch.fetch(
        f"""SELECT day, seg::BIGINT AS seg, epoch_us(min(first_at)) AS first, epoch_us(max(last_at)) AS last
            FROM {view} WHERE {where} GROUP BY day, seg ORDER BY day, seg"""
    )
    k, last = clock.enters(found["first"]), clock.enters(found["last"])
    if (k != last).any():
        day = found["day"][np.argmax(k != last)].astype("datetime64[D]")
        raise ValueError(f"{view} of {day} is not cut at the moments asked for: prepare the lake for the same moments")
    known = k < len(clock)
    scratch.put(
        name,
        {
            "day": pa.array(found["day"][known].astype("datetime64[D]"), pa.date32()),
            "seg": pa.array(found["seg"][known]),
            "k": pa.array(k[known]),
        },
    )


def exact(units: Ints, micros: Ints) -> np.typing.NDArray[np.float64]:
    """Whole units and millionths as one number, the nearest there is wherever millionths matter.

    >>> exact(np.array([-2]), np.array([750_000])).tolist()
    [-1.25]
    """
    carried, rest = np.divmod(micros, 1_000_000)
    whole = units + carried
    small = np.abs(whole) < 9_000_000_000_000
    return np.where(small, (np.where(small, whole, 0) * 1_000_000 + rest) / 1e6, whole.astype(np.float64))


def listed(keys: Keys) -> str:
    """The keys as the inside of an SQL `IN (…)`; NULL, which nothing equals, if there are none."""
    return ", ".join(quoted(key) for key in sorted(keys)) or "NULL"
