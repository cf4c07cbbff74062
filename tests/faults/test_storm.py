"""Everybody qualifies at once: nothing leaves until a person has answered, then each arrives once (PRODUCT-A6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.conftest import T0, many

from pql import outbox, pipeline, store
from pql.connections import from_environment
from pql.outbox.by_hand import storm
from pql.pipeline.project import Project
from pql.sandbox import connections
from pql.settings import Paths

DAY = timedelta(days=1)
MIDNIGHT = T0.replace(hour=0)
MOST_MAPPED = 1024  # Airflow's default of [core] max_map_length
SETTINGS = """
sources:
  product:
    kind: files
    path: events/*.ndjson
    emits: [{event: what, time: at, user: who, id: id}]
destinations:
  slack: {kind: slack}
  zapier_nudge: {kind: webhook, connection: zapier_nudge}
"""
HABIT = """
definition: habit
title: A habit
status: live
events: {acted: Act}
signals:
  days: {active_days: acted, last: 7d}
criteria:
  value: {days: {min: 2}}
score:
  value: [{signal: days, points: 10, per: 1}]
plays:
  - play: Tell sales
    on: newly_qualified
    do:
      - slack: {channel: "#pql-mid"}
      - webhook: zapier_nudge
"""


@contextmanager
def project(line: Any, folder: Path) -> Iterator[Project]:
    """A project on the line's ledger, whose destinations are the line's sandbox."""
    paths = Paths(
        settings=folder / "settings.yaml",
        definitions=folder / "definitions",
        lake=str(folder / "lake"),
        ledger=line.url,
    )
    opened = pipeline.open_project(paths, from_environment(connections(line.sandbox.url)))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def stopped(line: Any, tmp_path: Path) -> int:
    """A night on which so many accounts qualify at once, after a usual one; the number of its run."""
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "habit.yaml").write_text(HABIT)
    (tmp_path / "events").mkdir()
    days = [MIDNIGHT - 3 * DAY, *[MIDNIGHT + timedelta(hours=h) for h in (-20, 2)]]
    who = ["old", *[f"u{number}" for number in range(accounts())]]
    rows = [
        {"what": "Act", "at": day.isoformat(), "who": name, "id": f"{name}-{day:%m%d}"}
        for name in who
        for day in (days[:1] if name == "old" else days[1:])
    ]
    (tmp_path / "events" / "day.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with project(line, tmp_path) as opened:
        pipeline.run(opened, "nightly", as_of=MIDNIGHT, now=line.clock())
        line.clock.now = MIDNIGHT + DAY + timedelta(minutes=30)
        summary = pipeline.run(opened, "nightly", as_of=MIDNIGHT + DAY, now=line.clock())
    assert (summary["queued"], summary["held"], summary["announced"]) == (0, 2 * accounts(), 0)
    return int(summary["run_id"])


def accounts() -> int:
    return many(60, 5000)


def answered(line: Any, run: int, how: Any) -> None:
    """A person answers; then again, which changes nothing."""
    for who in ("dana", "tom"):
        with store.writing(line.engine) as conn:
            done = how(conn, run, who=who, why="a launch", origin="airflow", now=line.clock())
        assert (done.is_new, done.answer.who) == (who == "dana", "dana")


def settle(line: Any, rhythm: Any) -> None:
    """Drain by drain, as `deliver` does, until nothing is left; never more batches than Airflow maps over."""
    for _ in range(60):
        outbox.gather_waiting(line.engine, rhythm, now=line.clock())
        assert len(outbox.due(line.engine, line.clock())) <= MOST_MAPPED
        line.deliver(rhythm=rhythm)
        if not {"pending", "ambiguous", "claimed", "sending"} & set(line.states()):
            return
        line.clock.turn(minutes=1)


@pytest.mark.both_ledgers
def test_a_storm_is_held_and_after_approval_all_arrive(line: Any, stopped: int) -> None:
    """Nothing leaves for a day without an answer; approved, every message and webhook arrives once, at Slack's pace."""
    line.deliver()
    line.clock.turn(days=1)
    line.deliver()
    line.holds(0)
    line.sandbox.world.hides_bursts = True
    answered(line, stopped, storm.approve)
    settle(line, outbox.Rhythm())
    assert line.states() == {"delivered": 2 * accounts()}
    assert line.sandbox.effects("slack_hidden") == []
    line.holds(2 * accounts())


def test_a_storm_is_rejected_and_nobody_hears_of_it(line: Any, stopped: int) -> None:
    """Every delivery keeps who and why; the nights after it announce none of these accounts again."""
    answered(line, stopped, storm.reject)
    settle(line, outbox.Rhythm())
    assert line.states() == {"suppressed": 2 * accounts()}
    assert {each.reason for each in line.all()} == {f"storm of run {stopped} rejected: a launch (by dana)"}
    line.holds(0)


def test_a_storm_as_one_digest(line: Any, stopped: int) -> None:
    """One message stands in the channel; all others answer under it, each once; webhooks arrive one by one."""
    line.sandbox.world.hides_bursts = True
    answered(line, stopped, storm.as_digest)
    settle(line, outbox.Rhythm())
    assert line.states() == {"delivered": 2 * accounts() + 1}
    messages = [each for each in line.all() if each.kind == "slack"]
    [table] = [each for each in messages if "thread_ts" not in (each.receipt or {})]
    assert table.alert.headline == f"{accounts()} accounts"
    assert line.sandbox.effects("slack_hidden") == []
    line.holds(2 * accounts() + 1)
