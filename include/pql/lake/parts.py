"""How a derived daily table is kept: part files of many days and an index that says which day is read from where.

A build writes one part with all days that were missing or whose events had changed; the index then points those days
to it and leaves the rest alone (SEM-M3). So 737 days first built together are one file, a night adds one more, and a
part's outdated days are simply not read. When parts have become many, the small ones are merged.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import duckdb

from pql.lake.daily_tables import DailyTable, selected
from pql.lake.storage import Storage, text, texts

FOLDER = "usage_daily"
MANY = 8  # parts; more are merged
GRACE = timedelta(hours=6)  # a part out of use stays this long for those who are still reading it


@dataclass(frozen=True)
class Stored:
    """One day as it is kept."""

    fingerprint: str  # of the event files it was made from
    part: str


@dataclass(frozen=True)
class Index:
    """What is kept of one table."""

    days: Mapping[date, Stored] = field(default_factory=dict)
    parts: Mapping[str, tuple[frozenset[date], int]] = field(default_factory=dict)  # days in the file, rows
    retired: Mapping[str, datetime] = field(default_factory=dict)  # parts out of use, since when

    def to_json(self) -> bytes:
        days = {str(day): [kept.fingerprint, kept.part] for day, kept in sorted(self.days.items())}
        parts = {name: [sorted(map(str, held)), rows] for name, (held, rows) in self.parts.items()}
        retired = {name: since.isoformat() for name, since in self.retired.items()}
        return json.dumps({"days": days, "parts": parts, "retired": retired}, indent=0).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Index:
        said = json.loads(content)
        return cls(
            {date.fromisoformat(day): Stored(*kept) for day, kept in said["days"].items()},
            {name: (frozenset(map(date.fromisoformat, held)), rows) for name, (held, rows) in said["parts"].items()},
            {name: datetime.fromisoformat(since) for name, since in said["retired"].items()},
        )


def read_index(storage: Storage, table: DailyTable) -> Index:
    """What is kept of the table; nothing yet is an empty index."""
    content = storage.read(f"{FOLDER}/{table.name}/index.json")
    return Index.from_json(content) if content else Index()


def missing(index: Index, fingerprints: Mapping[date, str]) -> frozenset[date]:
    """The days that are not kept as made from these event files."""
    return frozenset(
        day
        for day, fingerprint in fingerprints.items()
        if day not in index.days or index.days[day].fingerprint != fingerprint
    )


def add_days(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    table: DailyTable,
    built: Mapping[date, str],
    gone: Collection[date] = (),
) -> Index:
    """Make the days of `built` (with their fingerprints) from the view `events`, forget `gone`; the new index."""
    kept: dict[date, Stored] = {}
    parts: dict[str, tuple[frozenset[date], int]] = {}
    if built:
        name, rows = _write(storage, con, table, table.query, built, table.parameters)
        parts[name] = (frozenset(built), rows)
        kept = {day: Stored(fingerprint, name) for day, fingerprint in built.items()}
    after = _put(storage, table, lambda index: {**_without(index, gone), **kept}, parts)
    return _merged(storage, con, table, after)


def _without(index: Index, gone: Collection[date]) -> dict[date, Stored]:
    return {day: kept for day, kept in index.days.items() if day not in gone}


def _put(
    storage: Storage,
    table: DailyTable,
    days: Callable[[Index], Mapping[date, Stored]],
    parts: Mapping[str, tuple[frozenset[date], int]],
) -> Index:
    """Write the index that `days` makes of the one that is there *now*, with these new parts.

    Another run may have added days since ours read the index, and their events may be gone by now (SEM-T5): what it
    wrote stays. Building takes seconds or minutes, this a moment.
    """
    index = read_index(storage, table)
    after = _swept(storage, table, replace(index, days=days(index), parts={**index.parts, **parts}))
    storage.write(f"{FOLDER}/{table.name}/index.json", after.to_json())
    return after


def reading(storage: Storage, table: DailyTable, index: Index, hidden: Collection[date] = ()) -> list[str]:
    """Queries whose union is the table without the hidden days."""
    live = _live_days(index, hidden)
    clean = [storage.uri(_path(table, name)) for name, days in live.items() if days == index.parts[name][0]]
    queries = [f"SELECT * FROM read_parquet({texts(clean)})"] if clean else []
    for name, days in live.items():
        outdated = index.parts[name][0] - days
        if outdated:
            dates = ", ".join(f"DATE '{day}'" for day in sorted(outdated))
            uri = text(storage.uri(_path(table, name)))
            queries.append(f"SELECT * FROM read_parquet({uri}) WHERE day NOT IN ({dates})")
    return queries


def _live_days(index: Index, hidden: Collection[date] = ()) -> dict[str, set[date]]:
    """Parts that still hold a day to be read, with those days."""
    live: dict[str, set[date]] = defaultdict(set)
    for day, stored in index.days.items():
        if day not in hidden:
            live[stored.part].add(day)
    return dict(sorted(live.items()))


def _path(table: DailyTable, part: str) -> str:
    return f"{FOLDER}/{table.name}/{part}.parquet"


def _write(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    table: DailyTable,
    query: str,
    days: Mapping[date, str],
    parameters: Collection[object] = (),
) -> tuple[str, int]:
    """One part, named by what is in it, so that building the same thing twice is building it once."""
    content = json.dumps(sorted((str(day), fingerprint) for day, fingerprint in days.items()))
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    with storage.staging() as folder:
        staged = folder / "part.parquet"
        written = con.execute(
            f"COPY (SELECT {selected(table.columns)} FROM ({query}) ORDER BY {table.order}) TO {text(str(staged))} "
            "(FORMAT parquet, COMPRESSION zstd)",
            list(parameters),
        ).fetchone()
        storage.publish(staged, _path(table, name))
    assert written is not None
    return name, written[0]


def _merged(storage: Storage, con: duckdb.DuckDBPyConnection, table: DailyTable, index: Index) -> Index:
    """Merge all parts but one far larger than the rest, when there are many; each row is so rewritten seldom."""
    rows = {name: index.parts[name][1] for name in _live_days(index)}
    if len(rows) <= MANY:
        return index
    largest = max(rows, key=lambda name: (rows[name], name))
    small = [name for name in rows if name != largest]
    if sum(rows[name] for name in small) > rows[largest] / 2:
        small.append(largest)
    taken = {day: kept for day, kept in index.days.items() if kept.part in small}
    query = " UNION ALL ".join(reading(storage, table, index, hidden=set(index.days) - set(taken)))
    name, n = _write(storage, con, table, query, {day: kept.fingerprint for day, kept in taken.items()})

    def moved(now: Index) -> dict[date, Stored]:  # but not a day that somebody has built anew meanwhile
        return {d: replace(kept, part=name) if taken.get(d) == kept else kept for d, kept in now.days.items()}

    return _put(storage, table, moved, {name: (frozenset(taken), n)})


def _swept(storage: Storage, table: DailyTable, index: Index) -> Index:
    """Retire files that no day is read from, and remove those retired long ago (by the store's own clock)."""
    used = _live_days(index)
    newest = max((storage.modified_at(_path(table, name)) for name in used), default=None)
    parts = {name: part for name, part in index.parts.items() if name in used}
    if newest is None:
        return replace(index, parts=parts)
    stored = {path.rsplit("/", 1)[1].removesuffix(".parquet") for path in storage.list(f"{FOLDER}/{table.name}")}
    retired = {name: index.retired.get(name, newest) for name in stored - {*used, "index.json"}}
    for name in [name for name, since in retired.items() if since < newest - GRACE]:
        storage.remove(_path(table, name))
        del retired[name]
    return replace(index, parts=parts, retired=retired)
