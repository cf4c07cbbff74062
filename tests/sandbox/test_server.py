"""The sandbox as a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from pql.sandbox import Server, connections
from pql.sandbox.credentials import HUBSPOT_TOKEN


def test_the_process_says_where_it_is_and_stands_still_in_time(tmp_path: Path) -> None:
    """The first line is JSON with the URL; `--now` stops its clock; its state is in the folder named."""
    command = [
        sys.executable,
        "-m",
        "pql.sandbox",
        "--port",
        "0",
        "--state",
        str(tmp_path),
        "--now",
        "2026-11-18T14:30",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        health = requests.get(f"{url}/health", timeout=30).json()
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert url.startswith("http://127.0.0.1:")
    assert health == {"ok": True, "seed": 7, "now": "2026-11-18T14:30:00+00:00"}


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Exit code 2 and a sentence, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "pql.sandbox", "--port", port, "--state", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"port {port} is not free" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_connections_open_every_door(sandbox: Server) -> None:
    """The four connections of the project, as Airflow and the command line read them, lead to the sandbox."""
    found = {name: json.loads(text) for name, text in connections(sandbox.url).items()}
    assert set(found) == {
        "AIRFLOW_CONN_SLACK_DEFAULT",
        "AIRFLOW_CONN_HUBSPOT_DEFAULT",
        "AIRFLOW_CONN_MIXPANEL_DEFAULT",
        "AIRFLOW_CONN_ZAPIER_NUDGE",
    }
    slack, hubspot = found["AIRFLOW_CONN_SLACK_DEFAULT"], found["AIRFLOW_CONN_HUBSPOT_DEFAULT"]
    tests = [(f"{slack['host']}/api/auth.test", slack), (f"{hubspot['host']}/account-info/v3/details", hubspot)]
    for url, connection in tests:
        headers = {"Authorization": f"Bearer {connection['password']}"}
        answer = requests.get(url, headers=headers, timeout=10)
        assert answer.ok
        assert answer.json().get("ok", True)


def test_a_company_that_stands_still_takes_what_is_written(tmp_path: Path) -> None:
    """With `company_at` years of the clock bring no record of the simulation; a task written then is there."""
    now = [datetime(2026, 3, 2, tzinfo=UTC)]
    with Server(tmp_path, clock=lambda: now[0], company_at=now[0]) as sandbox:
        objects, known = f"{sandbox.url}/hubspot/crm/v3/objects", {"Authorization": f"Bearer {HUBSPOT_TOKEN}"}
        before = requests.get(f"{objects}/companies", headers=known, timeout=30).json()
        now[0] += timedelta(days=700)
        assert requests.get(f"{objects}/companies", headers=known, timeout=30).json() == before
        task = {"properties": {"hs_timestamp": "2026-03-02T00:00:00Z", "hs_task_subject": "Call"}}
        assert requests.post(f"{objects}/tasks", json=task, headers=known, timeout=30).status_code == 201
    assert [effect["at"] for effect in sandbox.effects()] == [now[0].isoformat()]
