"""The view `events` that daily tables are made from: event files of some days in, actors and segments out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import duckdb

from pql.lake.event_files import EMPTY, EventFile
from pql.lake.local_days import day_of, midnight, naive
from pql.lake.storage import Storage, text, texts
from pql.types import EVENT_COLUMNS

_NEVER = datetime.max.replace(tzinfo=UTC)

Files = Mapping[date, Sequence[EventFile]]

_COLUMNS = (
    "event_id, event, coalesce(user_id, 'anon:' || anonymous_id) AS raw_id, user_id, anonymous_id, account_hint, "
    "occurred_at, ingested_at, properties, user_traits, account_traits, day"
)
_KINDS = {**EVENT_COLUMNS, "raw_id": "VARCHAR", "day": "DATE"}
_NOTHING = "SELECT " + ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in _KINDS.items()) + " WHERE false"


@contextmanager
def staged_events(
    con: duckdb.DuckDBPyConnection,
    storage: Storage,
    files: Files,
    days: Collection[date],
    *,
    tail: bool,
    cuts: Mapping[date, Sequence[datetime]],
) -> Iterator[None]:
    """Gather the given days' events, each once, with the segment it falls into, for any number of `show_events`.

    They are copied first, so that ten tables made from two years of days do not open thousands of small files ten times
    (nor fetch them ten times from an object store): into one local file, or the few days of `cuts`, which every hour
    has, into a table, which is quicker. With `tail` the days before are there too, marked so, for sessions that run
    over midnight. Events are the same when their source and id are (PRODUCT-S4); of copies in several files of a day
    the newest export's is kept.
    """
    before = {day - timedelta(days=1) for day in days} - set(days) if tail else set()
    read = [f for day in sorted({*days, *before}) for f in files.get(day, ()) if f.digest != EMPTY]
    shared = _days_of_several_files(read)
    relations = [
        _of_single_files([storage.uri(f.path) for f in read if f.day not in shared]),
        _of_several_files([storage.uri(f.path) for f in read if f.day in shared]),
    ]
    joined, seg = f"({' UNION ALL '.join(filter(None, relations)) or _NOTHING}) AS e", "0"
    if cuts:
        _create_cuts(con, cuts)
        joined += " LEFT JOIN event_cuts AS c ON e.day = c.day AND e.occurred_at >= c.since AND e.occurred_at < c.until"
        seg = "coalesce(c.seg, 0)"
    is_tail = f"e.day IN ({_dates(before)})" if before else "false"
    with _copied(con, storage, f"SELECT e.*, {seg} AS seg, {is_tail} AS tail FROM {joined}", in_file=not cuts) as copy:
        con.execute(f"CREATE OR REPLACE TEMP VIEW events_with_tail AS SELECT * FROM {copy}")
        con.execute("CREATE OR REPLACE TEMP VIEW events_of_days AS SELECT * FROM events_with_tail WHERE NOT tail")
        yield


@contextmanager
def _copied(con: duckdb.DuckDBPyConnection, storage: Storage, query: str, *, in_file: bool) -> Iterator[str]:
    """Run the query once; what to read its rows from."""
    if not in_file:
        con.execute(f"CREATE OR REPLACE TEMP TABLE staged_events AS {query}")
        try:
            yield "staged_events"
        finally:
            con.execute("DROP TABLE staged_events")
        return
    with storage.staging() as folder:
        staged = text(str(folder / "events.parquet"))
        con.execute(f"COPY ({query}) TO {staged} (FORMAT parquet)")
        yield f"read_parquet({staged})"


def show_events(con: duckdb.DuckDBPyConnection, *, tail: bool) -> None:
    """Let `events` be what was staged, with or without the days before."""
    shown = "events_with_tail" if tail else "events_of_days"
    con.execute(f"CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM {shown}")


def show_plainly(con: duckdb.DuckDBPyConnection, storage: Storage, files: Collection[EventFile]) -> None:
    """Let `events` be what these files hold, read where they lie and with nothing taken out."""
    held = _of_single_files([storage.uri(f.path) for f in files if f.digest != EMPTY])
    con.execute(f"CREATE OR REPLACE TEMP VIEW events AS {held or _NOTHING}")


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


def _of_several_files(uris: list[str]) -> str | None:
    if not uris:
        return None
    rank = (
        "row_number() OVER (PARTITION BY day, source, event_id "
        "ORDER BY exported_at DESC, ingested_at, occurred_at, properties)"
    )
    return f"SELECT {_COLUMNS} FROM read_parquet({texts(uris)}) QUALIFY {rank} = 1"


def _create_cuts(con: duckdb.DuckDBPyConnection, cuts: Mapping[date, Sequence[datetime]]) -> None:
    rows = [
        (day, naive(since), naive(until), n)
        for day, moments in cuts.items()
        for n, (since, until) in enumerate(pairwise([*moments, _NEVER]), start=1)
    ]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE event_cuts AS SELECT unnest($1::DATE[]) AS day, "
        "unnest($2::TIMESTAMP[]) AS since, unnest($3::TIMESTAMP[]) AS until, unnest($4::INTEGER[]) AS seg",
        [list(column) for column in zip(*rows, strict=True)],
    )


def _dates(days: Collection[date]) -> str:
    return ", ".join(f"DATE '{day}'" for day in sorted(days))
