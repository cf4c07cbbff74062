"""Intraday moments: the day they fall into is taken from its events, in segments between them."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pql.definition.model import EventMatch
from pql.usage import Need

D1, D2 = date(2024, 5, 1), date(2024, 5, 2)
LOGIN = EventMatch(("login",))


def test_a_day_is_cut_into_segments(room: Any) -> None:
    """An event at the very moment comes after it: only what is before T counts (SEM-T2)."""
    room.publish(*(room.event(f"2024-05-01 {hour}:00") for hour in (9, 10, 11, 15)), room.event("2024-05-02 10:00"))
    room.prepare(cuts=["2024-05-01 10:00", "2024-05-01 12:00"])
    found = "SELECT day, seg, count, hour(first_at), hour(last_at) FROM usage ORDER BY ALL"
    assert room.rows(found) == [(D1, 0, 1, 9, 9), (D1, 1, 2, 10, 11), (D1, 2, 1, 15, 15), (D2, 0, 1, 10, 10)]
    assert room.rows("SELECT day, seg, events FROM presence ORDER BY ALL") == [
        (D1, 0, 1),
        (D1, 1, 2),
        (D1, 2, 1),
        (D2, 0, 1),
    ]


def test_local_midnight_cuts_nothing(make_room: Any) -> None:
    """A nightly moment at local midnight finds whole days."""
    room = make_room(timezone="Europe/Berlin")
    room.publish(room.event("2024-05-01 21:59"), room.event("2024-05-01 22:00"))
    room.prepare(cuts=["2024-05-01 22:00"])
    assert room.rows("SELECT day, seg, count FROM usage ORDER BY ALL") == [(D1, 0, 1), (D2, 0, 1)]


def test_a_cut_day_is_not_stored(room: Any) -> None:
    """The unfinished day is read from its events each time; once it is whole it is stored."""
    room.publish(room.event("2024-05-01 09:00"))
    room.prepare(cuts=["2024-05-01 10:00"])
    assert not list((room.root / "usage_daily").rglob("*.parquet"))
    assert room.counts() == {D1: 1}
    room.publish(room.event("2024-05-01 09:00"), room.event("2024-05-01 09:30"), exported="2024-06-02")
    assert room.counts(cuts=["2024-05-01 10:00"]) == {D1: 2}


def test_a_session_belongs_to_its_first_segment(room: Any) -> None:
    """A session running at T is counted before T; minutes after T come after T (SEM-T2, SEM-M3)."""
    room.publish(*(room.event(f"2024-05-0{when}") for when in ("1 23:50", "2 00:10", "2 00:30", "2 02:00")))
    room.prepare(Need((LOGIN,), sessions=True), cuts=["2024-05-02 00:20"])
    assert room.rows("SELECT day, seg, sessions, minutes FROM usage ORDER BY ALL") == [
        (D1, 0, 1, 0.0),
        (D2, 0, 0, 20.0),
        (D2, 1, 1, 20.0),
    ]


minutes = st.integers(0, 3 * 24 * 60 - 1)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(minutes, min_size=1, max_size=8, unique=True), cuts=st.sets(minutes, max_size=3))
def test_the_past_does_not_depend_on_what_came_after(make_room: Any, events: list[int], cuts: set[int]) -> None:
    """What counts before each moment is the same with and without the events after it (SEM-T2)."""
    room = make_room(uuid.uuid4().hex)
    need = Need((LOGIN,), sessions=True)

    def when(minute: int) -> str:
        return f"2024-05-0{1 + minute // 1440} {minute // 60 % 24:02}:{minute % 60:02}"

    def before(cut: int, others: set[int]) -> tuple[Any, ...]:
        room.prepare(need, cuts=[when(other) for other in others])
        seg = sorted(o for o in others if o // 1440 == cut // 1440 and o % 1440).index(cut) if cut % 1440 else -1
        day = f"DATE '{when(cut)[:10]}'"
        return tuple(
            room.rows(
                "SELECT sum(count)::INT, sum(sessions)::INT, round(sum(minutes)), max(last_at) FROM usage "
                f"WHERE day < {day} OR (day = {day} AND seg <= {seg})"
            )[0]
        )

    room.publish(*(room.event(when(minute)) for minute in events))
    together = {cut: before(cut, cuts) for cut in cuts}
    for cut in cuts:
        earlier = [minute for minute in events if minute < cut]
        room.publish(*(room.event(when(minute)) for minute in earlier))
        alone = before(cut, {cut})
        assert alone[:3] == together[cut][:3] == ((len(earlier), *alone[1:3]) if earlier else (None, None, None))
