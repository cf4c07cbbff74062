"""Publishing events: files per day that reruns replace, that older exports do not, and that nobody sees half of."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import Any

import pytest

from pql.lake.event_files import EventFile, live
from pql.types import UserError

D1, D2, D3 = date(2024, 5, 1), date(2024, 5, 2), date(2024, 5, 3)


def test_what_a_publication_reports(room: Any) -> None:
    """It says how many rows it put in, whom they concern with the newest event of each, and the newest of all."""
    published = room.publish(
        room.event("2024-05-01 10:00"),
        room.event("2024-05-01 12:00", anonymous_id="dev"),
        room.event("2024-05-01 11:00", None, anonymous_id="other"),
    )
    assert (published.rows, published.skipped_older) == (3, False)
    assert published.newest_occurred_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert dict(published.raw_ids_with_newest) == {
        "user:ann": datetime(2024, 5, 1, 12, tzinfo=UTC),
        "anon:dev": datetime(2024, 5, 1, 12, tzinfo=UTC),
        "anon:other": datetime(2024, 5, 1, 11, tzinfo=UTC),
    }


def test_the_same_export_read_twice_changes_nothing(room: Any) -> None:
    """Reading an export again leaves every file as it was, byte for byte (PRODUCT-S4)."""
    rows = [room.event("2024-05-01 10:00"), room.event("2024-05-02 10:00")]
    room.publish(*rows)
    room.counts()
    before = room.files("events") | room.files("usage_daily")
    room.publish(*reversed(rows))
    room.counts()
    assert room.files("events") | room.files("usage_daily") == before


def test_redoing_a_unit_replaces_exactly_its_files(room: Any) -> None:
    """A unit's rerun replaces its own rows, forgets its days that are no longer there, and touches no other unit."""
    room.publish(room.event("2024-05-01 10:00"), room.event("2024-05-02 10:00"), unit="a")
    room.publish(room.event("2024-05-01 11:00"), unit="b")
    room.publish(room.event("2024-05-01 09:00"), room.event("2024-05-03 10:00"), unit="a")
    assert room.counts() == {D1: 2, D3: 1}
    assert not any("day=2024-05-02" in path for path in room.files("events"))


def test_vanished_rows_concern_their_users(room: Any) -> None:
    """A user whose events a rerun took away is reported too: there is something to look at again."""
    room.publish(room.event("2024-05-01 10:00", "old"))
    again = room.publish(room.event("2024-05-01 10:00", "new"))
    assert {key for key, _ in again.raw_ids_with_newest} == {"user:old", "user:new"}


@pytest.mark.parametrize("rows", [[], ["2024-05-02 10:00"]], ids=["an empty export", "other days"])
def test_an_older_export_never_replaces_a_newer_one(room: Any, rows: list[str]) -> None:
    """A late finishing older export leaves the newer one alone, even where the newer one found nothing."""
    room.publish(room.event("2024-05-01 10:00"), exported="2024-06-01")
    newer = [room.event(when) for when in rows]
    room.publish(*newer, exported="2024-06-03")
    late = room.publish(room.event("2024-05-01 10:00"), exported="2024-06-02")
    assert late.skipped_older
    assert room.counts() == {date.fromisoformat(when[:10]): 1 for when in rows}


def test_a_whole_day_replaces_what_other_units_exported_of_it_before(room: Any) -> None:
    """With `replaces_days` a unit stands for its days, and only for those that it covers wholly."""
    history = [room.event(f"2024-05-0{n} {hour}:00") for n in (1, 2, 3) for hour in (10, 20)]
    room.publish(*history, unit="history", start="2024-05-01", end="2024-05-04", replaces_days=True)
    room.publish(
        room.event("2024-05-02 11:00"),
        unit="again",
        start="2024-05-02",
        end="2024-05-03 12:00",
        exported="2024-06-02",
        replaces_days=True,
    )
    assert room.counts() == {D1: 2, D2: 1, D3: 2}


def test_a_whole_day_may_have_become_empty(room: Any) -> None:
    """A newer whole day without events empties the day; an older export does not bring it back."""
    room.publish(room.event("2024-05-01 10:00"), unit="a", exported="2024-06-01")
    room.publish(unit="b", exported="2024-06-03", replaces_days=True)
    late = room.publish(room.event("2024-05-01 10:00"), unit="c", exported="2024-06-02")
    assert late.skipped_older
    assert room.counts() == {}


