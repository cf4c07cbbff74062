"""Reading an export fast and reading it by numbered lines say the same; one bad line spoils its piece only."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pql.settings import MixpanelSource
from pql.sources import lines
from pql.sources.mixpanel_events import events_sql, fast_lines, numbered_lines
from pql.types import Connection

AT = datetime(2026, 3, 5, 12, tzinfo=UTC)
SETTINGS = {
    "kind": "mixpanel",
    "account": "org_id",
    "user_traits": {"plan": "plan", "other": "Plan", "id": "$user_id"},
    "account_traits": {"seats": "seats"},
    "history_days": 1,
}
ODD = (
    {"event": "Plain", "properties": {"$insert_id": "a", "plan": "pro", "Plan": "big", "seats": 3, "org_id": "o1"}},
    {"event": "No insert id", "properties": {"x": 1.0, "y": "é\n", "z": 10**30}},
    {"event": " Blanks ", "properties": {"$insert_id": "b", "plan": "  ", "seats": "", "org_id": [" o2 ", "o3"]}},
    {"event": "Nulls", "properties": {"$insert_id": "c", "plan": None, "$user_id": None, "org_id": None}},
    {"event": 5, "properties": {"$insert_id": "d", "plan": {"a": [1, None]}, "seats": True, "org_id": []}},
    {"event": "Text time", "properties": {"$insert_id": "e", "time": "1772712000", "$user_id": 17}},
    {"event": "$merge", "properties": {"$distinct_ids": ["m1", "m2"], "$insert_id": "f"}},
    {"event": "No time", "properties": {"$insert_id": "g", "time": None}},
    {"event": None, "properties": {"$insert_id": "h"}},
    {"event": "No properties"},
    {"event": "Odd properties", "properties": "text"},
)


def line(record: dict[str, Any]) -> str:
    """The record with a time and an actor where it has none of its own."""
    if isinstance(record.get("properties"), dict):
        record = record | {"properties": {"time": int(AT.timestamp()), "distinct_id": "ann"} | record["properties"]}
    return json.dumps(record, ensure_ascii=False)


def test_both_ways_of_reading_say_the_same(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Whether a file was read fast or by numbered lines decides nothing: ids, actors, traits and verdicts are equal."""
    path = tmp_path / "export.ndjson"
    path.write_text("".join(line(record) + "\n" for record in ODD))
    settings = MixpanelSource.model_validate(SETTINGS)
    lines.slow_view(con, "numbered", path, "ndjson", tmp_path)
    fast, slow = (
        con.execute(
            f"SELECT * EXCLUDE (line, record) FROM ({events_sql(rows, settings, exported_at=AT)}) ORDER BY ALL"
        ).fetchall()
        for rows in (fast_lines([path]), numbered_lines("numbered"))
    )
    assert fast == slow
    assert len(fast) == len(ODD)


def test_properties_that_differ_in_case_are_two(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Mixpanel tells `plan` from `Plan`; so do traits."""
    path = tmp_path / "export.ndjson"
    path.write_text(line(ODD[0]) + "\n")
    settings = MixpanelSource.model_validate(SETTINGS)
    query = f"SELECT user_traits FROM ({events_sql(fast_lines([path]), settings, exported_at=AT)})"
    assert con.execute(query).fetchall() == [('{"plan":"pro","other":"big"}',)]


@pytest.mark.parametrize("size", [1, 7, 40, 10_000])
def test_lines_are_picked_by_their_place_among_those_not_blank(tmp_path: Path, size: int) -> None:
    """Each has its number in the file, however the file comes in parts and whatever its last line ends with."""
    text = b"1\n2\n\n \t\r\n5\n6\r\n\r\n8\n\x0b\n" + b"".join(b"%d\n" % n for n in range(10, 100)) + b"100"
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    target = tmp_path / "numbered"
    assert lines.pick(chunks, [1, 3, 4, 5, 40, 96], target) == 96
    said = [json.loads(each) for each in target.read_text().splitlines()]
    assert [(one["line"], one["record"]) for one in said] == [(n, str(n)) for n in (1, 5, 6, 8, 44, 100)]


@pytest.mark.parametrize(
    "bad",
    [
        {3: "{broken"},
        {37: '{"event":"Timeless","properties":{"distinct_id":"ann"}}'},
        {1: "[]", 20: '{"event":"","properties":{}}', 21: "{", 40: "null"},
    ],
    ids=["no JSON", "no time", "several kinds"],
)
def test_only_what_is_bad_is_put_aside(reader: Any, loopback: Any, bad: dict[int, str]) -> None:
    """Every usable line around a bad one is in the lake, every bad one in quarantine under its number, none twice."""
    good = [line({"event": f"E{n}", "properties": {"$insert_id": str(n)}}) for n in range(1, 41)]
    text = "".join(bad.get(n, each) + "\n" for n, each in enumerate(good, start=1))
    loopback.script = lambda _: loopback.answer(gzip.compress(text.encode()), 200, {"Content-Encoding": "gzip"})
    connection = Connection("mixpanel_default", host=loopback.url, login="svc", password="x")
    done = reader.read(SETTINGS, connection=connection, now=AT)
    assert (done.report.read, done.report.published, done.report.quarantined) == (40, 40 - len(bad), len(bad))
    assert {event for (event,) in reader.events("event")} == {f"E{n}" for n in range(1, 41) if n not in bad}
    said = [json.loads(each) for each in reader.quarantined().splitlines()]
    assert [(int(one["where"].rpartition(":")[2]), one["record"]) for one in said] == sorted(bad.items())


def test_two_objects_in_one_line_are_one_bad_line(reader: Any, loopback: Any) -> None:
    """Where rows are not lines, all lines are numbered: each bad one has its own number, and nothing is lost."""
    good = [line({"event": f"E{n}", "properties": {"$insert_id": str(n)}}) for n in range(6)]
    texts = [good[0], good[1] + good[2], "", good[3], "{broken", good[4] + " x", good[5]]
    loopback.script = lambda _: loopback.answer("\n".join(texts).encode())
    connection = Connection("mixpanel_default", host=loopback.url, login="svc", password="x")
    done = reader.read(SETTINGS, connection=connection, now=AT)
    assert (done.report.read, done.report.published, done.report.quarantined) == (6, 3, 3)
    assert reader.events("event") == [("E0",), ("E3",), ("E5",)]
    said = [json.loads(each) for each in reader.quarantined().splitlines()]
    assert [(int(one["where"].rpartition(":")[2]), one["record"]) for one in said] == [
        (number, texts[number - 1]) for number in (2, 5, 6)
    ]


def test_a_cut_export_is_fetched_again(reader: Any, loopback: Any) -> None:
    """What ends in the middle of its gzip, or with Mixpanel's two words, is not published as far as it goes."""
    text = "".join(line({"event": "E", "properties": {"$insert_id": str(n)}}) + "\n" for n in range(500))
    whole = gzip.compress(text.encode())
    bodies = [whole[: len(whole) // 2], gzip.compress((text + "terminated early\n").encode()), whole]
    loopback.script = lambda _: loopback.answer(bodies.pop(0), 200, {"Content-Encoding": "gzip"})
    connection = Connection("mixpanel_default", host=loopback.url, login="svc", password="x")
    done = reader.read(SETTINGS, connection=connection, now=AT)
    assert (done.report.read, done.report.published, done.report.quarantined) == (500, 500, 0)
    assert bodies == []
