"""What is old enough goes, what may still be asked for stays; `pql prune` shows it first."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.flow.conftest import DAY, HOUR, T0, Story, days_before

from pql import pipeline
from pql.cli.commands import prune as command

LATER = T0 + 500 * DAY


def written_at(folder: Path, at: datetime) -> None:
    """Let every file there be as old as if it had been written then."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (at.timestamp(), at.timestamp()))


def all_files(story: Story) -> list[Path]:
    return [path for path in Path(story.paths.lake).rglob("*") if path.is_file()]


def prune(story: Story, now: datetime, **options: Any) -> dict[str, int]:
    project = story.open()
    try:
        return {what: number for what, number in pipeline.prune(project, now=now, **options).items() if number}
    finally:
        project.close()


@pytest.fixture
def lived(story: Story) -> Story:
    """A baseline night, an hour that announced somebody, its delivery; a record in quarantine; all written at T0."""
    story.run("nightly", T0)
    story.happens("new", *days_before(T0 + DAY, 3, 2), T0)
    story.happens("lost", T0, file="bad")
    with (story.folder / "events" / "bad.ndjson").open("a") as lines:
        lines.write('{"at": "never", "who": "x", "what": "Act"}\n')
    story.run("hourly", T0 + HOUR)
    story.run("nightly", T0 + DAY)
    story.deliver()
    (Path(story.paths.lake) / ".staging" / "killed").mkdir(parents=True)
    (Path(story.paths.lake) / ".staging" / "killed" / "rows.parquet").write_bytes(b"half")
    written_at(Path(story.paths.lake), T0)
    return story


def test_what_is_old_goes_and_the_rest_stays(lived: Story) -> None:
    """Each kind by its own setting: hourly snapshots, quarantine and leftovers go, nightly snapshots stay for ever."""
    assert prune(lived, T0 + 36 * DAY) == {"hourly_snapshots": 1, "leftovers": 1}
    assert prune(lived, T0 + 36 * DAY) == {}
    assert prune(lived, T0 + 91 * DAY) == {"quarantine_files": 1}
    assert lived.snapshot("hourly", T0 + HOUR) is None
    assert lived.snapshot("nightly", T0) is not None
    assert lived.snapshot("nightly", T0 + DAY) is not None


def test_a_dry_run_shows_what_would_go_and_removes_nothing(lived: Story, pql: Any, monkeypatch: Any) -> None:
    """`pql prune --dry-run` says the same figures as the prune that follows, which leaves nothing for a third."""
    monkeypatch.setattr(command, "now", lambda: LATER)
    words = ["--settings", lived.paths.settings, "--definitions", lived.definitions, "--lake", lived.paths.lake]
    words += ["--ledger", lived.paths.ledger, "prune", "--format", "json"]
    shown = json.loads(pql(*words, "--dry-run").out)
    files = set(all_files(lived))
    assert [row["would_go"] for row in shown] == [0, 1, 1, 1, 2, 0]
    removed = json.loads(pql(*words).out)
    assert [row["removed"] for row in removed] == [row["would_go"] for row in shown]
    assert len(files - set(all_files(lived))) == 3
    assert {row["removed"] for row in json.loads(pql(*words).out)} == {0}


def test_an_hour_of_the_past_that_is_being_run_keeps_its_snapshot(lived: Story) -> None:
    """A backfill writes old hours' snapshots now and decides them in a moment: prune leaves what was just written."""
    written_at(Path(lived.paths.lake), LATER - HOUR)
    assert "hourly_snapshots" not in prune(lived, LATER)


def test_old_deliveries_say_no_more_whom_and_why(lived: Story) -> None:
    """After `alerts_days` reasons, people and options go; that it was sent, when and with which receipt stays."""
    before = lived.ledger()["deliveries"]
    assert prune(lived, T0 + timedelta(days=399)).keys().isdisjoint({"deliveries"})
    assert prune(lived, LATER)["deliveries"] == 2
    after = lived.ledger()["deliveries"]
    assert {(row["alert"]["account_name"], *row["alert"]["reasons"], *row["alert"]["champions"]) for row in after} == {
        ("new",)
    }
    kept = ("key", "state", "receipt", "finished_at", "account_key")
    assert [[row[name] for name in kept] for row in after] == [[row[name] for name in kept] for row in before]


def test_ended_stays_say_no_more_whom_and_why(lived: Story) -> None:
    """The alert of a stay that ended long ago goes; that of an open one stays, however old."""
    assert "stays" not in prune(lived, LATER)
    lived.run("nightly", T0 + 8 * DAY)
    lived.run("nightly", T0 + 30 * DAY)
    assert lived.episodes() == {}
    assert prune(lived, LATER)["stays"] == 1
    assert [row["alert"] for row in lived.ledger()["episodes"] if row["subject_key"] == "user:new"] == [None]