def test_two_writers_at_once_cannot_undo_each_other() -> None:
    """Which files count depends on what they are, not on who wrote last: a late writer's older files are not read."""
    newer, older = datetime(2024, 6, 2), datetime(2024, 6, 1)  # noqa: DTZ001  # as stored: naive UTC
    whole = EventFile(D1, "app", "day", newer, "1" * 16, whole=True)
    left_behind = [
        EventFile(D1, "app", "day", older, "2" * 16, whole=True),
        EventFile(D1, "app", "hour", older, "3" * 16, whole=False),
    ]
    other = EventFile(D1, "web", "hour", older, "4" * 16, whole=False)
    assert live([whole, *left_behind, other]) == {D1: (whole, other)}
    assert live([other, *left_behind, whole]) == {D1: (whole, other)}


def test_days_are_local(make_room: Any) -> None:
    """An event belongs to its local date in the project's time zone (SEM-T1), also when the clocks change."""
    berlin = make_room(timezone="Europe/Berlin")
    berlin.publish(berlin.event("2024-03-30 22:59"), berlin.event("2024-03-30 23:00"), berlin.event("2024-03-31 22:00"))
    assert berlin.counts() == {date(2024, 3, 30): 1, date(2024, 3, 31): 1, date(2024, 4, 1): 1}


def test_a_lake_keeps_its_time_zone(room: Any, make_room: Any) -> None:
    """Opening a filled lake under another time zone is refused, with what to do (SEM-T1)."""
    room.publish(room.event("2024-05-01 10:00"))
    elsewhere = make_room("lake", timezone="Asia/Tokyo")
    with pytest.raises(UserError, match=r"time zone UTC, the settings now say Asia/Tokyo"):
        elsewhere.prepare()


def test_rows_that_cannot_be_events_are_refused(room: Any) -> None:
    """Rows without an actor or with broken properties are an error of the source, not a silent loss."""
    broken = room.event("2024-05-01 10:00", properties={}) | {"properties": "{oops"}
    with pytest.raises(ValueError, match="1 rows without id, name, time or actor and 1 whose properties are not JSON"):
        room.publish(room.event("2024-05-01 10:00", None), broken)
    assert room.files("events") == {}


def test_a_crash_while_publishing_shows_no_half_day(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a publication dies, each day is either as before or new; doing it again completes it."""
    room.publish(room.event("2024-05-01 10:00"), room.event("2024-05-02 10:00"))
    replace, done = os.replace, []

    def dies_after_one(source: str, target: str) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    newer = [room.event(f"2024-05-0{n} {hour}:00") for n in (1, 2) for hour in (10, 11, 12)]
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", dies_after_one)
        with pytest.raises(KeyboardInterrupt):
            room.publish(*newer, exported="2024-06-02")
    assert sorted(room.counts().values()) == [1, 3]
    room.publish(*newer, exported="2024-06-02")
    assert room.counts() == {D1: 3, D2: 3}


def test_names_of_units_may_hold_anything(room: Any) -> None:
    """A unit or source named with slashes, colons or at signs keeps its files apart from others'."""
    room.publish(room.event("2024-05-01 10:00"), source="a@b/c", unit="2024-05-01T10:00/é*")
    room.publish(room.event("2024-05-01 11:00"), source="a@b/c", unit="2024-05-01T10:00/é*", exported="2024-06-02")
    assert room.counts() == {D1: 1}


def test_the_lake_may_lie_anywhere(make_room: Any) -> None:
    """A folder whose name looks like a pattern is a folder."""
    room = make_room("it's [a] *lake?")
    room.publish(room.event("2024-05-01 10:00"))
    assert room.counts() == {D1: 1}


def test_an_object_store_serves_as_a_local_folder_does(make_room: Any) -> None:
    """Everything works on an fsspec store, here memory://, without DuckDB's own httpfs."""
    room = make_room("memory://lake-of-test-publish")
    room.publish(room.event("2024-05-01 10:00"), room.event("2024-05-02 10:00"))
    room.publish(room.event("2024-05-01 10:00"), room.event("2024-05-02 11:00"), exported="2024-06-02")
    room.file("snapshot", "2024-05-01", {"id": "A"})
    assert room.counts(cuts=["2024-05-01 12:00"]) == {D1: 1, D2: 1}
    assert room.rows("SELECT id FROM crm_accounts WHERE NOT backdated") == [("A",)]
    assert room.lake.newest(room.con) == datetime(2024, 5, 2, 11, tzinfo=UTC)
