"""Publish one extraction unit: rows of events in, files per local day and the facts they touch out."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from pql.lake.event_files import EMPTY, EventFile, live, stored
from pql.lake.forgetting.withheld import without_forgotten_events
from pql.lake.local_days import day_sql, days_within, naive
from pql.lake.storage import Storage, text, texts
from pql.types import EVENT_COLUMNS


@dataclass(frozen=True)
class Published:
    """What one publication put into the lake and whom it concerns."""

    rows: int  # of this unit, after duplicates
    raw_ids_with_newest: list[tuple[str, datetime]]  # (`user:<id>` or `anon:<id>`, its newest event here)
    newest_occurred_at: datetime | None
    skipped_older: bool  # the lake holds a newer export of (some of) this; that was left alone
    added: int = 0  # rows more than the lake held of this unit before
    duplicates: int = 0  # rows that repeated an event id


_ATTEMPTS = 5


@dataclass(frozen=True)
class Unit:
    """One extraction unit: what was asked of which source, and when."""

    source: str
    unit: str
    start: datetime
    end: datetime
    exported_at: datetime
    replaces_days: bool


def publish_events(
    storage: Storage, con: duckdb.DuckDBPyConnection, select_sql: str, unit: Unit, timezone: str
) -> Published:
    """Publish the rows of `select_sql` (EVENT_COLUMNS) as the unit's files, replacing exactly those it had.

    It is read more than once and must say the same each time: what is dear to compute belongs into a table or file.
    Raises ValueError for rows that cannot be events (no id, name, time or actor, or properties that are no JSON):
    sources quarantine such records first.
    """
    whole = set(days_within(unit.start, unit.end, timezone)) if unit.replaces_days else set()
    with storage.staging() as folder, _each_once(con, _typed(con, select_sql, unit, timezone)) as (events, duplicates):
        staged = folder / "rows.parquet"
        con.execute(f"COPY ({events}) TO {text(str(staged))} (FORMAT parquet)")
        rows = without_forgotten_events(storage, con, staged)
        days = _days(con, events if rows == staged else f"FROM read_parquet({text(str(rows))})")
        files = [_file(unit, each.day, each.digest, each.day in whole) for each in days]
        plan, gone, before = _replaced(storage, con, rows, unit, files, whole, folder)
        facts = _facts(con, [str(rows)])
    newest = max((each.newest for each in days), default=None)
    total = sum(each.rows for each in days)
    return Published(
        total,
        _merged(facts, gone),
        newest.replace(tzinfo=UTC) if newest else None,
        plan.skipped_older,
        0 if plan.skipped_older else max(0, total - before),
        duplicates,
    )


def _replaced(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    rows: Path,
    unit: Unit,
    files: list[EventFile],
    whole: set[date],
    folder: Path,
) -> tuple[_Plan, list[tuple[str, datetime]], int]:
    """What was written over what, whom the removed rows were about, and how many rows there were before."""
    for attempt in range(1, _ATTEMPTS + 1):
        plan = _planned(unit, files, [f for f in stored(storage) if f.source == unit.source], whole)
        scratch = folder / f"attempt-{attempt}"
        scratch.mkdir()
        try:
            gone = _facts(con, [storage.uri(f.path) for f in plan.removed if f.digest not in plan.digests(f.day)])
            before = _rows(con, [storage.uri(f.path) for f in {*plan.removed, *plan.same.values()}])
            _write(storage, con, rows, len(files), plan, scratch)
        except (duckdb.IOException, FileNotFoundError):
            if attempt == _ATTEMPTS:
                raise
            continue  # another run replaces the same files at the same time: look again at what there is
        break
    return plan, gone, before


def _file(unit: Unit, day: date, digest: str, whole: bool) -> EventFile:
    return EventFile(day, unit.source, unit.unit, naive(unit.exported_at), digest, whole)


# --- staging -------------------------------------------------------------------------------------------------------


def _typed(con: duckdb.DuckDBPyConnection, select_sql: str, unit: Unit, timezone: str) -> str:
    """A SELECT of the unit's rows with the lake's types and the local day they belong to.

    Raises ValueError if a row cannot be an event. A column of DuckDB's type JSON holds nothing else by its type.
    """
    kinds = {str(name): str(kind) for name, kind, *_ in con.execute(f"DESCRIBE {select_sql}").fetchall()}
    written = [name for name in ("properties", "user_traits", "account_traits") if kinds.get(name) != "JSON"]
    broken = " OR ".join(f"NOT json_valid({name})" for name in written) or "false"
    columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in EVENT_COLUMNS.items())
    rows = f"SELECT {columns} FROM ({select_sql})"
    incomplete = "event_id IS NULL OR event IS NULL OR occurred_at IS NULL OR coalesce(user_id, anonymous_id) IS NULL"
    found = con.execute(f"SELECT count(*) FILTER ({incomplete}), count(*) FILTER ({broken}) FROM ({rows})").fetchone()
    assert found is not None
    if found != (0, 0):
        raise ValueError(
            f"{unit.source} {unit.unit}: {found[0]} rows without id, name, time or actor and {found[1]} whose "
            "properties are not JSON were handed to the lake; the source should have quarantined them"
        )
    stamp = f"{text(unit.source)} AS source, TIMESTAMP {text(str(naive(unit.exported_at)))} AS exported_at"
    return f"SELECT *, {stamp}, {day_sql('occurred_at', timezone)} AS day FROM ({rows})"


@contextmanager
def _each_once(con: duckdb.DuckDBPyConnection, rows: str) -> Iterator[tuple[str, int]]:
    """A SELECT of the rows with one row per event id, the one that was received first; and how many it leaves out.

    Copies are few, so only they are put in order and kept aside; the others stream past.
    """
    found = con.execute(f"SELECT count(*), count(DISTINCT event_id) FROM ({rows})").fetchone()
    assert found is not None
    copies = found[0] - found[1]
    if not copies:
        yield rows, 0
        return
    chosen = "pql_chosen_events"
    again = f"SELECT event_id FROM ({rows}) GROUP BY event_id HAVING count(*) > 1"
    first = "row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, occurred_at, properties) = 1"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {chosen} AS "
        f"SELECT * FROM ({rows}) SEMI JOIN ({again}) USING (event_id) QUALIFY {first}"
    )
    try:
        yield f"SELECT * FROM ({rows}) ANTI JOIN {chosen} USING (event_id) UNION ALL FROM {chosen}", copies
    finally:
        con.execute(f"DROP TABLE IF EXISTS {chosen}")


@dataclass(frozen=True)
class _Day:
    """What a unit's rows of one local day come to."""

    day: date
    rows: int
    digest: str  # of what they say, whatever their order; a later reading time is no difference
    newest: datetime


