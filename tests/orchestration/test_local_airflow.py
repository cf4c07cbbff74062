"""The Airflow of demo and tests leaves nothing behind, and does not fight over ports."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from pql.orchestration.local_airflow import LocalAirflow, free_port

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_what_runs_in_a_group_of_its_own_is_ended_too(tmp_path: Path) -> None:
    """A task under way, which Airflow puts into its own process group, ends with the Airflow that started it."""
    airflow = LocalAirflow(home=tmp_path, environment={})
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    airflow._processes["scheduler"] = parent

    airflow.stop()

    assert parent.poll() is not None
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_taken_port_is_avoided() -> None:
    """Where somebody listens on the preferred port, another one is found."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        preferred = taken.getsockname()[1]
        assert free_port(preferred) != preferred
    assert free_port(preferred) == preferred


def test_no_secret_of_this_machine_reaches_it(tmp_path: Path) -> None:
    """Its processes get the environment they are given, and no AIRFLOW_ or PQL_ variable of whoever started them."""
    airflow = LocalAirflow(home=tmp_path, environment={"PQL_LAKE": "here"}, port=1)
    assert airflow.env["PQL_LAKE"] == "here"
    assert airflow.env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert airflow.env["AIRFLOW__API_AUTH__JWT_SECRET"] == airflow.env["AIRFLOW__API_AUTH__JWT_SECRET"] != ""


def test_a_dag_is_paused_between_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that begins just as its DAG is paused would never end: it is let through first."""
    state = {"paused": False, "run": "success", "starts": 1}

    def call(method: str, path: str, **given: Any) -> dict[str, Any]:
        if method == "GET":
            if not state["paused"]:  # only then does Airflow go on with it
                state["run"] = "success"
            return {"dag_runs": [{"state": state["run"]}]}
        state["paused"] = given["json"]["is_paused"]
        if state["paused"] and state["starts"]:
            state.update(run="running", starts=0)
        return {}

    airflow = LocalAirflow(home=tmp_path, environment={})
    monkeypatch.setattr(airflow, "call", call)
    airflow.pause("deliver")
    assert state == {"paused": True, "run": "success", "starts": 0}
