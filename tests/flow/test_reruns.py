"""Runs done again, late, or in another order: the same snapshots, and nobody is told twice."""

from __future__ import annotations

import pytest
from tests.flow.conftest import DAY, HOUR, T0, another, days_before, same

from pql import pipeline

MORNING = T0 + DAY + 9 * HOUR


def test_an_hour_done_three_times_is_one_hour(story):
    """SEM-D1, D2: a rerun evaluates the accounts of its own snapshot again and finds their episodes open."""
    story.happens("ada", *days_before(T0 + DAY, 3, 2))
    story.run("nightly", T0 + DAY)
    story.happens("ada", T0 + DAY + 8 * HOUR, file="new")
    snapshots, delivered = [], []
    for _ in range(3):
        story.run("hourly", MORNING)
        snapshots.append(story.snapshot("hourly", MORNING))
        delivered.append(story.deliver())
        story.now += 10 * HOUR / 60
    same(snapshots)
    assert list(snapshots[0]["subject_key"]) == ["user:ada"]
    assert delivered == [{"delivered": 2}, {}, {}]
    assert story.told() == ["ada"]
    assert story.effects() == {"slack": 1, "webhook": 1}


def test_a_night_done_three_times_is_one_night(story):
    """SEM-D2, D3: the baseline stays silent however often it runs, the night after announces once."""
    story.happens("ada", *days_before(T0 + DAY, 3, 2, 1))
    story.happens("known", *days_before(T0, 3, 2, 1))
    for night in (T0, T0 + DAY):
        snapshots = []
        for _ in range(3):
            story.run("nightly", night)
            snapshots.append(story.snapshot("nightly", night))
            story.deliver()
        same(snapshots)
        assert list(snapshots[0]["subject_key"]) == ["user:ada", "user:known", "user:old"]
    assert story.episodes() == {"user:known": "baseline", "user:ada": None}
    assert story.told() == ["ada"]


def test_the_nights_of_a_week_backwards_are_the_same_nights(new_story):
    """SEM-T2, A1: a snapshot rests on the events before its moment and on nothing that was computed before."""
    nights = [T0 + n * DAY for n in range(7)]
    weeks = []
    for name, order in (("forwards", nights), ("backwards", nights[::-1])):
        story = new_story(name)
        story.happens("old", *days_before(T0, 20, 19, 18))
        for number, user in enumerate(("ada", "bob", "cyd", "dan")):
            story.happens(user, *(T0 + (number + n) * DAY + (7 + 3 * n) * HOUR for n in range(3)))
        story.now = nights[-1]
        for night in order:
            story.run("nightly", night)
        weeks.append([story.snapshot("nightly", night) for night in nights])
        story.deliver()
    for forwards, backwards in zip(*weeks, strict=True):
        same([forwards, backwards])
    assert [len(frame) for frame in weeks[0]] == [1, 2, 3, 4, 5, 5, 5]


def test_a_failed_hour_done_after_its_successor_announces_what_it_should_once(story, monkeypatch):
    """SEM-D1, D2: what the failed hour saw stays marked, the next hour announces it, the rerun adds nothing."""
    story.happens("ada", *days_before(T0 + DAY, 3, 2))
    story.happens("bob", *days_before(T0 + DAY, 2, 1))
    story.run("nightly", T0 + DAY)
    story.happens("ada", MORNING - HOUR / 2, file="nine")
    before = story.ledger("sources", "dirty_marks", "counters")
    with monkeypatch.context() as crash:
        crash.setattr("pql.outbox.enqueue", _crash)
        with pytest.raises(RuntimeError):
            story.run("hourly", MORNING)
    assert story.ledger("sources", "dirty_marks", "counters") == before
    story.happens("bob", MORNING + HOUR / 2, file="ten")
    assert story.run("hourly", MORNING + HOUR)["announced"] == 2
    story.deliver()
    assert story.run("hourly", MORNING)["announced"] == 0
    story.deliver()
    assert story.told() == ["ada", "bob"]


def _crash(*_: object, **__: object) -> None:
    raise RuntimeError("the machine goes down in the deciding transaction")


