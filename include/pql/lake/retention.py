"""How far back the lake reaches, and letting raw events go once their daily usage is kept (SEM-T5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import duckdb

from pql.lake.daily_tables import LINKS, PRESENCE, TRAITS, usage_tables
from pql.lake.event_files import EMPTY, EventFile, live, stored
from pql.lake.parts import read_index
from pql.lake.prepare import kept_since, refresh, set_kept_since, unbuilt
from pql.lake.storage import Storage
from pql.usage import Need


def history_start(storage: Storage) -> date | None:
    """The first day with events, raw or kept as daily usage only."""
    since = kept_since(storage)
    days = [*live(stored(storage)), *(day for day in read_index(storage, PRESENCE).days if day < since)]
    return min(days, default=None)


def prune(storage: Storage, con: duckdb.DuckDBPyConnection, retention_days: int, needs: Sequence[Need]) -> int:
    """Remove old raw events whose daily usage is kept; how many files went.

    Days go in order, each when every file of it is more than `retention_days` older than its source's newest event:
    a day is either all there or all gone, so what is kept of it never has to be built from half of its events. Usage
    that has to be built first lets its events stay until the next call: a run that is under way, which read the index
    before it was built, may still write over it, and from the events it can be built again.
    """
    every = stored(storage)
    files = live(every)
    before = _first_day_to_keep(files, retention_days)
    if before is None or before <= kept_since(storage):
        return 0
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


def _first_day_to_keep(files: Mapping[date, Sequence[EventFile]], retention_days: int) -> date | None:
    newest: dict[str, date] = {}
    for day, held in sorted(files.items()):
        newest |= {file.source: day for file in held if file.digest != EMPTY}
    for day, held in sorted(files.items()):
        if any(day >= newest[f.source] - timedelta(days=retention_days) for f in held if f.source in newest):
            return day
    return None
