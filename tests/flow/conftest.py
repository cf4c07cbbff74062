"""A project in a folder, told as a story: events are written, runs are made, and what the sandbox got is looked at."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select
from tests.cli.conftest import pql  # noqa: F401  # stories are also told by what somebody types

from pql import pipeline, store
from pql.connections import from_environment
from pql.pipeline.ingest import Kind
from pql.pipeline.project import Project
from pql.sandbox import Server, connections
from pql.settings import Paths
from pql.store.tables import metadata

T0 = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday: the baseline night of most stories
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

SETTINGS = """
sources:
  product:
    kind: files
    path: events/*.ndjson
    emits:
      - {event: what, time: at, user: who, account: org, id: id, user_traits: {email: mail}, properties: [n]}
destinations:
  slack: {kind: slack}
  zapier_nudge: {kind: webhook, connection: zapier_nudge}
"""

HABIT = """
definition: habit
title: A habit
status: live
events:
  acted: Act
signals:
  days: {active_days: acted, last: 7d, title: active days}
criteria:
  value: {days: {min: 3}}
score:
  value: [{signal: days, points: 10, per: 1}]
plays:
  - play: Tell sales
    on: newly_qualified
    do:
      - slack: {channel: "#pql-mid"}
      - webhook: zapier_nudge
"""


def another(id: str, title: str, days: int) -> str:
    """The tiny definition under another name, with another number of days."""
    return HABIT.replace("definition: habit", f"definition: {id}").replace("A habit", title).replace("3}", f"{days}}}")


@dataclass
class Story:
    """One project with its sandbox. `now` is the clock of both: set it, and everything happens then."""

    folder: Path
    sandbox: Server
    now: datetime = T0
    definitions: Path = field(init=False)
    paths: Paths = field(init=False)
    _lines: int = 0

    def __post_init__(self) -> None:
        self.definitions = self.folder / "definitions"
        self.definitions.mkdir(exist_ok=True)
        self.paths = Paths(
            settings=self.folder / "settings.yaml",
            definitions=self.definitions,
            lake=str(self.folder / "lake"),
            ledger=f"sqlite:///{self.folder / 'ledger.db'}",
        )

    # -- what there is ------------------------------------------------------------------------------------------

    def define(self, text: str, name: str = "habit") -> None:
        """Write (or change) a definition."""
        (self.definitions / f"{name}.yaml").write_text(text)

    def settings(self, text: str) -> None:
        """Write (or change) the settings."""
        self.paths.settings.write_text(text)

    def happens(self, who: str, *moments: datetime, file: str = "day", what: str = "Act", **columns: Any) -> None:
        """The user does something at each of the moments; the lines are added to a file of the export."""
        path = self.folder / "events" / f"{file}.ndjson"
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as lines:
            for at in moments:
                self._lines += 1
                row = {"at": at.isoformat(), "who": who, "what": what, "id": f"e{self._lines}", **columns}
                lines.write(json.dumps(row) + "\n")
        changed_at = int(T0.timestamp()) + self._lines  # a file is read again if it changed, which its date tells
        os.utime(path, (changed_at, changed_at))

    # -- what is done -------------------------------------------------------------------------------------------

    def open(self) -> Project:
        """The project as it now is on disk."""
        return pipeline.open_project(self.paths, from_environment(connections(self.sandbox.url)))

    def run(self, kind: Kind, at: datetime, **options: Any) -> dict[str, Any]:
        """One run at `at`; `now` moves up to it if it was before."""
        self.now = max(self.now, at)
        project = self.open()
        try:
            return pipeline.run(project, kind, as_of=at, now=self.now, **options)
        finally:
            project.close()

    def deliver(self) -> dict[str, int]:
        """Send what is due; how many ended in which state."""
        project = self.open()
        try:
            states: dict[str, int] = pipeline.deliver(project, clock=lambda: self.now)["states"]
            return states
        finally:
            project.close()

    def do(self, what: Callable[[Any], Any]) -> Any:
        """Something in one write transaction of the ledger."""
        project = self.open()
        try:
            with store.writing(project.engine) as connection:
                return what(connection)
        finally:
            project.close()

    # -- what came of it ----------------------------------------------------------------------------------------

    def snapshot(self, kind: str, at: datetime, definition: str = "habit") -> pd.DataFrame | None:
        """The snapshot that lies in the lake."""
        project = self.open()
        try:
            return project.lake.read_scores(definition, kind, at)
        finally:
            project.close()

    def ledger(self, *without: str) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table of the ledger (but those of `without`), in the order of their keys."""
        project = self.open()
        try:
            with store.reading(project.engine) as connection:
                return {
                    table.name: [
                        dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key))
                    ]
                    for table in metadata.sorted_tables
                    if table.name not in without
                }
        finally:
            project.close()

    def episodes(self) -> dict[str, str | None]:
        """Subjects with an open episode, and why it was silent (None: it was announced)."""
        rows = self.ledger()["episodes"]
        return {row["subject_key"]: row["silent_reason"] for row in rows if row["closed_as_of"] is None}

    def told(self) -> list[str]:
        """Who was announced in Slack, message by message, in the order of their names."""
        texts = [effect["message"]["text"] for effect in self.sandbox.effects("slack") if effect["kind"] == "slack"]
        return sorted(text.split(" just qualified")[0].removeprefix("🎯 ") for text in texts)

    def effects(self) -> dict[str, int]:
        """How many effects of each kind the sandbox's log holds."""
        found: dict[str, int] = {}
        for effect in self.sandbox.effects():
            found[effect["kind"]] = found.get(effect["kind"], 0) + 1
        return found


@pytest.fixture(autouse=True)
def no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace that vendors ask for is kept by tests of their clients; stories do not wait."""
    for destination in ("slack.SlackDestination", "hubspot.HubSpotDestination"):
        monkeypatch.setattr(f"pql.destinations.{destination}.pace", None)
    monkeypatch.setattr("pql.clients.http.Pace.wait", lambda self: None)


@pytest.fixture
def new_story(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Callable[..., Story]]:
    """Make a story in a folder of its own: the tiny definition, one file source, a sandbox of its own."""
    running: list[Server] = []

    def make(name: str = "story", *, definition: str = HABIT, settings: str = SETTINGS) -> Story:
        folder = tmp_path / name
        folder.mkdir()
        clock: list[Story] = []
        sandbox = Server(folder / "sandbox", seed=7, clock=lambda: clock[0].now if clock else T0, limits=False)
        sandbox.start()
        running.append(sandbox)
        shutil.copyfile(migrated_sqlite, folder / "ledger.db")
        story = Story(folder, sandbox)
        clock.append(story)
        story.settings(settings)
        story.define(definition)
        return story

    yield make
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def story(new_story: Callable[..., Story]) -> Story:
    """A story in which somebody has been there for long, so that the baseline has somebody to look at."""
    made = new_story()
    made.happens("old", *days_before(T0, 20, 19, 18))
    return made


def days_before(at: datetime, *days: int) -> list[datetime]:
    """Ten o'clock on each of the days before that midnight: 1 is the day just ended."""
    return [at - day * DAY + 10 * HOUR for day in days]


def same(frames: Sequence[pd.DataFrame | None]) -> None:
    """All frames are the same, row for row, value for value, type for type."""
    first = frames[0]
    assert first is not None
    for frame in frames[1:]:
        assert frame is not None
        pd.testing.assert_frame_equal(frame, first, check_exact=True)
