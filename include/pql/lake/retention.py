"""How far back the lake reaches, and letting go of what is old: raw events once their daily usage is kept (SEM-T5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import duckdb

from pql.lake.daily_tables import LINKS, PRESENCE, TRAITS, usage_tables
from pql.lake.event_files import EMPTY, EventFile, live, stored
from pql.lake.local_days import naive
from pql.lake.parts import read_index
from pql.lake.prepare import kept_since, refresh, set_kept_since, unbuilt
from pql.lake.score_files import FOLDER as SCORES
from pql.lake.score_files import moment_of
from pql.lake.storage import Storage
from pql.usage import Need


def history_start(storage: Storage) -> date | None:
    """The first day with events, raw or kept as daily usage only."""
    since = kept_since(storage)
    days = [*live(stored(storage)), *(day for day in read_index(storage, PRESENCE).days if day < since)]
    return min(days, default=None)


_A_DAY = timedelta(days=1)  # somewhere it is tomorrow already
UNTOUCHED_FOR = timedelta(days=2)  # a file written since may belong to a run that is under way, also one of the past


def prune(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    retention_days: int,
    needs: Sequence[Need],
    *,
    now: datetime | None = None,
    dry_run: bool = False,
) -> int:
    """Remove old raw events whose daily usage is kept; how many files went, or would go.

    An event that happened after `now` is a mistake and makes nothing old.

    Days go in order, each when every file of it is more than `retention_days` older than its source's newest event:
    a day is either all there or all gone, so what is kept of it never has to be built from half of its events. Usage
    that has to be built first lets its events stay until the next call: a run that is under way, which read the index
    before it was built, may still write over it, and from the events it can be built again.
    """
    every = stored(storage)
    files = live(every)
    before = _first_day_to_keep(files, retention_days, date.max if now is None else (naive(now) + _A_DAY).date())
    if before is None or before <= kept_since(storage):
        return 0
    if dry_run:
        return sum(1 for file in every if file.day < before)
    tables = [PRESENCE, LINKS, TRAITS, *usage_tables(needs)]
    old = {day for day in files if day < before}
    built_now = any(unbuilt(storage, table, files) & old for table in tables)
    refresh(storage, con, tables, files)
    if built_now or any(unbuilt(storage, table, files) & old for table in tables):
        return 0
    set_kept_since(storage, before)
    going = [file for file in every if file.day < before]
    for file in going:
        storage.remove(file.path)
    return len(going)


def old_hourly_scores(storage: Storage, before: datetime, now: datetime) -> list[str]:
    """Hourly snapshots of moments before `before`; nightly ones are kept for ever.

    One that was written a moment ago, by an hour of the past being run now, is still to be decided: it stays.
    """
    hourly = [path for path in storage.list(SCORES) if "/kind=hourly/" in path]
    old = [path for path in hourly if (at := moment_of(path)) is not None and at < before]
    return [path for path in old if _is_older(storage, path, now - UNTOUCHED_FOR)]


def old_quarantine(storage: Storage, before: datetime) -> list[str]:
    """Quarantined records written before `before`, by the store's own clock."""
    return [path for path in storage.list("quarantine") if _is_older(storage, path, before)]


def leftovers(storage: Storage, now: datetime) -> list[str]:
    """Files in the making that a killed process left behind."""
    return [path for path in storage.list(".staging") if _is_older(storage, path, now - UNTOUCHED_FOR)]


def _is_older(storage: Storage, path: str, than: datetime) -> bool:
    try:
        return naive(storage.modified_at(path)) < naive(than)
    except FileNotFoundError:  # gone meanwhile
        return False


def _first_day_to_keep(files: Mapping[date, Sequence[EventFile]], retention_days: int, last: date) -> date | None:
    newest: dict[str, date] = {}
    for day, held in sorted(files.items()):
        newest |= {file.source: day for file in held if file.digest != EMPTY and day <= last}
    for day, held in sorted(files.items()):
        if any(day >= newest[f.source] - timedelta(days=retention_days) for f in held if f.source in newest):
            return day
    return None
