"""The rows of one extraction unit: a SELECT in, the same without copies and what each local day comes to out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from pql.lake.local_days import day_sql, naive
from pql.lake.storage import text
from pql.types import EVENT_COLUMNS

_SAID = f"sum(CAST(hash({', '.join(name for name in EVENT_COLUMNS if name != 'ingested_at')}) AS HUGEINT))"
_INCOMPLETE = "event_id IS NULL OR event IS NULL OR occurred_at IS NULL OR coalesce(user_id, anonymous_id) IS NULL"


def typed(select_sql: str, source: str, exported_at: datetime, timezone: str) -> str:
    """A SELECT of the unit's rows with the lake's types and the local day they belong to."""
    columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in EVENT_COLUMNS.items())
    stamp = f"{text(source)} AS source, TIMESTAMP {text(str(naive(exported_at)))} AS exported_at"
    return f"SELECT *, {stamp}, {day_sql('occurred_at', timezone)} AS day FROM (SELECT {columns} FROM ({select_sql}))"


def spoilt(con: duckdb.DuckDBPyConnection, select_sql: str) -> str:
    """A condition for rows with something that should be JSON and is not; a column of DuckDB's type JSON is."""
    kinds = {str(name): str(kind) for name, kind, *_ in con.execute(f"DESCRIBE {select_sql}").fetchall()}
    written = [name for name in ("properties", "user_traits", "account_traits") if kinds.get(name) != "JSON"]
    return " OR ".join(f"NOT json_valid({name})" for name in written) or "false"


@dataclass(frozen=True)
class Day:
    """What a unit's rows of one local day come to."""

    day: date
    rows: int
    said: int  # a sum over what the rows say, whatever their order; a later reading time is no difference

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.rows} {self.said}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Events:
    """A unit's rows with one row per event id, the one that was received first."""

    query: str
    days: list[Day]
    copies: int  # rows left out


@contextmanager
def each_once(con: duckdb.DuckDBPyConnection, rows: str, not_json: str, whose: str) -> Iterator[Events]:
    """The rows (a SELECT as `typed` makes it) without copies, for messages known as `whose`.

    Raises ValueError if a row cannot be an event; `not_json` is what `spoilt` says of the rows.

    Copies are few, so only they are put in order and kept aside; the others stream past.
    """
    days = _checked_days(con, rows, not_json, whose)
    again = f"SELECT event_id FROM ({rows}) GROUP BY event_id HAVING count(*) > 1"
    nth = "row_number() OVER (PARTITION BY event_id ORDER BY ingested_at, occurred_at, properties)"
    held = "pql_repeated_events"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {held} AS "
        f"SELECT *, {nth} AS nth FROM ({rows}) SEMI JOIN ({again}) USING (event_id)"
    )
    try:
        left_out = days_of(con, f"FROM {held} WHERE nth > 1")
        if not left_out:
            yield Events(rows, days, 0)
            return
        once = f"SELECT * FROM ({rows}) ANTI JOIN {held} USING (event_id)"
        query = f"{once} UNION ALL SELECT * EXCLUDE (nth) FROM {held} WHERE nth = 1"
        yield Events(query, _less(days, left_out), sum(each.rows for each in left_out))
    finally:
        con.execute(f"DROP TABLE IF EXISTS {held}")


def _checked_days(con: duckdb.DuckDBPyConnection, rows: str, not_json: str, whose: str) -> list[Day]:
    """What the rows come to, copies included. ValueError if one cannot be an event."""
    found = con.execute(
        f"SELECT day, count(*), {_SAID}, count(*) FILTER ({_INCOMPLETE}), count(*) FILTER ({not_json}) "
        f"FROM ({rows}) GROUP BY day"
    ).fetchall()
    incomplete, broken = sum(each[3] for each in found), sum(each[4] for each in found)
    if incomplete or broken:
        raise ValueError(
            f"{whose}: {incomplete} rows without id, name, time or actor and {broken} whose "
            "properties are not JSON were handed to the lake; the source should have quarantined them"
        )
    return [Day(day, n, said) for day, n, said, *_ in found]


def days_of(con: duckdb.DuckDBPyConnection, events: str) -> list[Day]:
    """What the rows of a FROM clause come to, day by day."""
    found = con.execute(f"SELECT day, count(*), {_SAID} {events} GROUP BY day").fetchall()
    return [Day(day, n, said) for day, n, said in found]


def _less(days: list[Day], left_out: list[Day]) -> list[Day]:
    """The days without rows that were counted in."""
    out = {each.day: each for each in left_out}
    none = Day(date.min, 0, 0)
    rest = [Day(d.day, d.rows - out.get(d.day, none).rows, d.said - out.get(d.day, none).said) for d in days]
    return [each for each in rest if each.rows]
