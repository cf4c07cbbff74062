"""A small company's story, played once: accounts that were there before, one that qualifies, one with an evil name.

Each test gets a copy of its own behind the page, and a browser's manners: who asks, and from where.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import select
from tests.flow.conftest import DAY, HOUR, T0, Story, days_before

from pql.connections import from_environment
from pql.page import Wiring, create_app
from pql.pipeline.project import Project, opened
from pql.sandbox import Server, connections
from pql.store.tables import metadata

EVIL = "<script>alert(1)</script>\"'=cmd"
NOW = T0 + DAY + 2 * HOUR
SECRET = "a secret of the tests"
ORIGIN = "http://testserver"

SETTINGS = """
timezone: Europe/Berlin
sources:
  product:
    kind: files
    path: events/*.ndjson
    emits:
      - event: what
        time: at
        user: who
        account: org
        id: id
        user_traits: {email: mail}
        account_traits: {name: company}
destinations:
  slack: {kind: slack}
  hubspot: {kind: hubspot}
"""

HABIT = """
definition: habit
title: A habit
status: live
events:
  acted: Act
signals:
  days: {active_days: acted, last: 7d, title: active days}
  acts: {count: acted}
activation:
  - {stage: Two acts, when: {acts: {min: 2}}}
  - {stage: A hundred acts, when: {acts: {min: 100}}}
criteria:
  value: {days: {min: 3}}
score:
  value: [{signal: days, points: 10, per: 1}]
plays:
  - play: Tell sales
    on: newly_qualified
    do:
      - slack: {channel: "#pql"}
      - crm_task: {subject: "Call {{ account.name }}", due: 1d}
"""

DRAFT = HABIT.replace("definition: habit", "definition: idea").replace("A habit", "An idea").replace("live", "draft")


@dataclass
class Site:
    """The page over a copy of the story. `user` asks: nobody, a reader, or somebody who may edit."""

    folder: Path
    sandbox_url: str
    user: str = ""
    editors: tuple[str, ...] = ("dana",)
    now: datetime = NOW
    noted: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    opened: int = 0

    def __post_init__(self) -> None:
        self.app = create_app(
            Wiring(self.open, lambda: self.now, self._reader, self._editor, self._may_edit, SECRET, self._note)
        )
        airflow = FastAPI(root_path="/airflow")
        airflow.mount("/pql", self.app)
        self.client = TestClient(airflow, base_url=ORIGIN, follow_redirects=False, raise_server_exceptions=False)

    def open(self) -> AbstractContextManager[Project]:
        story = Story(self.folder, None)  # type: ignore[arg-type]  # only its paths are wanted
        return opened(story.paths, from_environment(connections(self.sandbox_url)))

    def get(self, path: str = "/", **query: object) -> Response:
        """The page as the user's browser gets it."""
        return self.client.get(f"/airflow/pql{path}", params={k: str(v) for k, v in query.items()})

    def html(self, path: str = "/", **query: object) -> str:
        """A page that is there, as text."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def token(self, path: str = "/deliveries") -> str:
        """The token in a form of the page."""
        found = re.search(r'name="token" value="([^"]+)"', self.html(path))
        assert found, f"{path} has no form"
        return found[1]

    def post(self, path: str, token: str | None = None, origin: str | None = ORIGIN, **values: object) -> Response:
        """A form posted from a page of the site, unless `origin` says otherwise."""
        data = {name: value if isinstance(value, list) else str(value) for name, value in values.items()}
        sent = {**data, **({} if token is None else {"token": token})}
        return self.client.post(f"/airflow/pql{path}", data=sent, headers={"origin": origin} if origin else {})

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table of the ledger."""
        with self.open() as project, project.engine.connect() as connection:
            return {
                table.name: [
                    dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key))
                ]
                for table in metadata.sorted_tables
            }

    def _reader(self, request: Request) -> str:
        if not self.user:
            raise HTTPException(401, "Not authenticated")
        return self.user

    def _editor(self, request: Request) -> str:
        if self._reader(request) not in self.editors:
            raise HTTPException(403, "Your role may not change what is sent.")
        return self.user

    def _may_edit(self) -> bool:
        return self.user in self.editors

    def _note(self, who: str, what: str, about: Mapping[str, Any]) -> None:
        self.noted.append((who, what, about))


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[tuple[Path, str]]:
    """The story's folder and its sandbox: a baseline night, a night on which one newly qualifies, and what was sent."""
    folder = tmp_path_factory.mktemp("played")
    shutil.copyfile(migrated_sqlite, folder / "ledger.db")
    story: list[Story] = []
    with Server(folder / "sandbox", seed=7, clock=lambda: story[0].now if story else T0, limits=False) as sandbox:
        story.append(Story(folder, sandbox))
        _play(story[0])
        yield folder, sandbox.url


def _play(story: Story) -> None:
    story.settings(SETTINGS)
    story.define(HABIT)
    story.define(DRAFT, "idea")
    midnight = T0 - HOUR  # in Berlin
    for number in range(3):
        story.happens(
            f"old{number}", *days_before(midnight, *range(1, 4 + number)), org=f"old{number}", company=f"Old {number}"
        )
    story.happens("new", *days_before(midnight, 1, 2), org="new", company="New & Co")
    story.happens("evil", *days_before(midnight, 1), org="evil", company=EVIL)
    story.run("nightly", midnight)
    story.happens("new", midnight + 10 * HOUR, org="new", company="New & Co", file="next")
    story.run("nightly", midnight + DAY)
    story.deliver()
    story.happens("evil", midnight + DAY + timedelta(minutes=30), org="evil", company=EVIL, file="hour")
    story.run("hourly", midnight + DAY + HOUR)


@pytest.fixture
def site(played: tuple[Path, str], tmp_path: Path) -> Site:
    """The page over a copy of the story; somebody who may edit looks at it."""
    folder = tmp_path / "site"
    shutil.copytree(played[0], folder, ignore=shutil.ignore_patterns("sandbox"))
    return Site(folder, played[1], user="dana")


@pytest.fixture
def many(site: Site) -> None:
    """A hundred and twenty more accounts in the newest night of every definition."""
    with site.open() as project:
        for definition in project.definitions:
            night = project.lake.list_scores(definition.id, "nightly")[-1]
            frame = project.lake.read_scores(definition.id, "nightly", night)
            assert frame is not None
            pattern = frame[frame["subject_key"] == "org:evil"]
            copies = pd.concat([pattern] * 120, ignore_index=True)
            keys = [f"org:many{number:03}" for number in range(120)]
            more = copies.assign(
                subject_key=keys, account_key=keys, **{"attr.name": [f"=SUM({n})" for n in range(120)]}
            )
            project.lake.write_scores(definition.id, "nightly", night, pd.concat([frame, more], ignore_index=True))
