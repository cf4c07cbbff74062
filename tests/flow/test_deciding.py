"""The deciding run: it asks the lake before it locks the ledger, and one definition never stops the others."""

from __future__ import annotations

from contextlib import closing

import pytest
from tests.flow.conftest import DAY, HABIT, HOUR, T0, another, days_before

from pql import pipeline, store
from pql.lake import Lake
from pql.store import blocks

NIGHT = T0 + 10 * DAY


class Watched:
    """A DuckDB connection that notes whether it was used while the ledger was locked."""

    def __init__(self, connection, watch):
        self._connection, self._watch = connection, watch

    def __getattr__(self, name):
        self._watch.touch()
        return getattr(self._connection, name)

    def close(self):
        self._connection.close()


class Watch:
    def __init__(self):
        self.is_locked, self.before, self.inside = False, 0, 0

    def touch(self):
        self.inside += self.is_locked
        self.before += not self.is_locked


@pytest.fixture
def watch(monkeypatch):
    """Counts uses of the lake before and inside deciding transactions."""
    noted = Watch()
    decided, connect, read_scores = store.decided, Lake.connect, Lake.read_scores

    def locked(engine, change):
        def watched(connection):
            noted.is_locked = True
            try:
                return change(connection)
            finally:
                noted.is_locked = False

        return decided(engine, watched)

    def reading(lake, *key):
        noted.touch()
        return read_scores(lake, *key)

    monkeypatch.setattr(store, "decided", locked)
    monkeypatch.setattr(Lake, "connect", lambda lake: Watched(connect(lake), noted))
    monkeypatch.setattr(Lake, "read_scores", reading)
    return noted


def champions(story):
    return {row["subject_key"]: row["alert"]["champions"] for row in story.ledger()["deliveries"]}


def test_the_lake_is_not_asked_while_the_ledger_is_locked(story, watch):
    """SEM-D2: others wait for the lock, so under it there is only the ledger; nights and hours alike."""
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    story.happens("bob", *days_before(NIGHT, 2, 1))
    story.run("nightly", T0)
    assert story.run("nightly", NIGHT)["announced"] == 1
    story.happens("bob", NIGHT + HOUR, file="new")
    assert story.run("hourly", NIGHT + 2 * HOUR)["announced"] == 1
    assert (watch.inside, watch.before > 0) == (0, True)
    assert story.ledger()["dirty_marks"] == []
    assert {who: said[0]["name"] for who, said in champions(story).items()} == {"user:ada": "ada", "user:bob": "bob"}


def test_a_replay_has_the_ledger_to_itself_and_says_as_much(story):
    """SEM-D6: nobody waits for a replay's lock, so it rehearses nothing; its messages are whole all the same."""
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", T0 - 20 * DAY)  # reads the events; too old to decide anything
    story.now = NIGHT
    project = story.open()
    span = {"first": NIGHT - 2 * DAY, "last": NIGHT, "step": DAY, "now": NIGHT, "send": False}
    with closing(project):
        rows = pipeline.replay(project, (), **span)
    assert sum(row["announced"] for row in rows) == 1
    assert champions(story)["user:ada"][0]["name"] == "ada"


def test_who_could_not_be_foreseen_is_told_of_in_full(story, monkeypatch):
    """SEM-D2, D3: a block that is lifted while the run waits for the lock costs the message nothing."""
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", T0)
    story.do(lambda c: blocks.block(c, "user:ada", "block", reason="", origin="cli", now=T0))
    decided = store.decided

    def late(engine, change):
        with store.writing(engine) as connection:
            blocks.lift(connection, "user:ada", now=NIGHT)
        return decided(engine, change)

    monkeypatch.setattr(store, "decided", late)
    assert story.run("nightly", NIGHT)["announced"] == 1
    assert champions(story)["user:ada"][0]["name"] == "ada"


PLAY = """
  - play: Rising
    on: {score_up: 10, in: 7d}
    do:
      - slack: {channel: "#pql-mid"}
"""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace("min: 3", "min: 2"), "its rules changed"),
        (lambda text: text + PLAY.lstrip("\n"), "its plays changed"),
        (lambda text: text.replace("active_days: acted", "active_days: atced"), "removed since"),
        (None, "removed since"),
    ],
    ids=["other rules", "another play", "broken", "gone"],
)
def test_a_definition_edited_under_way_is_passed_over_and_the_others_decided(story, change, why):
    """SEM-D1, D2, Q5: its snapshot is of other rules; the summary says so, its marks stay, the next run decides it."""
    story.define(another("second", "Second", 3), "second")
    story.happens("ada", *days_before(NIGHT, 3, 2))
    story.run("nightly", T0)
    story.happens("ada", NIGHT - 2 * HOUR, file="new")
    story.now = NIGHT
    moment = {"as_of": NIGHT, "now": NIGHT, "kind": "hourly"}
    with closing(story.open()) as project:
        pipeline.ingest(project, "product", **moment)
        evaluations = [pipeline.evaluate(project, name, **moment) for name in ("habit", "second")]
    if change is None:
        (story.definitions / "habit.yaml").unlink()
    else:
        story.define(change(HABIT))
    with closing(story.open()) as project:
        summary = pipeline.decide(project, evaluations, **moment)
    assert summary["by_definition"]["habit"]["decided_nothing"].startswith(why)
    assert (summary["by_definition"]["second"]["announced"], summary["announced"]) == (1, 1)
    assert {(mark["definition"], mark["fact_key"]) for mark in story.ledger()["dirty_marks"]} == {("habit", "user:ada")}
    story.define(HABIT)
    again = story.run("hourly", NIGHT + HOUR)
    assert again["by_definition"]["habit"]["announced"] == 1
    assert story.ledger()["dirty_marks"] == []
