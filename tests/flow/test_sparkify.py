"""Real input: a music service's November 2018, every listener an account of one (../shared/data/sparkify)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.flow.conftest import DAY, HOUR

from pql import pipeline, store
from pql.connections import from_environment
from pql.pipeline.moments import every
from pql.pipeline.project import ROOT, Project
from pql.sandbox import Server, connections
from pql.settings import Paths
from pql.store.tables import deliveries, episodes
from pql.types import UserError

EXAMPLE = ROOT / "include" / "definitions" / "examples" / "sparkify"
NOVEMBER = datetime(2018, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2018, 12, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not (ROOT.parent / "shared" / "data" / "sparkify").is_dir(), reason="the data is not here: ../shared/data/sparkify"
)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "sandbox", seed=7, limits=False) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, sandbox: Server) -> Iterator[Project]:
    """The example as it is shipped, with November in the lake and a fresh ledger."""
    paths = Paths(
        settings=EXAMPLE / "settings.yaml",
        definitions=EXAMPLE,
        lake=str(tmp_path / "lake"),
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
    )
    pipeline.init(paths)
    opened = pipeline.open_project(paths, from_environment(connections(sandbox.url)))
    report = pipeline.ingest(opened, "pages", as_of=NOW, now=NOW, kind="nightly")
    assert (report["read"], report["quarantined"]) == (7770, 0)
    yield opened
    opened.close()


def count(project: Project, table: Any) -> int:
    with store.reading(project.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_month_of_nights_long_past_is_thirty_snapshots_and_no_ping(project, sandbox):
    """SEM-D6, D7: every night of November decides nothing and tells whom it would have announced."""
    nights = [NOVEMBER + n * DAY for n in range(1, 31)]
    summaries = [pipeline.run(project, "nightly", as_of=night, now=NOW) for night in nights]
    assert project.lake.list_scores("upgrade", "nightly") == nights
    assert not any(summary["live"] for summary in summaries)
    named = {
        subject
        for night in nights
        for frame in [project.lake.read_scores("upgrade", "nightly", night)]
        for subject in frame.loc[frame["would_have_announced"], "subject_key"]
    }
    would = sum(summary["would_have_announced"] for summary in summaries)
    assert len(named) > 20
    assert would >= len(named)
    assert (count(project, deliveries), count(project, episodes)) == (0, 0)
    assert pipeline.deliver(project, clock=lambda: NOW)["states"] == {}
    assert sandbox.effects() == []


def qualifying(project: Project) -> dict[str, datetime]:
    """Each listener's first hour of November at which it qualifies, scored without any ledger."""
    hours = list(every(NOVEMBER, DECEMBER, HOUR, project.zone))
    panel = pipeline.score_panel(project, ["upgrade"], hours, now=NOW)
    first = panel[panel["qualified"]].groupby("subject_key")["as_of"].min()
    return {str(subject): at.to_pydatetime().replace(tzinfo=UTC) for subject, at in first.items()}


@pytest.mark.slow
def test_a_month_lived_through_hour_by_hour_tells_each_who_qualifies_once(project, sandbox):
    """SEM-D6, D3: replayed on a fresh ledger, the empty first hour is the baseline and everybody who qualifies after it
    is delivered exactly once, in the hour in which it is first true."""
    wanted = qualifying(project)
    rows = pipeline.replay(project, ["upgrade"], first=NOVEMBER, last=None, step=HOUR, now=NOW, send=True)
    assert (len(rows), rows[-1]["as_of"]) == (717, "2018-11-30T20:00:00+00:00")  # the hour after the newest event
    assert (rows[0]["evaluated"], rows[0]["newly_qualified"]) == (0, 0)
    with store.reading(project.engine) as connection:
        stays = connection.execute(select(episodes).order_by(episodes.c.id)).all()
    assert {stay.subject_key: stay.opened_as_of.replace(tzinfo=UTC) for stay in stays} == wanted
    assert len(stays) == len(wanted) > 20
    assert not any(stay.silent_reason for stay in stays)
    effects = sandbox.effects()
    told = [e["message"]["text"].split(" just qualified")[0] for e in effects if e["kind"] == "slack"]
    keys = [e["payload"]["data"]["alert"]["subject_key"] for e in effects if e["kind"] == "webhook"]
    assert len(told) == len(set(told)) == len(wanted)
    assert len(keys) == len(set(keys)) > 0
    assert set(keys) <= set(wanted)
    with store.reading(project.engine) as connection:
        states = connection.execute(select(deliveries.c.state).distinct()).scalars().all()
    assert states == ["delivered"]
    with pytest.raises(UserError, match="has already decided up to 2018"):
        pipeline.replay(project, ["upgrade"], first=NOVEMBER, last=None, step=HOUR, now=NOW, send=True)


def test_a_replay_of_nights_is_what_the_nights_would_have_been(project, sandbox, tmp_path):
    """SEM-D6: replaying ten nights opens the episodes that ten live nightly runs open, each with the same score."""
    nights = [NOVEMBER + n * DAY for n in range(1, 11)]
    pipeline.replay(project, ["upgrade"], first=nights[0], last=nights[-1], step=DAY, now=NOW, send=False)
    other = project.paths.model_copy(update={"ledger": f"sqlite:///{tmp_path / 'live.db'}"})
    pipeline.init(other)
    with closing(pipeline.open_project(other, project.connections)) as live:
        for night in nights:
            pipeline.run(live, "nightly", as_of=night, now=night, read=False)
        with store.reading(live.engine) as connection:
            lived = connection.execute(select(*STAY).order_by(*STAY)).all()
    with store.reading(project.engine) as connection:
        replayed = connection.execute(select(*STAY).order_by(*STAY)).all()
    assert replayed == lived
    assert len(lived) > 5
    assert sandbox.effects() == []


STAY = [
    episodes.c[name]
    for name in ("subject_key", "opened_as_of", "silent_reason", "score", "unqualified_since", "closed_as_of")
]
