"""Publish one extraction unit: rows of events in, files per local day and the facts they touch out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pql.lake.event_files import EMPTY, EventFile, live, stored
from pql.lake.forgetting.withheld import without_forgotten_events
from pql.lake.local_days import days_within, naive
from pql.lake.storage import Storage, text, texts, was_replaced
from pql.lake.unit_rows import days_of, each_once, spoilt, typed


@dataclass(frozen=True)
class Published:
    """What one publication put into the lake and whom it concerns."""

    rows: int  # of this unit, after duplicates
    newest_us: Mapping[str, int]  # `user:<id>` or `anon:<id>` → its newest event here, in microseconds since 1970
    newest_occurred_at: datetime | None
    skipped_older: bool  # the lake holds a newer export of (some of) this; that was left alone
    added: int = 0  # rows more than the lake held of this unit before
    duplicates: int = 0  # rows that repeated an event id

    @property
    def raw_ids_with_newest(self) -> list[tuple[str, datetime]]:
        """The same as moments."""
        return [(key, _moment(micros)) for key, micros in self.newest_us.items()]


_ATTEMPTS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A column of which no two texts are alike is soon known not to be worth a dictionary (1 MB is Arrow's limit as well).
_PARQUET = "FORMAT parquet, STRING_DICTIONARY_PAGE_SIZE_LIMIT 1000000"


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
    asked = typed(select_sql, unit.source, unit.exported_at, timezone)
    whose = f"{unit.source} {unit.unit}"
    with storage.staging() as folder, each_once(con, asked, spoilt(con, select_sql), whose) as events:
        staged = folder / "rows.parquet"
        con.execute(f"COPY ({events.query}) TO {text(str(staged))} ({_PARQUET})")
        rows = without_forgotten_events(storage, con, staged)
        days = events.days if rows == staged else days_of(con, f"FROM read_parquet({text(str(rows))})")
        files = [_file(unit, each.day, each.digest, each.day in whole) for each in days]
        facts = _facts(con, [str(rows)])
        plan, gone, before = _replaced(storage, con, rows, unit, files, whole, folder)
    total = sum(each.rows for each in days)
    return Published(
        total,
        _merged(facts, gone),
        _moment(max(facts.values())) if facts else None,
        plan.skipped_older,
        0 if plan.skipped_older else max(0, total - before),
        events.copies,
    )


def _replaced(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    rows: Path,
    unit: Unit,
    files: list[EventFile],
    whole: set[date],
    folder: Path,
) -> tuple[_Plan, dict[str, int], int]:
    """What was written over what, whom the removed rows were about, and how many rows there were before."""
    for attempt in range(1, _ATTEMPTS + 1):
        plan = _planned(unit, files, [f for f in stored(storage) if f.source == unit.source], whole)
        scratch = folder / f"attempt-{attempt}"
        scratch.mkdir()
        try:
            gone = _facts(con, [storage.uri(f.path) for f in plan.removed if f.digest not in plan.digests(f.day)])
            before = _rows(con, [storage.uri(f.path) for f in {*plan.removed, *plan.same.values()}])
            _write(storage, con, rows, len(files), plan, scratch)
        except (duckdb.Error, FileNotFoundError) as error:
            if attempt == _ATTEMPTS or not was_replaced(error):
                raise
            continue  # another run replaces the same files at the same time: look again at what there is
        break
    return plan, gone, before


def _file(unit: Unit, day: date, digest: str, whole: bool) -> EventFile:
    return EventFile(day, unit.source, unit.unit, naive(unit.exported_at), digest, whole)


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
        return {wanted[0]: _second_name(rows, folder / "day.parquet")}  # the rows stay: this may have to be done again
    days = ", ".join(f"DATE '{day}'" for day in wanted)
    target = text(str(folder / "days"))
    con.execute(
        f"COPY (SELECT * FROM read_parquet({text(str(rows))}) WHERE day IN ({days})) TO {target} "
        f"({_PARQUET}, PARTITION_BY (day), WRITE_PARTITION_COLUMNS true)"
    )
    return {day: _one(con, folder / "days" / f"day={day}") for day in wanted}


def _second_name(file: Path, name: Path) -> Path:
    """The file under one more name; a copy where the disk knows no links."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)
    return name


def _one(con: duckdb.DuckDBPyConnection, folder: Path) -> Path:
    """The day's file; DuckDB may have written a very large day in several."""
    parts = sorted(folder.iterdir())
    if len(parts) == 1:
        return parts[0]
    joined = folder / "joined.parquet"
    con.execute(f"COPY (FROM read_parquet({texts([str(p) for p in parts])})) TO {text(str(joined))} ({_PARQUET})")
    return joined


def _rows(con: duckdb.DuckDBPyConnection, uris: list[str]) -> int:
    if not uris:
        return 0
    found = con.execute(f"SELECT count(*) FROM read_parquet({texts(uris)})").fetchone()
    assert found is not None
    return int(found[0])


# --- whom it concerns ----------------------------------------------------------------------------------------------


def _facts(con: duckdb.DuckDBPyConnection, uris: list[str]) -> dict[str, int]:
    if not uris:
        return {}
    source = f"read_parquet({texts(uris)})"
    found = con.execute(
        f"SELECT 'user:' || user_id AS key, epoch_us(max(occurred_at)) AS at FROM {source} "
        "WHERE user_id IS NOT NULL GROUP BY user_id "
        f"UNION ALL SELECT 'anon:' || anonymous_id, epoch_us(max(occurred_at)) FROM {source} "
        "WHERE anonymous_id IS NOT NULL GROUP BY anonymous_id ORDER BY 1"
    ).fetchnumpy()  # a tuple and a datetime for each of a million keys would cost more than finding them
    return dict(zip(found["key"].tolist(), found["at"].tolist(), strict=True))


def _merged(facts: dict[str, int], gone: dict[str, int]) -> dict[str, int]:
    """The facts of rows that came and of rows that went, one a key, sorted."""
    if not gone:
        return facts
    newest = dict(facts)
    for key, micros in gone.items():
        newest[key] = max(micros, newest.get(key, micros))
    return dict(sorted(newest.items()))


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
