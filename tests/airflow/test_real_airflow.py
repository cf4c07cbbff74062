"""Sparkify's November through a real Airflow, backfilled by REST; and what any of its runs left behind.

`PQL_TEST_NIGHTS=30 make test ARGS="tests/airflow -k month"` does the whole month.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.airflow.conftest import CHROMIUM, DATA
from tests.airflow.november import A_FEW, FIRST, LAST, NIGHTS, check_nights_were_silent, told

from pql.orchestration.local_airflow import LocalAirflow
from pql.sandbox import Server

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the sparkify data is not at {DATA}"),
]


@pytest.mark.skipif(CHROMIUM is not None and NIGHTS == A_FEW, reason="a browser starts this backfill in another test")
def test_nights_of_a_month_are_backfilled_and_nobody_is_pinged(airflow: LocalAirflow, sandbox: Server) -> None:
    """As many snapshots as nights, a would-have-announced figure in each result, and not one effect."""
    before = told(airflow, sandbox)
    airflow.unpause("deliver")
    airflow.backfill("nightly_scores", f"{FIRST:%Y-%m-%dT%H:%M:%SZ}", f"{LAST:%Y-%m-%dT%H:%M:%SZ}")
    airflow.unpause("nightly_scores")
    airflow.wait_for_runs("nightly_scores", NIGHTS, 500)
    check_nights_were_silent(airflow, sandbox, before)


def test_no_secret_is_left_behind(airflow: LocalAirflow) -> None:
    """Tokens and signing secrets are in no log, and not in the databases: no XCom, rendered field or dead letter."""
    told = [json.loads(value) for name, value in airflow.environment.items() if name.startswith("AIRFLOW_CONN_")]
    words = [each["password"].encode() for each in told if len(each["password"]) > len("sandbox")]
    assert len(words) > 2
    home = Path(airflow.home)
    logs = [path for path in home.rglob("*.log") if path.is_file()]
    databases = [*home.glob("*.db*"), *home.parent.glob("ledger.db*")]
    assert logs
    assert len(databases) > 1
    found = [str(path) for path in logs + databases if any(word in path.read_bytes() for word in words)]
    assert found == []
