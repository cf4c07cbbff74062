"""Daily usage: built where missing or changed, nothing else; each event once; sessions whole over midnight."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from pql.definition.model import EventMatch, Where
from pql.usage import Need

D1, D2, D3 = date(2024, 5, 1), date(2024, 5, 2), date(2024, 5, 3)
LOGIN = EventMatch(("login",))
VALUED = EventMatch(("login",), value="minutes")


def _index(room: Any, need: Need) -> dict[str, list[str]]:
    content = (room.root / f"usage_daily/match={need.key}/index.json").read_bytes()
    days: dict[str, list[str]] = json.loads(content)["days"]
    return days


def test_a_row_of_usage(room: Any) -> None:
    """One row per day, user, hint and event: its count, exact value sum and number, first and last time."""
    for_org = {"account_hint": "org1", "properties": {"minutes": 0.1}}
    room.publish(
        *(room.event(f"2024-05-01 1{n}:00", **for_org) for n in range(3)),
        room.event("2024-05-01 18:00", account_hint="org1", properties={"minutes": "soon"}),
        room.event("2024-05-01 19:00"),
        room.event("2024-05-01 20:00", None, anonymous_id="dev"),
    )
    room.prepare(Need((VALUED,)))
    assert room.rows(
        "SELECT raw_id, account_hint, item, count, value_sum::VARCHAR, value_n, hour(first_at), hour(last_at) "
        "FROM usage ORDER BY ALL"
    ) == [
        ("ann", "org1", None, 4, "0.300000", 3, 10, 18),
        ("ann", None, None, 1, None, 0, 19, 19),
        ("anon:dev", None, None, 1, None, 0, 20, 20),
    ]


def test_one_row_per_value_where_distinct_needs_it(room: Any) -> None:
    """For `distinct` of a property the table has a row for each value, and one for events without it (SEM-M3)."""
    tools = [{"tool": "jira"}, {"tool": "jira"}, {"tool": "git.hub"}, {}]
    room.publish(*(room.event(f"2024-05-01 1{n}:00", properties=tool) for n, tool in enumerate(tools)))
    room.prepare(Need((LOGIN,), item="tool"))
    assert room.rows("SELECT item, count FROM usage ORDER BY ALL") == [("git.hub", 1), ("jira", 2), (None, 1)]


def test_only_changed_days_are_built_again(room: Any) -> None:
    """A late event has its own day built again and no other; a new event is built for all, the rest stays (SEM-M3)."""
    plain, other = Need((LOGIN,)), Need((EventMatch(("login",), (Where("a", "in", ("x",)),)),))
    for n in (1, 2, 3):
        room.publish(room.event(f"2024-05-0{n} 10:00"), unit=str(n))
    room.counts(plain)
    before = _index(room, plain)
    room.publish(room.event("2024-05-02 10:00"), room.event("2024-05-02 11:00"), unit="2", exported="2024-06-02")
    assert room.counts(plain) == {D1: 1, D2: 2, D3: 1}
    after = _index(room, plain)
    assert [day for day in after if after[day] != before[day]] == ["2024-05-02"]
    room.counts(plain, other)
    assert _index(room, plain) == after
    assert len(_index(room, other)) == 3


def test_many_builds_stay_few_parts(room: Any) -> None:
    """Parts are merged as they become many, and what is read stays the same."""
    for n in range(1, 13):
        room.publish(room.event(f"2024-05-{n:02} 10:00"), unit=str(n))
        counts = room.counts()
    assert counts == {date(2024, 5, n): 1 for n in range(1, 13)}
    assert len({part for _, part in _index(room, Need((LOGIN,))).values()}) <= 8


def test_runs_may_prepare_the_same_lake_at_once(room: Any, make_room: Any) -> None:
    """Several tasks preparing beside each other, and a publication among them, end with the same usage for all."""
    for n in range(1, 6):
        room.publish(room.event(f"2024-05-0{n} 10:00"), unit=str(n))
    others = [make_room("lake") for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        counted = [pool.submit(other.counts) for other in others]
        room.publish(room.event("2024-05-03 10:00"), room.event("2024-05-03 11:00"), unit="3", exported="2024-06-02")
        assert all(sum(result.result().values()) in (5, 6) for result in counted)
    expected = {date(2024, 5, n): 1 + (n == 3) for n in range(1, 6)}
    assert [other.counts() for other in others] == [expected] * 3


def test_parts_out_of_use_go_after_a_while(room: Any) -> None:
    """A part that no day is read from stays for those still reading it, and goes with a later build."""
    folder = room.root / f"usage_daily/match={Need((LOGIN,)).key}"

    def build(exported: str, *hours: int) -> set[str]:
        room.publish(*(room.event(f"2024-05-01 {hour}:00") for hour in hours), exported=exported)
        room.counts()
        return {path.name for path in folder.glob("*.parquet")}

    first = build("2024-06-01", 10)
    assert build("2024-06-02", 10, 11) > first
    for path in folder.glob("*.parquet"):
        os.utime(path, (0, 0))
    index = json.loads((folder / "index.json").read_bytes())
    index["retired"] = dict.fromkeys(index["retired"], "1970-01-01T00:00:00+00:00")
    (folder / "index.json").write_text(json.dumps(index))
    assert not first & build("2024-06-03", 10, 11, 12)


def test_an_event_in_several_files_counts_once(room: Any) -> None:
    """A late re-export that repeats an event adds nothing; the same id from another source is another event."""
    room.publish(room.event("2024-05-01 10:00"), unit="a")
    room.publish(room.event("2024-05-01 10:00"), room.event("2024-05-01 11:00"), unit="b")
    room.publish(room.event("2024-05-01 10:00"), source="other")
    assert room.counts() == {D1: 3}


def test_the_newest_export_of_a_repeated_event_counts(room: Any) -> None:
    """Where copies of an event differ, the newest export is right, in whatever order they were published."""
    for unit, exported, minutes in (("b", "2024-06-02", 5), ("a", "2024-06-01", 3)):
        room.publish(room.event("2024-05-01 10:00", properties={"minutes": minutes}), unit=unit, exported=exported)
    room.prepare(Need((VALUED,)))
    assert room.rows("SELECT count, value_sum::INTEGER FROM usage") == [(1, 5)]


def test_a_repeated_event_in_one_export_counts_once(room: Any) -> None:
    """Duplicates inside one export are dropped when it is published (PRODUCT-S4)."""
    published = room.publish(room.event("2024-05-01 10:00"), room.event("2024-05-01 10:00"))
    assert published.rows == 1
    assert room.counts() == {D1: 1}


def test_events_may_be_published_in_any_order(make_room: Any) -> None:
    """The views say the same whether units came in order with builds between, or backwards at once."""
    units = [
        [("2024-05-01 23:50", "ann"), ("2024-05-02 00:10", "ann")],
        [("2024-05-01 10:00", "bob"), ("2024-05-02 00:10", "ann")],
        [("2024-05-02 00:20", "ann"), ("2024-05-03 12:00", "bob")],
    ]
    needs = (Need((LOGIN,)), Need((LOGIN,), sessions=True))
    seen = []
    for name, order in (("forwards", units), ("backwards", units[::-1])):
        room = make_room(name)
        for rows in order:
            room.publish(*(room.event(*row) for row in rows), unit=str(units.index(rows)))
            if name == "forwards":
                room.prepare(*needs)
        room.prepare(*needs)
        seen.append(
            [room.rows(f"SELECT * FROM {view} ORDER BY ALL") for view in ("usage", "presence", "links", "traits")]
        )
    assert seen[0] == seen[1]


def test_a_session_over_midnight_is_one(room: Any) -> None:
    """A session belongs to its first day, and its minutes to the day that has shown them (SEM-M3, SEM-T2)."""
    times = ("2024-05-01 23:40", "2024-05-01 23:55", "2024-05-02 00:20", "2024-05-02 00:50", "2024-05-02 09:00")
    room.publish(*(room.event(when) for when in times))
    room.prepare(Need((LOGIN,), sessions=True))
    assert room.rows("SELECT day, sessions, minutes FROM usage ORDER BY day") == [(D1, 1, 15.0), (D2, 2, 25.0)]


def test_a_late_event_before_midnight_joins_the_sessions(room: Any) -> None:
    """A day is cut again when the evening before it changed."""
    need = Need((LOGIN,), sessions=True)
    room.publish(room.event("2024-05-02 00:10"), unit="b")
    room.prepare(need)
    assert room.rows("SELECT day, sessions FROM usage") == [(D2, 1)]
    room.publish(room.event("2024-05-01 23:50"), unit="a")
    room.prepare(need)
    assert room.rows("SELECT day, sessions, minutes FROM usage ORDER BY day") == [(D1, 1, 0.0), (D2, 0, 20.0)]


def test_sessions_are_cut_over_all_the_events_together(room: Any) -> None:
    """Two named events ten minutes apart are one session, and another user's is another."""
    room.publish(
        room.event("2024-05-01 10:00"),
        room.event("2024-05-01 10:10", name="search"),
        room.event("2024-05-01 10:05", "bob"),
    )
    room.prepare(Need((LOGIN, EventMatch(("search",))), sessions=True))
    assert room.rows("SELECT raw_id, count, sessions, minutes FROM usage ORDER BY ALL") == [
        ("ann", 2, 1, 10.0),
        ("bob", 1, 1, 0.0),
    ]


@pytest.mark.parametrize("timezone", ["UTC", "America/New_York"])
def test_presence_has_every_source_event(make_room: Any, timezone: str) -> None:
    """Presence tells who was there when, whatever the event's name, per hint, with the newest reading time."""
    room = make_room(timezone=timezone)
    room.publish(
        room.event("2024-05-01 12:00", ingested_at="2024-05-03 01:00"),
        room.event("2024-05-01 13:00", name="unheard of", account_hint="org1"),
        room.event("2024-05-01 14:00", name="unheard of"),
    )
    room.prepare()
    assert room.rows(
        "SELECT day, seg, raw_id, account_hint, hour(first_at), hour(last_at), events, day(newest_ingested_at) "
        "FROM presence ORDER BY ALL"
    ) == [(D1, 0, "ann", "org1", 13, 13, 1, 1), (D1, 0, "ann", None, 12, 14, 2, 3)]