def _days(con: duckdb.DuckDBPyConnection, events: str) -> list[_Day]:
    said = ", ".join(name for name in EVENT_COLUMNS if name != "ingested_at")
    found = con.execute(
        f"SELECT day, count(*), sum(CAST(hash({said}) AS HUGEINT)), max(occurred_at) FROM ({events}) GROUP BY day"
    ).fetchall()
    return [_Day(day, n, hashlib.sha256(f"{n} {total}".encode()).hexdigest()[:16], at) for day, n, total, at in found]


# --- what to write and what to remove ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    written: list[EventFile]
    same: dict[EventFile, EventFile]  # a file to be → the stored file that already says the same
    removed: list[EventFile]
    skipped_older: bool

    def digests(self, day: date) -> set[str]:
        return {f.digest for f in self.written if f.day == day}


def _planned(unit: Unit, files: list[EventFile], before: list[EventFile], whole: set[date]) -> _Plan:
    """An older export never replaces a newer one; equally old ones do (that is a rerun)."""
    exported = naive(unit.exported_at)
    own = [f for f in before if f.unit == unit.unit]
    if any(f.exported_at > exported for f in own):
        return _Plan([], {}, [], True)
    kept = {f.day for f in before if f.whole and f.exported_at > exported}
    held = {f.day for f in before if f.exported_at <= exported}
    emptied = [_file(unit, day, EMPTY, True) for day in sorted((whole & held) - {f.day for f in files})]
    if own and not files and not emptied:  # something must remember that this export was newer
        emptied = [_file(unit, own[0].day, EMPTY, False)]
    written = [f for f in [*files, *emptied] if f.day not in kept]
    replaced = [f for f in before if f.day in whole - kept and f.exported_at <= exported]
    removed = sorted({*own, *replaced} - set(written), key=lambda f: f.path)
    said = {(f.day, f.digest): f for own_day in live(own).values() for f in own_day}
    same = {f: said[f.day, f.digest] for f in written if (f.day, f.digest) in said and f.digest != EMPTY}
    return _Plan(written, same, removed, bool(kept & ({f.day for f in files} | whole)))


