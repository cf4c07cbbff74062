"""The board's figures: which snapshot counts, what changes are taken against, where an account stands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import insert
from tests.flow.conftest import HABIT, SETTINGS, another

from pql import store
from pql.connections import from_environment
from pql.insight.board.account import account
from pql.insight.board.board import Asked, BoardRow, account_rows, all_rows, board
from pql.pipeline.project import Project, opened
from pql.settings import Paths
from pql.store.tables import episodes

NIGHT = datetime(2026, 3, 10, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = NIGHT + 5 * HOUR


@pytest.fixture
def project(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Project]:
    """Two live definitions, `habit` (first) and `other`; nothing scored yet."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "habit.yaml").write_text(HABIT)
    (tmp_path / "definitions" / "other.yaml").write_text(another("other", "Another", 2))
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    paths = Paths(
        settings=tmp_path / "settings.yaml",
        definitions=tmp_path / "definitions",
        lake=str(tmp_path / "lake"),
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
    )
    with opened(paths, from_environment({})) as found:
        yield found


def scored(project: Project, kind: str, at: datetime, scores: dict[str, int], definition: str = "habit") -> None:
    """A snapshot of accounts with these scores; 50 and more qualifies."""
    keys = list(scores)
    frame = pd.DataFrame({"subject_key": keys, "account_key": keys, "score": list(scores.values())})
    rest: dict[str, Any] = {"activation_pct": 0, "grade": "?4", "grade_10": 1, "size": "small", "size_unknown": True}
    frame = frame.assign(**rest, qualified=frame["score"] >= 50, rules_hash="of another version")
    project.lake.write_scores(definition, kind, at, frame)


def told(project: Project, key: str, definition: str, silent: str | None = None) -> None:
    """An open episode."""
    values = {
        "definition": definition,
        "subject_key": key,
        "account_key": key,
        "opened_as_of": NIGHT.replace(tzinfo=None),
    }
    with store.writing(project.engine) as connection:
        connection.execute(insert(episodes).values(**values, rules_hash="x", score=50, silent_reason=silent))


def by_key(rows: tuple[BoardRow, ...]) -> dict[str, BoardRow]:
    return {row.account_key: row for row in rows}


def test_the_hours_since_lie_over_the_newest_night(project: Project) -> None:
    """SEM-S3: who was in a later hour is shown as of then, against this night; the others against the night before."""
    scored(project, "nightly", NIGHT - 7 * DAY, {"org:a": 1})
    scored(project, "nightly", NIGHT - DAY, {"org:a": 10, "org:b": 10})
    scored(project, "hourly", NIGHT - HOUR, {"org:b": 99})  # before the night: it is over
    scored(project, "nightly", NIGHT, {"org:a": 30, "org:b": 40, "org:c": 5})
    scored(project, "hourly", NIGHT + HOUR, {"org:a": 44})
    scored(project, "hourly", NIGHT + 2 * HOUR, {"org:a": 45})
    scored(project, "hourly", NOW + HOUR, {"org:a": 0})  # not yet
    rows = by_key(all_rows(project, Asked(), now=NOW))
    assert {key: (row.score, row.delta_night, row.delta_week) for key, row in rows.items()} == {
        "org:a": (45, 15, None),
        "org:b": (40, 30, None),
        "org:c": (5, None, None),
    }
    assert rows["org:a"].as_of == NIGHT + 2 * HOUR
    points = account(project, "org:a", now=NOW).chapters[0].history
    assert [point.score for point in points] == [1, 10, 30, 44, 45]


def test_an_account_stands_where_it_got_furthest(project: Project) -> None:
    """Announced beats silent beats qualified beats a higher score; each account is counted once, in one state."""
    everybody = {"org:told": 60, "org:silent": 60, "org:plain": 60, "org:low": 10}
    scored(project, "nightly", NIGHT, everybody)
    scored(project, "nightly", NIGHT, {key: 20 for key in everybody} | {"org:low": 30}, "other")
    told(project, "org:told", "other")
    told(project, "org:silent", "other", "baseline")
    rows = by_key(all_rows(project, Asked(), now=NOW))
    assert {key: (row.definition, row.score, row.state) for key, row in rows.items()} == {
        "org:told": ("other", 20, "announced"),
        "org:silent": ("other", 20, "silent"),
        "org:plain": ("habit", 60, "qualified"),
        "org:low": ("other", 30, "not qualified"),
    }
    counts = board(project, Asked(state="silent"), now=NOW).counts
    assert counts == {"announced": 1, "silent": 1, "qualified": 1, "not qualified": 1, "blocked": 0}
    assert [row.definition for row in account_rows(project, "org:told", now=NOW)] == ["other", "habit"]


def test_an_account_whose_name_looks_like_a_question_is_only_a_name(project: Project) -> None:
    """What is searched for is compared, never executed or used as a pattern."""
    scored(project, "nightly", NIGHT, {"org:100%": 60, "org:100x": 50, "org:it's": 40})
    assert [row.account_key for row in all_rows(project, Asked(search="100%"), now=NOW)] == ["org:100%"]
    assert [row.account_key for row in all_rows(project, Asked(search="it's"), now=NOW)] == ["org:it's"]
    assert [row.account_key for row in account_rows(project, "org:it's", now=NOW)] == ["org:it's"]


def test_a_folder_with_nothing_scored_is_an_empty_board(project: Project) -> None:
    """No row, one page, no state."""
    found = board(project, Asked(), now=NOW)
    assert (found.rows, found.total, found.pages, found.standings) == ((), 0, 1, ())
