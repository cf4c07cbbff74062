"""The end of a night: what is old enough goes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pql import pipeline
from pql.orchestration import signal_tasks
from pql.orchestration.runtime import now
from pql.pipeline.project import opened as opened_project
from pql.pipeline.project import paths_from_environment

SETTINGS = """
retention_days: 400
sources:
  product:
    kind: files
    path: events.ndjson
    emits: [{event: what, time: at, user: who, id: id}]
"""
DEFINITION = """
definition: habit
title: A habit
status: live
events: {acted: Act}
signals:
  acts: {count: acted, title: acts}
criteria:
  value: {acts: {min: 3}}
"""
OLD, NEW = "2023-01-01T10:00:00Z", "2024-05-01T10:00:00Z"


@pytest.fixture
def home(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose lake has one event of long ago and one that is 16 months younger."""
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    (tmp_path / "habit.yaml").write_text(DEFINITION)
    rows = [{"what": "Act", "at": at, "who": "ada", "id": at} for at in (OLD, NEW)]
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ledger = tmp_path / ".pql" / "ledger.db"
    ledger.parent.mkdir()
    shutil.copyfile(migrated_sqlite, ledger)
    for variable in ("PQL_SETTINGS", "PQL_DEFINITIONS", "PQL_LAKE", "PQL_LEDGER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    with opened_project(paths_from_environment(), lambda id: pytest.fail(f"nothing connects to {id}")) as opened:
        pipeline.run(opened, "nightly", as_of=now(), now=now())
    return tmp_path


def prune(*, live: bool = True) -> int:
    """How many files of raw events went."""
    return int(signal_tasks.prune.function({"live": live}).get("event_files", 0))


def days(home: Path) -> list[str]:
    return sorted(path.parent.name for path in (home / ".pql" / "lake" / "events").rglob("*.parquet"))


def test_a_live_night_removes_old_events(home: Path) -> None:
    """SEM-T5: what is more than `retention_days` older than its source's newest event goes, its usage is there."""
    assert prune() == 1
    assert days(home) == ["day=2024-05-01"]
    assert prune() == 0


def test_a_night_of_the_past_removes_nothing(home: Path) -> None:
    """A backfill is not the time to let go of history."""
    assert prune(live=False) == 0
    assert days(home) == ["day=2023-01-01", "day=2024-05-01"]


def test_a_broken_definition_keeps_the_events_it_may_need(home: Path) -> None:
    """SEM-T5: usage is kept for every definition; what a broken one counts is not known before it is mended."""
    (home / "broken.yaml").write_text("definition: broken\nsignals: 7\n")
    assert prune() == 0
    (home / "broken.yaml").unlink()
    assert prune() == 1
