"""The same story elsewhere: a ledger on PostgreSQL, a lake on an object store, and several workers at once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.flow.conftest import DAY, HOUR, T0, Story, days_before

from pql import outbox, pipeline
from pql.store import blocks

NIGHT = T0 + 5 * DAY


@pytest.fixture
def elsewhere(story: Story, ledger_url: str) -> Story:
    """The story with its ledger on PostgreSQL, or on SQLite with its lake on an object store."""
    lake = story.paths.lake if ledger_url.startswith("postgresql") else f"memory://{uuid.uuid4().hex}/lake"
    story.paths = story.paths.model_copy(update={"ledger": ledger_url, "lake": lake})
    return story


def test_the_line_runs_there_too(elsewhere):
    """SEM-D1, D2, D3: silent baseline, one announcement, reruns that change nothing, a release and a block."""
    story = elsewhere
    story.happens("known", *days_before(T0, 3, 2, 1))
    story.run("nightly", T0)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    for _ in range(2):
        story.run("nightly", NIGHT)
        story.deliver()
    assert story.episodes() == {"user:known": "baseline", "user:ada": None}
    assert story.told() == ["ada"]
    released = story.do(lambda connection: outbox.release_silent(connection, now=story.now, top=1))
    assert len(released.episode_ids) == 1
    story.do(lambda c: blocks.block(c, "user:known", "snooze", reason="fair", origin="cli", now=story.now))
    assert story.deliver() == {"suppressed": 2}
    story.happens("bob", *days_before(NIGHT, 2, 1), NIGHT + HOUR)
    story.run("hourly", NIGHT + 2 * HOUR)
    story.deliver()
    assert story.told() == ["ada", "bob"]


def test_four_workers_at_once_tell_it_once(elsewhere):
    """SEM-D2: four workers read, evaluate, decide and deliver the same hour at the same time; all are told once.

    Six accounts in one channel come under one table, whichever worker gathers them.
    """
    story = elsewhere
    story.run("nightly", T0)
    for number in range(6):
        story.happens(f"u{number}", *days_before(NIGHT, 3, 2), NIGHT + HOUR)
    story.now = NIGHT + 2 * HOUR

    def work(_: int) -> int:
        project = story.open()
        try:
            summary = pipeline.run(project, "hourly", as_of=story.now, now=story.now)
            pipeline.deliver(project, clock=lambda: story.now)
            return int(summary["announced"])
        finally:
            project.close()

    with ThreadPoolExecutor(4) as pool:
        announced = list(pool.map(work, range(4)))
    story.deliver()
    assert sorted(announced) == [0, 0, 0, 6]
    *told, table = story.told()
    assert told == [f"u{number}" for number in range(6)]
    assert table.startswith("📋 Many at once: 6 accounts")
    assert story.effects() == {"slack": 7, "webhook": 6}
    assert {row["state"] for row in story.ledger()["deliveries"]} == {"delivered"}
