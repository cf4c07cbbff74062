"""A stopped run asks in the real Airflow; what is answered there, by REST as in the browser, is carried out once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from sqlalchemy import delete, select
from tests.airflow.conftest import DATA
from tests.outbox.conftest import World

from pql import store
from pql.orchestration.local_airflow import LocalAirflow
from pql.orchestration.storm_words import APPROVE, KEEP, REJECT
from pql.store.tables import metadata, storm_answers

DAG = "approve_storm"
PATIENCE_S = 300

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the sparkify data is not at {DATA}"),
]


@pytest.fixture
def world(airflow: LocalAirflow) -> Iterator[World]:
    """Airflow's ledger, emptied before and after; what becomes due stays due, since nothing delivers meanwhile."""
    was_running = not airflow.call("GET", "/dags/deliver")["is_paused"]
    if was_running:
        airflow.pause("deliver")
    engine = store.connect(airflow.environment["PQL_LEDGER"])
    _empty(engine)
    yield World(engine)
    _empty(engine)
    engine.dispose()
    if was_running:
        airflow.unpause("deliver")


def _empty(engine: Any) -> None:
    with store.writing(engine) as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))


def questions(airflow: LocalAirflow, *runs: str) -> dict[str, dict[str, Any]]:
    """What Airflow asks about each of these DAG runs, once all of them wait: what the page Required Actions lists.

    Airflow's scheduler takes an answer for a crash if it comes before it has heard from its executor that the task
    waits (about a second), and asks again. People are slower, a test must wait for that.
    """
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        answer = airflow.call("GET", f"/dags/{DAG}/dagRuns/~/hitlDetails", params={"response_received": False})
        found = {str(each["task_instance"]["dag_run_id"]): each for each in answer["hitl_details"]}
        heard = (airflow.home / "scheduler.log").read_text(errors="replace")
        if all(run in found and f"Finished: dag_id={DAG}, task_id=ask, run_id={run}" in heard for run in runs):
            return found
        time.sleep(0.5)
    raise TimeoutError(f"nothing was asked about {runs}")


def ask(airflow: LocalAirflow, run: int) -> str:
    """Start the question about that run, as the task of a stopped run does."""
    body = {"dag_run_id": f"storm-{run}", "logical_date": None, "conf": {"run": run}}
    return str(airflow.call("POST", f"/dags/{DAG}/dagRuns", json=body)["dag_run_id"])


def answer(airflow: LocalAirflow, dag_run: str, chosen: str, reason: str) -> None:
    """Answer as the form in the browser does."""
    path = f"/dags/{DAG}/dagRuns/{dag_run}/taskInstances/ask/-1/hitlDetails"
    airflow.call("PATCH", path, json={"chosen_options": [chosen], "params_input": {"reason": reason}})


def test_two_storms_are_asked_about_and_answered_apart(airflow: LocalAirflow, world: World) -> None:
    """Each shows what it holds; one is approved and due, the other rejected; the ledger keeps who and why, once."""
    wanted, unwanted = world.stops("org:1", "org:2", because="2 at once"), world.stops("org:3", because="doubled")
    first, second = ask(airflow, wanted), ask(airflow, unwanted)
    shown = questions(airflow, first, second)
    assert shown[first]["subject"] == f"Run {wanted} is held: 2 deliveries about 2 accounts. Send them?"
    assert "| Org\\:2 | 51 | B1 |" in shown[first]["body"]
    assert "doubled" in shown[second]["body"]
    assert shown[first]["defaults"] == [KEEP]
    assert {each.state for each in world.all()} == {"held"}

    answer(airflow, first, APPROVE, "a launch")
    answer(airflow, second, REJECT, "an import came twice")
    with pytest.raises(requests.HTTPError, match="409"):
        answer(airflow, first, REJECT, "too late")
    runs = airflow.wait_for_runs(DAG, 2, PATIENCE_S)
    assert {run["state"] for run in runs} == {"success"}
    assert {each.account_key: each.state for each in world.all()} == {
        "org:1": "pending", "org:2": "pending", "org:3": "suppressed",
    }  # fmt: skip
    columns = storm_answers.c
    with store.reading(world.engine) as conn:
        rows = conn.execute(select(columns.run_id, columns.answer, columns.who, columns.why, columns.origin)).all()
    assert sorted(tuple(row) for row in rows) == sorted(
        [
            (wanted, "approved", "Anonymous", "a launch", "airflow"),
            (unwanted, "rejected", "Anonymous", "an import came twice", "airflow"),
        ]
    )
    assert airflow.xcom(DAG, first, "carry_out")["queued"] == 2
