"""Bring the derived daily tables up to date and create, on one connection, the views that features read."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, timedelta

import duckdb

from pql.lake import crm_versions
from pql.lake.daily_tables import (
    LINKS,
    PRESENCE,
    TRAITS,
    VIEWS,
    DailyTable,
    selected,
    usage_tables,
)
from pql.lake.event_files import live, stored
from pql.lake.events_view import Files, cuts_by_day, show_events, staged_events
from pql.lake.parts import Index, add_days, missing, read_index, reading
from pql.lake.storage import Storage, was_replaced
from pql.usage import Need

_PRUNED = "pruned.json"
_ATTEMPTS = 3  # a publication may replace a file between our listing and our reading


def prepare(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    needs: Sequence[Need],
    cuts: Collection[datetime],
    timezone: str,
) -> None:
    """See `Lake.prepare`."""
    tables = [PRESENCE, LINKS, TRAITS, *usage_tables(needs)]
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _prepare_events(storage, con, tables, cuts, timezone)
            break
        except (duckdb.Error, FileNotFoundError) as error:
            if attempt == _ATTEMPTS or not was_replaced(error):
                raise
    crm_versions.create_tables(storage, con)


def _prepare_events(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    tables: Sequence[DailyTable],
    moments: Collection[datetime],
    timezone: str,
) -> None:
    files = live(stored(storage))
    cuts = {day: at for day, at in cuts_by_day(moments, timezone).items() if day in files}
    indexes = refresh(storage, con, tables, files, leave=cuts)
    _create_cut_tables(con, storage, tables, files, cuts)
    _create_views(storage, con, tables, indexes, set(cuts))


# --- keeping the stored days fresh ---------------------------------------------------------------------------------


def refresh(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    tables: Sequence[DailyTable],
    files: Files,
    leave: Collection[date] = (),
) -> dict[str, Index]:
    """Build what is missing or outdated, in as few passes over the events as can be; every table's index by name."""
    indexes = {table.name: read_index(storage, table) for table in tables}
    since = kept_since(storage)
    prints = {table.name: _fingerprints(table, files, indexes[table.name], since) for table in tables}
    groups: dict[frozenset[date], list[DailyTable]] = defaultdict(list)
    for table in tables:
        wanted = {day: fingerprint for day, fingerprint in prints[table.name].items() if day not in leave}
        groups[missing(indexes[table.name], wanted)].append(table)
    for days, group in groups.items():
        with _gathered(storage, con, files, days, group):
            for table in group:
                index = indexes[table.name]
                gone = {day for day in index.days if day not in files and day >= since}
                if days:
                    show_events(con, tail=table.tail)
                if days or gone:
                    built = {day: prints[table.name][day] for day in days}
                    indexes[table.name] = add_days(storage, con, table, built, gone)
    return indexes


def unbuilt(storage: Storage, table: DailyTable, files: Files) -> frozenset[date]:
    """The days of the table that are not kept as made from these events."""
    index = read_index(storage, table)
    return missing(index, _fingerprints(table, files, index, kept_since(storage)))


def _gathered(
    storage: Storage, con: duckdb.DuckDBPyConnection, files: Files, days: Collection[date], group: Sequence[DailyTable]
) -> AbstractContextManager[None]:
    if not days:
        return nullcontext()
    return staged_events(con, storage, files, days, tail=any(table.tail for table in group), cuts={})


def _fingerprints(table: DailyTable, files: Files, index: Index, since: date) -> dict[date, str]:
    """What each day of the table would be made from, except days kept from events that were pruned since."""
    before = timedelta(days=1) if table.tail else timedelta()
    said = {day: sorted((f.source, f.unit, f.digest) for f in held) for day, held in files.items()}
    may_be_made = [day for day in said if day not in index.days or since == date.min or day >= since + before]
    return {day: _digest([table.version, said[day], said.get(day - before, [])]) for day in may_be_made}


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def kept_since(storage: Storage) -> date:
    """The first day whose raw events are all still there (SEM-T5)."""
    content = storage.read(_PRUNED)
    return date.fromisoformat(json.loads(content)["before"]) if content else date.min


def set_kept_since(storage: Storage, before: date) -> None:
    storage.write(_PRUNED, json.dumps({"before": str(before)}).encode())


# --- the days that an intraday moment cuts -------------------------------------------------------------------------


def _create_cut_tables(
    con: duckdb.DuckDBPyConnection,
    storage: Storage,
    tables: Sequence[DailyTable],
    files: Files,
    cuts: Mapping[date, Sequence[datetime]],
) -> None:
    """Aggregate cut days from their events, by segment, into temporary tables."""
    for view, columns in VIEWS.items():
        typed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        con.execute(f"CREATE OR REPLACE TEMP TABLE cut_{view} ({typed})")
    if not cuts:
        return
    with staged_events(con, storage, files, set(cuts), tail=any(table.tail for table in tables), cuts=cuts):
        for table in tables:
            show_events(con, tail=table.tail)
            con.execute(
                f"INSERT INTO cut_{table.view} SELECT {selected(table.columns)} FROM ({table.query})",
                list(table.parameters),
            )


# --- views ---------------------------------------------------------------------------------------------------------

_LINKS = """
CREATE OR REPLACE TEMP TABLE links AS
SELECT from_id, to_id, min("at") AS "at" FROM (
  SELECT 'anon:' || anonymous_id AS from_id, user_id AS to_id, "at" FROM daily_links
  UNION ALL -- a merge or an alias: the replaced id was itself used as a user's
  SELECT anonymous_id, user_id, "at" FROM daily_links
  WHERE anonymous_id IN (SELECT raw_id FROM presence)
) GROUP BY from_id, to_id
"""

_TRAITS = """
CREATE OR REPLACE TEMP TABLE traits AS
WITH ever AS (
  SELECT kind, id, name, min(value) AS value, max(value) AS otherwise, min("at") AS "at"
  FROM daily_traits GROUP BY kind, id, name
)
SELECT kind, id, name, value, "at" FROM ever WHERE value = otherwise
UNION ALL BY NAME (
  SELECT kind, id, name, value, "at"
  FROM daily_traits SEMI JOIN (FROM ever WHERE value <> otherwise) AS changing USING (kind, id, name)
  QUALIFY value IS DISTINCT FROM lag(value) OVER (PARTITION BY kind, id, name ORDER BY "at", value)
)
"""


def _create_views(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    tables: Sequence[DailyTable],
    indexes: Mapping[str, Index],
    cut: set[date],
) -> None:
    queries: dict[str, list[str]] = {view: [] for view in VIEWS}
    for table in tables:
        queries[table.view] += reading(storage, table, indexes[table.name], cut)
    for view, stored_days in queries.items():
        name = view if view in ("usage", "presence") else f"daily_{view}"
        union = " UNION ALL ".join([*stored_days, f"SELECT * FROM cut_{view}"])
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {union}")
    con.execute(_LINKS)
    con.execute(_TRAITS)
