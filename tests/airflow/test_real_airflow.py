"""Sparkify's November through a real Airflow, backfilled by REST; and what any of its runs left in the logs.

`PQL_TEST_NIGHTS=30 make test ARGS="tests/airflow -k month"` does the whole month.
"""

from __future__ import annotations

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


def test_no_secret_is_left_in_logs(airflow: LocalAirflow) -> None:
    """Tokens and signing secrets appear in no log file of the run."""
    words = ("xoxb-sandbox", "pat-sandbox", "whsec_")
    logs = [p for p in Path(airflow.home).rglob("*.log") if p.is_file()]
    assert logs
    found = [str(p) for p in logs if any(word in p.read_text(errors="replace") for word in words)]
    assert found == []
