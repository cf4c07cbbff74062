"""Ops hear of each change once, and of none less than once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pql.orchestration import notices
from pql.types import Connection

SETTINGS = "ops_channel: '#pql-ops'\n"


@pytest.fixture
def slack(
    tmp_path: Path, migrated_sqlite: Path, loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bool], None]:
    """A project with an ops channel; call it to let Slack accept notices, or refuse them."""
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    monkeypatch.setenv("PQL_LEDGER", f"sqlite:///{tmp_path / 'ledger.db'}")
    connection = Connection("slack_default", host=loopback.url, password="xoxb-x")
    monkeypatch.setattr("pql.orchestration.runtime.connection", lambda _id: connection)
    monkeypatch.setattr(notices, "get_current_context", lambda: {"dag": SimpleNamespace(dag_id="hourly_signals")})

    def accept(yes: bool) -> None:
        said = {"ok": True, "channel": "C1", "ts": "1.1"} if yes else {"ok": False, "error": "internal_error"}
        loopback.script = lambda _seen: loopback.answer(said)

    accept(True)
    return accept


def task_failed() -> None:
    instance = SimpleNamespace(dag_id="hourly_signals", task_id="decide", run_id="r1")
    notices.task_failed({"task_instance": instance, "exception": RuntimeError("no disk")})


def run_timed_out() -> None:
    dag = SimpleNamespace(dag_id="hourly_signals", dagrun_timeout=timedelta(hours=2))
    notices.run_failed({"dag": dag, "run_id": "r1", "reason": "timed_out"})


def told(loopback: Any) -> list[str]:
    return [seen.body["text"].splitlines()[0] for seen in loopback.asked("/chat.postMessage")]


def test_each_change_is_told_once(slack: Callable[[bool], None], loopback: Any) -> None:
    """A failing task, its run and the next failure are one notice; that it works again is another."""
    task_failed()
    run_timed_out()
    task_failed()
    notices.run_succeeded()
    notices.run_succeeded()
    assert told(loopback) == [
        ":rotating_light: `hourly_signals` failed in task `decide` (run `r1`): no disk",
        ":white_check_mark: `hourly_signals` works again.",
    ]


def test_a_run_that_took_too_long_is_told(slack: Callable[[bool], None], loopback: Any) -> None:
    """No task fails when Airflow ends a run: the DAG says it."""
    run_timed_out()
    assert told(loopback) == [":rotating_light: `hourly_signals` failed (run `r1`): it was not done within 2:00:00"]


def test_what_slack_did_not_take_is_told_the_next_time(slack: Callable[[bool], None], loopback: Any) -> None:
    """A notice that was refused is not lost: the next report of the same state tells it."""
    slack(False)
    task_failed()
    slack(True)
    before = len(told(loopback))
    task_failed()
    task_failed()
    assert len(told(loopback)) - before == 1


def test_a_failure_nobody_could_be_told_of_is_not_forgotten(slack: Callable[[bool], None], loopback: Any) -> None:
    """Slack was away with everything else: ops hear at least that it works again."""
    slack(False)
    task_failed()
    slack(True)
    notices.run_succeeded()
    assert told(loopback)[-1] == ":white_check_mark: `hourly_signals` works again."
