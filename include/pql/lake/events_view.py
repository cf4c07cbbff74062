"""The temporary view `events` that daily tables are made from: event files of some days in, actors and segments out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

import duckdb

from pql.lake.event_files import EMPTY, EventFile
from pql.lake.local_days import day_of, midnight, naive
from pql.lake.storage import Storage, texts
from pql.types import EVENT_COLUMNS

Files = Mapping[date, Sequence[EventFile]]

_COLUMNS = (
    "event_id, event, coalesce(user_id, 'anon:' || anonymous_id) AS raw_id, user_id, anonymous_id, account_hint, "
    "occurred_at, ingested_at, properties, user_traits, account_traits, day"
)

_KINDS = {**EVENT_COLUMNS, "raw_id": "VARCHAR", "day": "DATE"}
_NOTHING = "SELECT " + ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in _KINDS.items()) + " WHERE false"


def create_events(
    con: duckdb.DuckDBPyConnection,
    storage: Storage,
    files: Files,
    days: Collection[date],
    *,
    tail: bool,
    cuts: Mapping[date, Sequence[datetime]],
) -> None:
    """Make `events` hold the given days, each event once, with the segment it falls into.

    With `tail` the days before are there too, marked so, for sessions that run over midnight. Events are the same
    when their source and id are (PRODUCT-S4); of copies in several files of a day the newest export's is kept.
    """
    before = {day - timedelta(days=1) for day in days} - set(days) if tail else set()
    read = [f for day in sorted({*days, *before}) for f in files.get(day, ()) if f.digest != EMPTY]
    shared = _days_of_several_files(read)
    relations = [
        _of_single_files([storage.uri(f.path) for f in read if f.day not in shared]),
        _of_several_files(con, [storage.uri(f.path) for f in read if f.day in shared]),
    ]
    union = " UNION ALL ".join(filter(None, relations)) or _NOTHING
    is_tail = f"e.day IN ({_dates(before)})" if before else "false"
    joined, seg = f"({union}) AS e", "0"
    if cuts:
        _create_cuts(con, cuts)
        joined += " ASOF LEFT JOIN event_cuts AS c ON e.day = c.day AND e.occurred_at >= c.since"
        seg = "coalesce(c.seg, 0)"
    con.execute(f"CREATE OR REPLACE TEMP VIEW events AS SELECT e.*, {seg} AS seg, {is_tail} AS tail FROM {joined}")


def cuts_by_day(moments: Collection[datetime], timezone: str) -> dict[date, list[datetime]]:
    """The moments that fall inside a local day (not on its midnight), by day, ascending."""
    found: dict[date, list[datetime]] = defaultdict(list)
    for moment in sorted(set(moments)):
        day = day_of(moment, timezone)
        if moment != midnight(day, timezone):
            found[day].append(moment)
    return dict(found)


def _days_of_several_files(read: Sequence[EventFile]) -> set[date]:
    """Days of which one source has several files, which may hold the same event twice."""
    return {day for (day, _), n in Counter((f.day, f.source) for f in read).items() if n > 1}


def _of_single_files(uris: list[str]) -> str | None:
    return f"SELECT {_COLUMNS} FROM read_parquet({texts(uris)})" if uris else None


def _of_several_files(con: duckdb.DuckDBPyConnection, uris: list[str]) -> str | None:
    if not uris:
        return None
    rank = (
        "row_number() OVER (PARTITION BY day, source, event_id "
        "ORDER BY exported_at DESC, ingested_at, occurred_at, properties)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE events_once AS SELECT {_COLUMNS} FROM read_parquet({texts(uris)}) "
        f"QUALIFY {rank} = 1"
    )
    return "SELECT * FROM events_once"


def _create_cuts(con: duckdb.DuckDBPyConnection, cuts: Mapping[date, Sequence[datetime]]) -> None:
    rows = [(day, naive(since), n) for day, moments in cuts.items() for n, since in enumerate(moments, start=1)]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE event_cuts AS "
        "SELECT unnest($1::DATE[]) AS day, unnest($2::TIMESTAMP[]) AS since, unnest($3::INTEGER[]) AS seg",
        [list(column) for column in zip(*rows, strict=True)],
    )


def _dates(days: Collection[date]) -> str:
    return ", ".join(f"DATE '{day}'" for day in sorted(days))
