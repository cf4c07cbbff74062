"""The nights of sparkify's November that tests backfill, and what must hold afterwards, whoever started it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, text

from pql.lake import Lake
from pql.orchestration.local_airflow import LocalAirflow
from pql.sandbox import Server

A_FEW = 4
NIGHTS = int(os.environ.get("PQL_TEST_NIGHTS", A_FEW))  # the whole month (30) takes some minutes
FIRST = datetime(2018, 11, 5 if NIGHTS == A_FEW else 1, tzinfo=UTC)  # of the first interval; earlier, nobody is new
LAST = FIRST + timedelta(days=NIGHTS - 1)
TELLING = ("episodes", "occurrences", "deliveries", "delivery_causes")


@dataclass(frozen=True)
class Told:
    """Everything that could reach a person, or did: the ledger's rows by table, and the sandbox's log."""

    rows: dict[str, list[tuple[Any, ...]]]
    effects: list[Any]


def told(airflow: LocalAirflow, sandbox: Server) -> Told:
    """What has been told up to now."""
    engine = create_engine(airflow.environment["PQL_LEDGER"])
    with engine.connect() as connection:
        rows = {table: [tuple(r) for r in connection.execute(text(f"SELECT * FROM {table}"))] for table in TELLING}
    engine.dispose()
    return Told(rows, list(sandbox.effects()))


def results(airflow: LocalAirflow) -> dict[str, dict[str, Any]]:
    """run id → what its `decide` returned, of every backfilled night; each run ended well."""
    runs = [run for run in airflow.runs("nightly_scores") if run["run_type"] == "backfill"]
    assert [run["state"] for run in runs] == ["success"] * NIGHTS
    ids = [str(run["dag_run_id"]) for run in runs]
    return {id: airflow.xcom("nightly_scores", id, "decide") for id in ids}


def check_nights_were_silent(airflow: LocalAirflow, sandbox: Server, before: Told) -> None:
    """As many snapshots as nights, a would-have-announced figure in each result, nothing queued, nobody told."""
    lake = Lake(airflow.environment["PQL_LAKE"])
    nights = [FIRST + timedelta(days=n + 1) for n in range(NIGHTS)]
    assert [m for m in lake.list_scores("upgrade", "nightly") if m <= nights[-1]] == nights
    decided = results(airflow).values()
    assert all(result["live"] is False for result in decided)
    assert sum(result["would_have_announced"] for result in decided) > NIGHTS // 2
    assert sum(result["queued"] for result in decided) == 0
    assert told(airflow, sandbox) == before
