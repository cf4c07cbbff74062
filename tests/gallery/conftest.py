"""A few written lines of events in, what a gallery definition makes of them out, through the whole real path.

The lines become a file, the file source reads it into a lake, and the definition is scored as of the end of
14 March 2026: `last: 7d` are 8 to 14 March, `last: 14d` are 1 to 14 March, `last: 28d` begin on 15 February.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pql import pipeline
from pql.connections import from_environment
from pql.pipeline.project import ROOT
from pql.settings import Paths

GALLERY = ROOT / "include" / "definitions" / "gallery"
AS_OF = datetime(2026, 3, 15, tzinfo=UTC)
YES, NO = True, False  # qualified or not

Scored = Mapping[str, tuple[int, int, bool]]  # subject → (activation %, score, qualified)

ATTRIBUTES = ("plan", "employees", "industry", "lifecycle_stage", "plan_seats", "plan_records")
TRAITS = ", ".join(f"{name}: {name}" for name in ATTRIBUTES)
SETTINGS = f"""
sources:
  product:
    kind: files
    path: events.ndjson
    emits:
      - event: what
        time: at
        user: who
        account: org
        id: id
        user_traits: {{email: email, {TRAITS}}}
        account_traits: {{{TRAITS}}}
destinations:
  slack: {{kind: slack}}
  hubspot: {{kind: hubspot}}
  zapier_nudge: {{kind: webhook, connection: zapier_nudge}}
"""

_ABOUT = re.compile(r"(?P<who>\w+) is (?P<facts>.+)")
_DONE = re.compile(
    r"(?:(?P<people>\d+) people|(?P<who>\w+))(?: @ (?P<org>\w+))?: (?P<what>[A-Z][\w\- ]*?)(?:, (?P<facts>\w+=.+?))?"
    r"(?: ×(?P<times>\d+))? on (?P<first>\d\d-\d\d)(?:\.\.(?P<last>\d\d-\d\d))?(?: at (?P<hour>\d\d):(?P<minute>\d\d))?"
)


def rows_of(story: str) -> Iterator[dict[str, Any]]:
    """The rows of a story, which has two kinds of lines.

    `acme is plan=trial employees=240` says what is known of an account or a person. `mia @ acme: Page View, path=/docs
    ×3 on 03-01..03-05` says what somebody did, three times on each of five days; without `@ …` a person is an account
    of one, and `10 people @ acme: …` are ten persons who each do it. Anything else is a mistake.
    """
    lines = [line for written in story.splitlines() if (line := written.partition("#")[0].strip())]
    about = {found["who"]: _facts(found["facts"]) for line in lines if (found := _ABOUT.fullmatch(line))}
    number = 0
    for line in lines:
        if _ABOUT.fullmatch(line):
            continue
        done = _DONE.fullmatch(line)
        assert done is not None, f"this line of the story says nothing: {line}"
        people = [f"{done['org']}{n}" for n in range(int(done["people"]))] if done["people"] else [done["who"]]
        for who in people:
            known = {**about.get(done["org"] or "", {}), **about.get(who, {})}
            for at in _moments(done):
                number += 1
                row = {"id": f"e{number}", "at": at.isoformat(), "who": who, "org": done["org"], "what": done["what"]}
                yield {**row, **known, **_facts(done["facts"] or "")}


def _facts(text: str) -> dict[str, Any]:
    pairs = [fact.partition("=") for fact in text.split()]
    return {name: float(value) if re.fullmatch(r"[\d.]+", value) else value for name, _, value in pairs}


def _moments(done: re.Match[str]) -> Iterator[datetime]:
    first = date.fromisoformat(f"2026-{done['first']}")
    last = date.fromisoformat(f"2026-{done['last']}") if done["last"] else first
    for day in range((last - first).days + 1):
        start = datetime(2026, first.month, first.day, int(done["hour"] or 9), int(done["minute"] or 0), tzinfo=UTC)
        for second in range(int(done["times"] or 1)):
            yield start + timedelta(days=day, seconds=second)


@dataclass(frozen=True)
class Folder:
    """A project's folder with one definition of the gallery in use."""

    path: Path

    def score(self, id: str, story: str) -> pd.DataFrame:
        """One row per subject of the story at `AS_OF`."""
        rows = "".join(json.dumps(row) + "\n" for row in rows_of(story))
        (self.path / "events.ndjson").write_text(rows)
        (self.path / "settings.yaml").write_text(SETTINGS)
        paths = Paths(
            settings=self.path / "settings.yaml",
            definitions=GALLERY / f"{id}.yaml",
            lake=str(self.path / "lake"),
            ledger=f"sqlite:///{self.path / 'ledger.db'}",
        )
        project = pipeline.open_project(paths, from_environment({}))
        try:
            read = pipeline.ingest(project, "product", as_of=AS_OF, now=AS_OF, kind="nightly")
            assert read["quarantined"] == 0
            return pipeline.score_panel(project, [id], [AS_OF], now=AS_OF)
        finally:
            project.close()


@pytest.fixture
def scored(tmp_path: Path, migrated_sqlite: Path) -> Callable[[str, str], Scored]:
    """What the definition of that id makes of a story: (activation %, score, qualified) by subject."""

    def call(id: str, story: str) -> Scored:
        shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
        frame = Folder(tmp_path).score(id, story)
        lines = frame[[name for name in frame.columns if name.startswith(("line.", "limit."))]]
        assert list(lines.sum(axis=1)) == list(frame["score"])  # SEM-S1, whatever the story
        return {
            str(row.subject_key).partition(":")[2]: (int(row.activation_pct), int(row.score), bool(row.qualified))
            for row in frame.itertuples()
        }

    return call
