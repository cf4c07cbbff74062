"""How far back the lake reaches, what goes and what stays, and what was put aside."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pql.definition.model import EventMatch
from pql.lake import parts
from pql.lake.daily_tables import usage_tables
from pql.lake.event_files import live, stored
from pql.lake.events_view import show_events, staged_events
from pql.lake.storage import Storage
from pql.types import Quarantined
from pql.usage import Need

LOGIN = Need((EventMatch(("login",)),))
SESSIONS = Need((EventMatch(("login",)),), sessions=True)


def test_an_empty_lake_has_no_history(room: Any) -> None:
    """Nothing was ever read: no start, nothing newest, and all views are there and empty."""
    assert (room.lake.history_start(room.con), room.lake.newest(room.con)) == (None, None)
    room.prepare(cuts=["2024-05-01 10:00"])
    views = ["usage", "presence", "links", "traits"] + [
        f"crm_{name}" for name in ("accounts", "contacts", "owners", "deals", "meetings")
    ]
    assert [room.rows(f"SELECT count(*) FROM {view}") for view in views] == [[(0,)]] * len(views)


def test_where_history_starts_and_ends(room: Any) -> None:
    """History starts on the first local day with an event and goes up to the newest event (SEM-T5)."""
    room.publish(room.event("2024-05-01 10:00"), room.event("2024-05-03 11:00"), room.event("2024-05-03 12:00"))
    assert room.lake.history_start(room.con) == date(2024, 5, 1)
    assert room.lake.newest(room.con) == datetime(2024, 5, 3, 12, tzinfo=UTC)


def test_raw_events_go_and_daily_usage_stays(room: Any) -> None:
    """Events more than the retention older than their source's newest go; their usage is kept for ever (SEM-T5)."""
    times = ("2023-01-01 10:00", "2023-01-02 23:50", "2023-01-03 00:10", "2024-02-06 10:00", "2024-02-07 10:00")
    room.publish(*(room.event(when, anonymous_id="dev", user_traits={"n": when}) for when in times))
    views = {view: f"SELECT * FROM {view} ORDER BY ALL" for view in ("usage", "presence", "links", "traits")}
    room.prepare(LOGIN, SESSIONS)
    before = {view: room.rows(query) for view, query in views.items()}
    assert room.lake.prune(room.con, retention_days=400, needs=[LOGIN, SESSIONS]) == 2
    assert [path[7:21] for path in room.files("events")] == ["day=2023-01-03", "day=2024-02-06", "day=2024-02-07"]
    room.prepare(LOGIN, SESSIONS)
    assert {view: room.rows(query) for view, query in views.items()} == before
    assert room.lake.history_start(room.con) == date(2023, 1, 1)
    assert room.lake.prune(room.con, retention_days=400, needs=[LOGIN]) == 0


def test_pruning_builds_first_what_was_never_asked_for(room: Any) -> None:
    """Usage that no run had needed yet is built before its events go (SEM-T5, SEM-M3)."""
    room.publish(room.event("2023-01-01 10:00"), room.event("2024-05-01 10:00"))
    assert room.lake.prune(room.con, retention_days=400, needs=[LOGIN]) == 0
    assert room.lake.prune(room.con, retention_days=400, needs=[LOGIN]) == 1
    assert room.counts(LOGIN) == {date(2023, 1, 1): 1, date(2024, 5, 1): 1}


def test_a_run_under_way_cannot_lose_what_was_pruned(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEM-T5: while a run builds, older history comes in, is built by another and pruned; the run's index keeps it."""
    room.publish(room.event("2024-05-01 10:00"))
    write, pruned = parts._write, []

    def pruning_meanwhile(*given: Any) -> tuple[str, int]:
        if not pruned:
            pruned.append(0)
            other = type(room)(str(room.root))
            other.publish(other.event("2023-01-01 10:00"), unit="older")
            pruned.extend(other.lake.prune(other.con, retention_days=400, needs=[LOGIN]) for _ in range(2))
            other.con.close()
        return write(*given)

    monkeypatch.setattr(parts, "_write", pruning_meanwhile)
    room.counts(LOGIN)
    assert pruned == [0, 0, 1]
    assert room.counts(LOGIN) == {date(2023, 1, 1): 1, date(2024, 5, 1): 1}


def test_two_builds_at_once_both_count(room: Any) -> None:
    """What another run added to the index since ours read it stays in it (SEM-M3, T5)."""
    storage = Storage(str(room.root))
    [table] = usage_tables([LOGIN])
    room.publish(room.event("2024-05-01 10:00"), room.event("2024-05-02 10:00"))
    files = live(stored(storage))
    for day in files:
        with staged_events(room.con, storage, files, {day}, tail=False, cuts={}):
            show_events(room.con, tail=False)
            parts.add_days(storage, room.con, table, {day: "as it is"})
    assert sorted(parts.read_index(storage, table).days) == [date(2024, 5, 1), date(2024, 5, 2)]


def test_history_loaded_after_pruning_counts(room: Any) -> None:
    """Older history that is connected later has its usage built, though events of its age are not kept (SEM-T5)."""
    room.publish(room.event("2023-01-01 10:00"), room.event("2024-05-01 10:00"))
    room.prepare()
    assert room.lake.prune(room.con, retention_days=400, needs=[LOGIN]) == 1
    room.publish(room.event("2022-06-01 10:00"), unit="older")
    assert room.counts(LOGIN) == {date(2022, 6, 1): 1, date(2023, 1, 1): 1, date(2024, 5, 1): 1}


def test_a_day_with_events_to_keep_is_kept_whole(room: Any) -> None:
    """A source that ended long ago keeps its own last days, and with them the day's other files (SEM-T5)."""
    room.publish(room.event("2023-01-01 10:00"), room.event("2024-05-01 10:00"))
    room.publish(room.event("2023-01-01 11:00"), source="ended")
    room.prepare()
    assert room.lake.prune(room.con, retention_days=400, needs=[LOGIN]) == 0


def test_quarantine_says_where_and_why(room: Any) -> None:
    """What could not be used is put aside a line each; a rerun's quarantine replaces it, and may empty it."""
    record = Quarantined("events.json:17", "no time", '{"event": "é"}')
    path = Path(room.lake.quarantine("app", "2024-05-01T10:00", [record, record]))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"where": "events.json:17", "why": "no time", "record": '{"event": "é"}'}] * 2
    room.lake.quarantine("app", "2024-05-01T10:00", [])
    assert not path.exists()
