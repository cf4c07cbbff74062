"""How far back the lake reaches, and letting raw events go once their daily usage is kept (SEM-T5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import duckdb

from pql.lake.daily_tables import LINKS, PRESENCE, TRAITS, usage_tables
from pql.lake.event_files import EMPTY, EventFile, live, stored
from pql.lake.parts import read_index
from pql.lake.prepare import kept_since, refresh, set_kept_since
from pql.lake.storage import Storage
from pql.usage import Need


def history_start(storage: Storage) -> date | None:
    """The first day with events, raw or kept as daily usage only."""
    since = kept_since(storage)
    days = [*live(stored(storage)), *(day for day in read_index(storage, PRESENCE).days if day < since)]
    return min(days, default=None)


def prune(storage: Storage, con: duckdb.DuckDBPyConnection, retention_days: int, needs: Sequence[Need]) -> int:
    """Remove old raw events after building their daily usage; how many files went.

    Days go in order, each when every file of it is more than `retention_days` older than its source's newest event:
    a day is either all there or all gone, so what is kept of it never has to be built from half of its events.
    """
    every = stored(storage)
    files = live(every)
    before = _first_day_to_keep(files, retention_days)
    if before is None or before <= kept_since(storage):
        return 0
    refresh(storage, con, [PRESENCE, LINKS, TRAITS, *usage_tables(needs)], files)
    set_kept_since(storage, before)
    old = [file for file in every if file.day < before]
    for file in old:
        storage.remove(file.path)
    return len(old)


def _first_day_to_keep(files: Mapping[date, Sequence[EventFile]], retention_days: int) -> date | None:
    newest: dict[str, date] = {}
    for day, held in sorted(files.items()):
        newest |= {file.source: day for file in held if file.digest != EMPTY}
    for day, held in sorted(files.items()):
        if any(day >= newest[f.source] - timedelta(days=retention_days) for f in held if f.source in newest):
            return day
    return None
