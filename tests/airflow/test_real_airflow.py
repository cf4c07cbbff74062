"""Sparkify's November through a real Airflow, as ops would backfill it: every night a snapshot, nobody pinged.

`PQL_TEST_NIGHTS=30 make test ARGS="tests/airflow -k month"` does the whole month.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from pql import store
from pql.lake import Lake
from pql.orchestration.local_airflow import LocalAirflow
from pql.pipeline.project import ROOT
from pql.sandbox import Server

DATA = ROOT.parent / "shared" / "data" / "sparkify"
NIGHTS = int(os.environ.get("PQL_TEST_NIGHTS", "7"))  # of November 2018; the whole month (30) takes some minutes
FIRST = datetime(2018, 11, 1, tzinfo=UTC)  # start of the first interval
LAST = FIRST + timedelta(days=NIGHTS - 1)

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the sparkify data is not at {DATA}"),
]


def _tables(airflow: LocalAirflow) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the ledger but the sources' own notes and the marks, which ingest may write at any time."""
    engine = create_engine(airflow.environment["PQL_LEDGER"])
    names = [t for t in store.tables.metadata.tables if t not in ("sources", "dirty_marks", "counters")]
    with engine.connect() as connection:
        return {name: [tuple(r) for r in connection.execute(text(f"SELECT * FROM {name}"))] for name in names}


def test_nights_of_a_month_are_backfilled_and_nobody_is_pinged(airflow: LocalAirflow, sandbox: Server) -> None:
    """As many snapshots as nights, a would-have-announced figure in each result, and not one effect."""
    before = _tables(airflow)
    airflow.unpause("deliver")
    airflow.backfill("nightly_scores", f"{FIRST:%Y-%m-%dT%H:%M:%SZ}", f"{LAST:%Y-%m-%dT%H:%M:%SZ}")
    airflow.unpause("nightly_scores")
    runs = [run for run in airflow.wait_for_runs("nightly_scores", NIGHTS, 500) if run["run_type"] == "backfill"]

    assert [run["state"] for run in runs] == ["success"] * NIGHTS
    lake = Lake(airflow.environment["PQL_LAKE"])
    nights = [FIRST + timedelta(days=n + 1) for n in range(NIGHTS)]
    assert [m for m in lake.list_scores("upgrade", "nightly") if m <= nights[-1]] == nights
    results = [airflow.xcom("nightly_scores", str(run["dag_run_id"]), "decide") for run in runs]
    assert all(result["live"] is False for result in results)
    assert sum(result["would_have_announced"] for result in results) > NIGHTS // 2
    assert sum(result["queued"] for result in results) == 0
    assert sandbox.effects() == []
    assert _tables(airflow)["deliveries"] == before["deliveries"] == []
    assert _tables(airflow)["episodes"] == []


def test_no_secret_is_left_in_logs(airflow: LocalAirflow) -> None:
    """Tokens and signing secrets appear in no log file of the run."""
    words = ("xoxb-sandbox", "pat-sandbox", "whsec_")
    logs = [p for p in Path(airflow.home).rglob("*.log") if p.is_file()]
    assert logs
    found = [str(p) for p in logs if any(word in p.read_text(errors="replace") for word in words)]
    assert found == []
