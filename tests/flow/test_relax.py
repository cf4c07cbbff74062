"""Real input: two years of daily logins of 12,000 users in 417 organisations (../shared/data/relax)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from tests.flow.conftest import DAY

from pql import pipeline
from pql.pipeline.moments import every
from pql.pipeline.project import ROOT, Project
from pql.settings import Paths

EXAMPLE = ROOT / "include" / "definitions" / "examples" / "relax"
DATA = ROOT.parent / "shared" / "data" / "relax"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIRST, LAST = datetime(2012, 6, 1, tzinfo=UTC), datetime(2014, 6, 7, tzinfo=UTC)  # midnights that end days with logins
HABIT_DAYS, WINDOW_DAYS = 3, 7

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the data is not here: ../shared/data/relax")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The example as it is shipped, with everything in the lake."""
    folder = tmp_path_factory.mktemp("relax")
    paths = Paths(
        settings=EXAMPLE / "settings.yaml",
        definitions=EXAMPLE,
        lake=str(folder / "lake"),
        ledger=f"sqlite:///{folder / 'ledger.db'}",
    )
    pipeline.init(paths)
    opened = pipeline.open_project(paths, lambda name: pytest.fail(f"{name}: no connection is needed"))
    for source, rows in (("users", 18_417), ("logins", 207_917)):
        report = pipeline.ingest(opened, source, as_of=NOW, now=NOW, kind="nightly")
        assert (report["read"], report["quarantined"]) == (rows, 0)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def logins() -> pd.DataFrame:
    """One row per user and day of login, as numbers of days since 1970; nothing of ours is used."""
    table = pd.read_csv(DATA / "takehome_user_engagement.csv")
    days = pd.to_datetime(table["time_stamp"]).to_numpy(dtype="datetime64[D]").astype(int)
    found = pd.DataFrame({"user": "user:" + table["user_id"].astype(str), "day": days})
    return found.drop_duplicates().sort_values(["user", "day"], ignore_index=True)


@pytest.fixture(scope="module")
def moments(project: Project) -> list[datetime]:
    return list(every(FIRST, LAST, DAY, project.zone))


def adopted_on(logins: pd.DataFrame) -> pd.Series:
    """The first day that is the third of three distinct days of login with last − first ≤ 6, by user."""
    first_of_three = logins.groupby("user")["day"].shift(HABIT_DAYS - 1)
    third = logins[logins["day"] - first_of_three <= WINDOW_DAYS - 1]
    return third.groupby("user")["day"].min()


def day_number(moments: pd.Series) -> np.ndarray:
    """The day that ended at each of these midnights."""
    return moments.to_numpy(dtype="datetime64[D]").astype(int) - 1


def test_users_with_the_habit_at_any_moment_are_as_counted_by_hand(project, logins, moments):
    """SEM-W2, T3: in each organisation on each of 737 days, as many users have logged in on three days of seven as an
    independent count over the raw table says."""
    begun = time.monotonic()
    panel = pipeline.score_panel(project, ["adopted-teams"], moments, now=NOW)
    print(f"\nrelax: 417 organisations on {len(moments)} days, {len(panel)} rows in {time.monotonic() - begun:.1f} s")
    users = pd.read_csv(DATA / "takehome_users.csv", encoding="latin-1", usecols=["object_id", "org_id"])
    org_of = dict(zip("user:" + users["object_id"].astype(str), "org:" + users["org_id"].astype(str), strict=True))
    start, days = day_number(pd.Series(pd.to_datetime([FIRST])))[0] - WINDOW_DAYS, len(moments) + WINDOW_DAYS - 1
    names = sorted(set(logins["user"]))
    place = {name: n for n, name in enumerate(names)}
    present = np.zeros((len(names), days), dtype=np.int64)
    inside = logins[(logins["day"] > start) & (logins["day"] <= start + days)]
    present[inside["user"].map(place), inside["day"] - start - 1] = 1
    running = np.pad(present.cumsum(axis=1), ((0, 0), (1, 0)))
    within = running[:, WINDOW_DAYS:] - running[:, :-WINDOW_DAYS]  # days of login among the seven up to each day
    habit = pd.DataFrame((within >= HABIT_DAYS).astype(int), index=[org_of[name] for name in names])
    by_hand = habit.groupby(level=0).sum()
    ours = panel.assign(day=day_number(panel["as_of"]) - start - WINDOW_DAYS).pivot(
        index="account_key", columns="day", values="signal.habitual_users"
    )
    ours = ours.reindex(by_hand.index).fillna(0).astype(int)
    assert len(moments) == 737
    assert ours.shape[1] == by_hand.shape[1] == 737
    assert (ours.to_numpy() == by_hand.to_numpy()).all()
    assert by_hand.to_numpy().sum() > 100_000


def test_adopted_users_are_those_counted_by_hand(project, logins, moments):
    """SEM-A1: as a sticky stage, adopted once is adopted for ever, since the very day that the count by hand says."""
    monthly = [*moments[::28], moments[-1]]
    begun = time.monotonic()
    panel = pipeline.score_panel(project, ["adopted-users"], monthly, now=NOW)
    print(f"\nrelax: 12,000 users at {len(monthly)} moments, {len(panel)} rows in {time.monotonic() - begun:.1f} s")
    definition = project.definition("adopted-users")
    stage = f"stage_at.{next(i for i, stage in enumerate(definition.stages) if stage.name == 'Adopted')}"
    by_hand = adopted_on(logins)
    last = panel[panel["as_of"] == panel["as_of"].max()].set_index("subject_key")
    reached = last[stage].dropna().to_numpy(dtype="datetime64[D]").astype(int)
    ours = pd.Series(reached, index=last.index[last[stage].notna()])
    assert ours.sort_index().to_dict() == by_hand.sort_index().to_dict()
    assert len(by_hand) == 1602
    for moment, rows in panel.groupby("as_of"):
        ended = day_number(pd.Series([moment]))[0]
        assert set(rows.loc[rows["qualify"].fillna(False), "subject_key"]) == set(by_hand.index[by_hand <= ended])


def test_the_habit_of_a_user_comes_and_goes(project, logins, moments):
    """SEM-T3, M1: a user's days of login among the last seven are those of the raw table, at any moment."""
    chosen = moments[100::90]
    panel = pipeline.score_panel(project, ["adopted-users"], chosen, now=NOW)
    for moment, rows in panel.groupby("as_of"):
        ended = day_number(pd.Series([moment]))[0]
        week = logins[(logins["day"] > ended - WINDOW_DAYS) & (logins["day"] <= ended)]
        by_hand = week.groupby("user")["day"].nunique()
        ours = rows.set_index("subject_key")["signal.login_days"]
        pd.testing.assert_series_equal(
            ours[ours > 0].sort_index().astype(int),
            by_hand,
            check_names=False,
            check_dtype=False,
            check_index_type=False,
        )
