"""The form in Airflow does what the command line does: shown first, with who asked, and only numbers come back."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import insert, select

from pql import store
from pql.orchestration import by_hand_tasks
from pql.store.instants import to_naive
from pql.store.tables import deliveries
from pql.types import Alert

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
STATES = ("delivered", "dead", "dead", "ambiguous", "pending", "suppressed")
EMPTY = {"action": "retry", "ids": None, "state": None, "destination": None, "reason": None, "dry_run": False}
ALERT = Alert("just qualified", ("d",), ("D",), "org:1", "org:1", "Acme", NOW.isoformat(), 82, 75, "B1", 9)

Asked = Callable[..., dict[str, int]]


@pytest.fixture
def ledger_of(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[int, Any]]:
    """A project with a delivery in each of STATES, numbered from 1; call it for its rows."""
    (tmp_path / "settings.yaml").write_text("destinations:\n  slack: {kind: slack}\n  other: {kind: slack}\n")
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    monkeypatch.setenv("PQL_LEDGER", url)
    monkeypatch.setattr("pql.orchestration.runtime.now", lambda: NOW)
    engine = store.connect(url)
    at = to_naive(NOW)
    with store.writing(engine) as conn:
        for number, state in enumerate(STATES, 1):
            row = {"destination": "other" if number == 3 else "slack", "kind": "slack", "lane": "slack:#x"}
            row |= {"options": {}, "alert": asdict(ALERT), "key": f"k{number}", "account_key": "org:1"}
            row |= {"subject_key": "org:1", "state": state, "created_at": at, "not_before": at, "attempt": 3}
            row |= {"sent_at": at if state == "ambiguous" else None, "reason": "was so"}
            conn.execute(insert(deliveries).values(row))

    def rows() -> dict[int, Any]:
        with store.reading(engine) as conn:
            return {row.id: row for row in conn.execute(select(deliveries))}

    return rows


@pytest.fixture
def asked(ledger_of: Any, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Trigger the DAG with these fields of the form, as the login `dana`."""

    def trigger(**fields: Any) -> dict[str, int]:
        run = SimpleNamespace(triggering_user_name="dana")
        context = {"params": {**EMPTY, **fields}, "dag_run": run, "dag": SimpleNamespace(dag_id="deliveries_by_hand")}
        for module in ("by_hand_tasks", "notices"):
            monkeypatch.setattr(f"pql.orchestration.{module}.get_current_context", lambda: context)
        return dict(by_hand_tasks.act.function())

    return trigger


def states(rows: dict[int, Any]) -> tuple[str, ...]:
    return tuple(rows[number].state for number in sorted(rows))


def test_a_trial_lists_and_does_nothing(asked: Asked, ledger_of: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which ones, Airflow gets numbers, the ledger stays as it is."""
    with caplog.at_level(logging.INFO):
        assert asked(state="dead", dry_run=True) == {"meant": 2, "changed": 0, "queued": 0}
    assert "delivery 2 (dead, slack to slack)" in caplog.text
    assert "delivery 3 (dead, slack to other)" in caplog.text
    assert states(ledger_of()) == STATES


def test_a_retry_by_state_and_destination(asked: Asked, ledger_of: Any) -> None:
    """Those and no others are due; the outbox is to be woken; again there is none."""
    assert asked(state="dead", destination="slack") == {"meant": 1, "changed": 1, "queued": 1}
    assert states(ledger_of()) == ("delivered", "pending", "dead", "ambiguous", "pending", "suppressed")
    assert asked(state="dead", destination="slack") == {"meant": 0, "changed": 0, "queued": 0}


def test_a_retry_by_number_looks_first_for_what_may_have_arrived(asked: Asked, ledger_of: Any) -> None:
    """Numbers as people write them; what was delivered is left alone."""
    assert asked(ids="1, 4\n6")["changed"] == 2
    row = ledger_of()[4]
    assert (row.state, row.sent_at, row.attempt) == ("pending", to_naive(NOW), 0)
    assert ledger_of()[1].state == "delivered"


def test_a_suppression_keeps_why_and_who(asked: Asked, ledger_of: Any) -> None:
    """The reason stands with the delivery, with Airflow's login; nothing is woken."""
    asked_for = {"action": "suppress", "ids": "5", "reason": "told by phone"}
    assert asked(**asked_for) == {"meant": 1, "changed": 1, "queued": 0}
    assert ledger_of()[5].reason == "told by phone (by dana)"
    assert asked(**asked_for)["changed"] == 0
    assert ledger_of()[5].reason == "told by phone (by dana)"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "say which deliveries"),
        ({"destination": "slack"}, "say which deliveries"),
        ({"action": "suppress", "ids": "5"}, "say why"),
        ({"state": "held"}, "retry is for those that are"),
    ],
)
def test_a_form_that_cannot_be_meant_fails_at_once(asked: Asked, ledger_of: Any, fields: Any, why: str) -> None:
    """No retry of the task would make it right; nothing is done."""
    with pytest.raises(AirflowFailException, match=why):
        asked(**fields)
    assert states(ledger_of()) == STATES


def test_without_a_login_it_is_nobody_in_particular() -> None:
    """A run started by a trigger that has no name says none."""
    assert by_hand_tasks.who({"dag_run": SimpleNamespace()}) == ""
