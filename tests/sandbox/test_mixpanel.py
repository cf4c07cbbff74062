"""The simulated Mixpanel export answers as Mixpanel does."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import requests

from pql.sandbox import Server

DAY = {"from_date": "2026-11-17", "to_date": "2026-11-17"}
TUESDAY = 1_794_873_600  # the first second of 2026-11-17
TODAY = {"from_date": "2026-11-18", "to_date": "2026-11-18"}


def export(server: Server, auth: tuple[str, str] = ("sandbox", "sandbox"), **params: Any) -> requests.Response:
    query = {"project_id": "3141592", **params}
    return requests.get(f"{server.url}/mixpanel/api/2.0/export", params=query, auth=auth, timeout=60)


def rows(answer: requests.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_an_export_is_one_event_a_line(sandbox: Server) -> None:
    """Each line has an event and properties with time in seconds, distinct_id and $insert_id, all of that UTC day."""
    found = rows(export(sandbox, **DAY))
    assert len(found) > 1_000
    for row in found:
        assert {"time", "distinct_id", "$insert_id", "mp_processing_time_ms"} <= set(row["properties"])
        assert 0 <= row["properties"]["time"] - TUESDAY < 86_400


def test_the_export_is_zipped_when_asked_for(sandbox: Server) -> None:
    """With Accept-Encoding: gzip the raw bytes are a gzip stream of the same lines."""
    plain = requests.get(
        f"{sandbox.url}/mixpanel/api/2.0/export",
        params={"project_id": "1", **DAY},
        auth=("sandbox", "sandbox"),
        headers={"Accept-Encoding": "identity"},
        timeout=60,
    )
    zipped = requests.get(
        f"{sandbox.url}/mixpanel/api/2.0/export",
        params={"project_id": "1", **DAY},
        auth=("sandbox", "sandbox"),
        headers={"Accept-Encoding": "gzip"},
        timeout=60,
        stream=True,
    )
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(zipped.raw.read(decode_content=False)) == plain.content


def test_nothing_of_the_future_is_exported_and_late_events_come_later(sandbox: Server, clock: Any) -> None:
    """At 14:30 the export holds what had arrived by then; hours later the past has only gained, by late arrivals."""
    now = clock.at.timestamp()
    before = rows(export(sandbox, **TODAY))
    assert max(row["properties"]["mp_processing_time_ms"] for row in before) <= now * 1000
    clock.pass_(hours=9)
    after = [row for row in rows(export(sandbox, **TODAY)) if row["properties"]["time"] < now - 3600]
    earlier = [row for row in before if row["properties"]["time"] < now - 3600]
    missing = [row for row in earlier if row not in after]
    assert missing == []
    assert len(after) > len(earlier)


def test_events_can_be_chosen_by_name_and_number(sandbox: Server) -> None:
    """`event` is a JSON array of names, `limit` a number, `time_in_ms` the unit of time."""
    found = rows(export(sandbox, **DAY, event='["Signed Up"]', limit=3, time_in_ms="true"))
    assert [row["event"] for row in found] == ["Signed Up"] * 3
    assert all(row["properties"]["time"] > 10**12 for row in found)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"from_date": "2026-11-18", "to_date": "2026-11-19"}, "to_date cannot be later than today"),
        ({"from_date": "2026-11-18", "to_date": "2026-11-17"}, "from_date cannot be later than to_date"),
        ({"from_date": "18.11.2026", "to_date": "2026-11-18"}, "Invalid from_date"),
        ({"from_date": "2026-11-18"}, "to_date is a required parameter"),
        ({**DAY, "project_id": ""}, "project_id is a required parameter"),
        ({**DAY, "limit": "0"}, "limit must be"),
        ({**DAY, "event": "Signed Up"}, "event must be a JSON array"),
    ],
)
def test_a_wrong_question_is_answered_with_400_and_a_reason(sandbox: Server, params: dict[str, str], says: str) -> None:
    """Mixpanel's errors are JSON with `error`."""
    answer = export(sandbox, **params)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_a_stranger_is_turned_away(sandbox: Server) -> None:
    """A wrong secret gets 401 and not one event."""
    answer = export(sandbox, ("sandbox", "wrong"), **DAY)
    assert answer.status_code == 401
    assert "credentials" in answer.json()["error"]


def test_three_exports_a_second_are_the_limit(strict: Server) -> None:
    """Calls in quick succession soon get 429 with Retry-After; the limit counts before the question is looked at."""
    answers = [export(strict, from_date="nonsense") for _ in range(50)]
    assert [answer.status_code for answer in answers[:3]] == [400] * 3
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