def _write(storage: Storage, con: duckdb.DuckDBPyConnection, rows: Path, days: int, plan: _Plan, folder: Path) -> None:
    fresh = {f.day: f for f in plan.written if f not in plan.same and f.digest != EMPTY}
    for day, staged in _by_day(con, rows, list(fresh), days, folder).items():
        storage.publish(staged, fresh[day].path)
    for new, old in plan.same.items():
        if new != old:
            storage.move(old.path, new.path)
    empty = folder / "empty.parquet"
    for file in (f for f in plan.written if f.digest == EMPTY):
        con.execute(f"COPY (FROM read_parquet({text(str(rows))}) LIMIT 0) TO {text(str(empty))} (FORMAT parquet)")
        storage.publish(empty, file.path)
    for file in plan.removed:
        storage.remove(file.path)


def _by_day(
    con: duckdb.DuckDBPyConnection, rows: Path, wanted: list[date], present: int, folder: Path
) -> dict[date, Path]:
    """A file in `folder` for each of the wanted days; `present` says how many days the rows are of."""
    if not wanted:
        return {}
    if present == 1:
        copy = folder / "day.parquet"
        shutil.copyfile(rows, copy)  # the rows stay: this may have to be done again
        return {wanted[0]: copy}
    days = ", ".join(f"DATE '{day}'" for day in wanted)
    target = text(str(folder / "days"))
    con.execute(
        f"COPY (SELECT * FROM read_parquet({text(str(rows))}) WHERE day IN ({days})) TO {target} "
        "(FORMAT parquet, PARTITION_BY (day), WRITE_PARTITION_COLUMNS true)"
    )
    return {day: _one(con, folder / "days" / f"day={day}") for day in wanted}


def _one(con: duckdb.DuckDBPyConnection, folder: Path) -> Path:
    """The day's file; DuckDB may have written a very large day in several."""
    parts = sorted(folder.iterdir())
    if len(parts) == 1:
        return parts[0]
    joined = folder / "joined.parquet"
    con.execute(f"COPY (FROM read_parquet({texts([str(p) for p in parts])})) TO {text(str(joined))} (FORMAT parquet)")
    return joined


def _rows(con: duckdb.DuckDBPyConnection, uris: list[str]) -> int:
    if not uris:
        return 0
    found = con.execute(f"SELECT count(*) FROM read_parquet({texts(uris)})").fetchone()
    assert found is not None
    return int(found[0])


# --- whom it concerns ----------------------------------------------------------------------------------------------


def _facts(con: duckdb.DuckDBPyConnection, uris: list[str]) -> list[tuple[str, datetime]]:
    if not uris:
        return []
    source = f"read_parquet({texts(uris)})"
    found = con.execute(
        f"SELECT 'user:' || user_id, max(occurred_at) FROM {source} WHERE user_id IS NOT NULL GROUP BY user_id "
        f"UNION ALL SELECT 'anon:' || anonymous_id, max(occurred_at) FROM {source} "
        "WHERE anonymous_id IS NOT NULL GROUP BY anonymous_id ORDER BY 1"
    ).fetchall()
    return [(key, newest.replace(tzinfo=UTC)) for key, newest in found]


def _merged(facts: list[tuple[str, datetime]], gone: list[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    """The facts of rows that came and of rows that went, one a key, sorted."""
    if not gone:
        return facts
    newest = dict(facts)
    for key, moment in gone:
        newest[key] = max(moment, newest.get(key, moment))
    return sorted(newest.items())
