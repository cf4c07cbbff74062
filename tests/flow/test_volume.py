"""A source that suddenly brings far less or more than usual: alerts wait for a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from tests.flow.conftest import DAY, HABIT, HOUR, T0, days_before

CROWD = 120  # events a day that are usual


def crowd(story: Any, day: datetime, events: int = CROWD) -> None:
    """So many events of one busy automaton within the day."""
    story.happens("automaton", *(day + n * 23 * HOUR / events for n in range(events)), what="Beat")


@pytest.fixture
def busy(new_story: Any) -> Any:
    """Four usual weeks, and the baseline night after them."""
    made = new_story()
    for n in range(29):
        crowd(made, T0 - n * DAY)  # the day that begins at T0, too
    made.happens("old", *days_before(T0, 20, 19, 18))
    made.run("nightly", T0)
    return made


def test_alerts_are_held_while_a_source_brings_far_less_than_usual(busy: Any) -> None:
    """PRODUCT-S5: on a day with a fifth of the usual events who qualifies is held, and the result says why."""
    night = T0 + 2 * DAY
    crowd(busy, T0 + DAY, CROWD // 5)
    busy.happens("new", *days_before(night, 3, 2, 1))
    summary = busy.run("nightly", night)
    assert (summary["newly_qualified"], summary["announced"], summary["held"], summary["queued"]) == (1, 0, 2, 0)
    [why] = summary["held_because"]
    assert why.startswith("product brought 25 events in the 24 hours to 2026-03-04 00:00 UTC")
    assert why.endswith("it is about 120")
    busy.deliver()
    assert busy.told() == []


@pytest.mark.parametrize(("times", "held"), [(11, 2), (9, 0)])
def test_alerts_are_held_while_a_source_brings_far_more_than_usual(busy: Any, times: int, held: int) -> None:
    """PRODUCT-A6: everything sent over and over again is held; nine times as much is still a good day."""
    night = T0 + 2 * DAY
    crowd(busy, T0 + DAY, times * CROWD)
    busy.happens("new", *days_before(night, 3, 2, 1))
    summary = busy.run("nightly", night)
    assert (summary["newly_qualified"], summary["held"], summary["drops"]) == (1, held, {})
    assert list(summary["surges"]) == (["product"] if held else [])
    busy.deliver()
    assert bool(busy.told()) == (not held)


def test_a_surge_is_no_silence(busy: Any) -> None:
    """Whoever left while a source brought far too much did leave: absence can be told."""
    busy.define(HABIT + "leave: {after: 2d}\n")
    busy.happens("new", *days_before(T0 + DAY, 3, 2, 1))
    busy.run("nightly", T0 + DAY)
    for n in range(1, 8):
        crowd(busy, T0 + n * DAY)
    busy.run("nightly", T0 + 6 * DAY)  # no longer qualified
    crowd(busy, T0 + 8 * DAY, 11 * CROWD)
    summary = busy.run("nightly", T0 + 9 * DAY)
    assert list(summary["surges"]) == ["product"]
    assert summary["by_definition"]["habit"]["left"] == 1


def test_a_usual_day_holds_nothing(busy: Any) -> None:
    """PRODUCT-S5: half of the usual is within what days differ by."""
    night = T0 + 2 * DAY
    crowd(busy, T0 + DAY, CROWD // 2)
    busy.happens("new", *days_before(night, 3, 2, 1))
    summary = busy.run("nightly", night)
    assert (summary["held"], summary["held_because"], summary["drops"]) == (0, [], {})
    assert summary["announced"] == 1


def test_nobody_leaves_while_events_are_missing(busy: Any) -> None:
    """SEM-D2: what rests on absence is not decided after a day of which most is missing, and is after the next."""
    busy.define(HABIT + "leave: {after: 2d}\n")
    busy.happens("new", *days_before(T0 + DAY, 3, 2, 1))
    busy.run("nightly", T0 + DAY)
    for n in range(1, 8):
        crowd(busy, T0 + n * DAY)
    busy.run("nightly", T0 + 6 * DAY)  # no longer qualified
    crowd(busy, T0 + 8 * DAY, 5)
    assert list(busy.run("nightly", T0 + 9 * DAY)["drops"]) == ["product"]
    assert set(busy.episodes()) == {"user:new"}
    crowd(busy, T0 + 9 * DAY)
    assert busy.run("nightly", T0 + 10 * DAY)["by_definition"]["habit"]["left"] == 1


def test_a_source_that_came_to_an_end_is_no_drop(busy: Any) -> None:
    """An export that stopped days ago brings nothing: that is lateness, and holds nothing."""
    busy.happens("new", *days_before(T0 + 2 * DAY, 4, 3, 2))
    assert busy.run("nightly", T0 + 5 * DAY)["drops"] == {}


def test_each_result_says_how_fresh_its_sources_are(busy: Any) -> None:
    """PRODUCT-S5: newest event, age, late or not, and what the run read, how much of it new."""
    crowd(busy, T0 + DAY, 10)
    night = T0 + 2 * DAY
    [product] = busy.run("nightly", night)["sources"]
    assert product["source"] == "product"
    assert product["newest_event_at"] == (T0 + DAY + 9 * 23 * HOUR / 10).isoformat()
    assert product["age_s"] == (night - T0 - DAY - 9 * 23 * HOUR / 10).total_seconds()
    assert (product["late"], product["new"], product["duplicates"], product["quarantined"]) == (False, 10, 0, 0)
    again = busy.run("nightly", night)["sources"][0]
    assert (again["read"], again["new"]) == (0, 0)
