"""The daily-usage query says the same on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from pql.definition.model import EventMatch, Where
from pql.usage import EVENTS, Need, compile_for_duckdb, daily_usage

START = datetime.fromisoformat("2024-05-01 10:00")
PROPERTIES: list[dict[str, Any]] = [
    {"plan": "pro", "n": 3, "$os": "Linux", "a.b": "x"},
    {"plan": "free", "n": "12", "ok": True, "q\"'": 1},
    {"plan": None, "n": "many", "ok": False, "a": {"b": "y"}},
    {"n": 2.5},
    {},
]

Run = Callable[[Need], list[tuple[Any, ...]]]


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, properties in enumerate(PROPERTIES):
        rows += [
            {
                "event_id": f"{user}{number}",
                "event": "did",
                "raw_id": user,
                "account_hint": None,
                "occurred_at": START + timedelta(minutes=20 * number * (1 + (user == "bob"))),
                "day": START.date(),
                "seg": 0,
                "tail": number == 0,
                "properties": json.dumps(properties),
            }
            for user in ("ann", "bob")
        ]
    return [*rows, {**rows[0], "event": "other", "tail": False}]


@pytest.fixture(scope="module")
def on_duckdb() -> Iterator[Run]:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE events (event_id VARCHAR, event VARCHAR, raw_id VARCHAR, account_hint VARCHAR, "
            "occurred_at TIMESTAMP, day DATE, seg INTEGER, tail BOOLEAN, properties VARCHAR)"
        )
        con.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [list(r.values()) for r in _rows()])

        def run(need: Need) -> list[tuple[Any, ...]]:
            return sorted(con.execute(*compile_for_duckdb(daily_usage(need))).fetchall(), key=str)

        yield run


@pytest.fixture(scope="module")
def on_postgresql(postgres: str) -> Iterator[Run]:
    engine = sa.create_engine(postgres)
    columns = [sa.Column(column.name, column.type) for column in EVENTS.c]
    table = sa.Table("events", sa.MetaData(), *columns, prefixes=["TEMPORARY"])
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(sa.insert(table), _rows())

        def run(need: Need) -> list[tuple[Any, ...]]:
            return sorted(map(tuple, connection.execute(daily_usage(need))), key=str)

        yield run
    engine.dispose()


def _need(*where: Where, value: str | None = None, **kinds: Any) -> Need:
    return Need((EventMatch(("did",), where, value),), **kinds)


NEEDS = {
    "plain": _need(),
    "a value": _need(value="n"),
    "values": _need(item="plan"),
    "a name that looks like a path": _need(item="$os"),
    "a name with a dot": _need(item="a.b"),
    "a name with quotes": _need(item="q\"'"),
    "sessions": _need(sessions=True),
    "several events": Need((EventMatch(("did",)), EventMatch(("other",))), sessions=True),
    "in": _need(Where("plan", "in", ("free", "team"))),
    "in, mixed": _need(Where("n", "in", (12, "many"))),
    "not in": _need(Where("plan", "not_in", ("pro",))),
    "truth": _need(Where("ok", "in", (True,))),
    "at least": _need(Where("n", "min", (3,))),
    "at most": _need(Where("n", "max", (3,))),
    "there": _need(Where("plan", "exists")),
    "not there": _need(Where("plan", "exists", (False,))),
    "both": _need(Where("n", "min", (3,)), Where("plan", "in", ("free",))),
}


@pytest.mark.parametrize("need", NEEDS.values(), ids=NEEDS)
def test_both_engines_agree(need: Need, on_duckdb: Run, on_postgresql: Run) -> None:
    """One Core query gives the same rows on DuckDB and on PostgreSQL."""
    found = on_duckdb(need)
    assert found
    assert found == on_postgresql(need)


def _count(run: Run, need: Need) -> int:
    return sum(row[6] for row in run(need) if row[3] == "ann")


@pytest.mark.parametrize(
    ("need", "count"),
    [("plain", 4), ("in", 1), ("in, mixed", 2), ("not in", 1), ("truth", 1), ("at least", 1), ("at most", 1)],
)
def test_conditions_hold_where_they_are_known_to(need: str, count: int, on_duckdb: Run) -> None:
    """A condition on a missing property is not met, nor is its `not`; numbers compare as numbers (SEM-M4)."""
    assert _count(on_duckdb, NEEDS[need]) == count


def test_values_add_up_exactly(on_duckdb: Run) -> None:
    """Sums are exact decimals; what is no number has no part in them nor in their number (SEM-M3)."""
    ann = next(row for row in on_duckdb(NEEDS["a value"]) if row[3] == "ann")
    assert (str(ann[7]), ann[8]) == ("14.500000", 2)


def test_the_evening_before_only_says_whether_a_session_was_running(on_duckdb: Run) -> None:
    """Its events are not counted; Ann's session goes on from it, Bob's gaps of 40 minutes each start one (SEM-M1)."""
    assert [(row[3], row[6], row[11], row[12]) for row in on_duckdb(NEEDS["sessions"])] == [
        ("ann", 4, 0, 80.0),
        ("bob", 4, 4, 0.0),
    ]