def test_an_hour_that_was_skipped_announces_whom_its_successor_could_not(story):
    """SEM-D1: an hour that never ran is done after its successor, of which some source knew nothing yet."""
    story.happens("ada", *days_before(T0 + DAY, 3, 2))
    story.run("nightly", T0 + DAY)
    story.run("hourly", MORNING + HOUR)
    story.happens("ada", MORNING - HOUR / 2, file="nine")
    assert story.run("hourly", MORNING)["announced"] == 1
    assert story.run("hourly", MORNING + HOUR)["announced"] == 0
    story.deliver()
    assert story.told() == ["ada"]


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (2, 0, 1, 2, 1)])
def test_hours_in_any_order_tell_everybody_once(story, order):
    """SEM-D1, D2: after the baseline, any order of the hours and a night at the newest moment end alike."""
    for number, user in enumerate(("ada", "bob", "cyd")):
        story.happens(user, *days_before(T0 + DAY, 3, 2), MORNING + (number - 1) * HOUR + HOUR / 2)
    story.run("nightly", T0 + DAY)
    story.now = MORNING + 2 * HOUR
    for hour in order:
        story.run("hourly", MORNING + hour * HOUR)
    story.run("nightly", MORNING + 2 * HOUR)
    story.deliver()
    assert story.episodes() == {"user:ada": None, "user:bob": None, "user:cyd": None}
    assert story.told() == ["ada", "bob", "cyd"]


def test_what_comes_while_a_run_is_under_way_waits_for_the_next(story):
    """SEM-D1: a mark made after the evaluation began reading is not cleared by it."""
    story.happens("ada", *days_before(T0 + DAY, 3, 2))
    story.run("nightly", T0 + DAY)
    story.now = MORNING
    moment = {"as_of": MORNING, "now": MORNING, "kind": "hourly"}
    project = story.open()
    evaluated = pipeline.evaluate(project, "habit", **moment)
    story.happens("ada", MORNING - HOUR / 2, file="meanwhile")
    pipeline.ingest(project, "product", **moment)
    assert pipeline.decide(project, [evaluated], **moment)["announced"] == 0
    project.close()
    assert story.run("hourly", MORNING + HOUR)["announced"] == 1


def test_events_after_the_moment_wait_for_theirs(story):
    """SEM-T2, D1: a run looks at nothing that happened at its moment or later, and leaves the mark of it."""
    story.happens("ada", *days_before(T0 + DAY, 3, 2))
    story.run("nightly", T0 + DAY)
    story.happens("ada", MORNING)
    story.now = MORNING + HOUR / 2
    assert story.run("hourly", MORNING)["announced"] == 0
    assert story.run("hourly", MORNING + HOUR)["announced"] == 1


def test_the_same_export_read_again_changes_nothing(story):
    """SEM-D1: an export written again with the same lines and more of them counts each event once (PRODUCT-S4)."""
    story.happens("ada", *days_before(T0 + DAY, 2, 1))
    story.run("nightly", T0 + DAY)
    export = story.folder / "events" / "day.ndjson"
    export.with_name("again.ndjson").write_text(export.read_text() * 2)
    story.run("hourly", MORNING)
    frame = story.snapshot("hourly", MORNING)
    assert frame.set_index("subject_key").loc["user:ada", "signal.days"] == 2
    assert story.episodes() == {}


def test_a_backfill_leaves_the_ledger_as_it_is(story):
    """SEM-D6, D7: nights older than the horizon write snapshots, report whom they would have announced, and that is
    all: every table of the ledger is the same, row for row."""
    story.happens("ada", *days_before(T0, 12, 11, 10))
    story.run("nightly", T0)
    story.run("nightly", T0 + DAY)
    before = story.ledger()
    for kind, steps in (("nightly", range(9, 16)), ("hourly", (9, 10))):
        for days in steps:
            story.run(kind, T0 - days * DAY, read=False)
    assert story.ledger() == before
    summaries = [story.run("nightly", T0 - days * DAY) for days in (11, 10, 9, 8)]
    assert story.ledger("sources") == {name: rows for name, rows in before.items() if name != "sources"}
    assert [each["would_have_announced"] for each in summaries] == [0, 0, 1, 0]
    assert not any(each["live"] for each in summaries)
    assert story.snapshot("nightly", T0 - 9 * DAY)["would_have_announced"].sum() == 1
    assert story.deliver() == {}


def test_what_a_draft_would_announce_is_told_apart(story):
    """PRODUCT-D6: a draft is computed and silent; what a night would have announced counts live definitions only."""
    story.define(another("rough", "Rough", 3).replace("status: live", "status: draft"), "rough")
    story.happens("ada", *days_before(T0, 12, 11, 10))
    story.run("nightly", T0)
    summary = story.run("nightly", T0 - 9 * DAY)
    told = {name: each["would_have_announced"] for name, each in summary["by_definition"].items()}
    assert (summary["would_have_announced"], told) == (1, {"habit": 1, "rough": 1})
