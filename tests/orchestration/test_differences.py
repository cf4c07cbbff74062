"""Ops hear once of what differs between ledger and destinations, and once that it is in order again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from pql import store
from pql.destinations.read_back import CANNOT_BE_ASKED
from pql.orchestration import notices, signal_tasks
from pql.outbox.reconcile import Reconciled
from pql.store import discrepancies
from pql.store.discrepancies import Finding, Recorded, What
from pql.types import Connection

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SETTINGS = "ops_channel: '#pql-ops'\ndestinations:\n  slack: {kind: slack}\n"


@pytest.fixture
def engine(tmp_path: Path, migrated_sqlite: Path, loopback: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A project with an ops channel and Slack to tell them in."""
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    monkeypatch.setenv("PQL_LEDGER", f"sqlite:///{tmp_path / 'ledger.db'}")
    connection = Connection("slack_default", host=loopback.url, password="xoxb-x")
    monkeypatch.setattr("pql.orchestration.runtime.connection", lambda _id: connection)
    monkeypatch.setattr("pql.orchestration.runtime.now", lambda: NOW)
    accept(loopback, True)
    found = store.connect(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield found
    found.dispose()


def accept(loopback: Any, yes: bool) -> None:
    said = {"ok": True, "channel": "C1", "ts": "1.1"} if yes else {"ok": False, "error": "internal_error"}
    loopback.script = lambda _seen: loopback.answer(said)


def finding(number: int, what: What = "missing", at: datetime = NOW) -> Finding:
    said = "was delivered and is not there any more"
    return Finding(what, f"pql-{number}", "slack", "C1", None, at, said)


def found(engine: Engine, *findings: Finding, now: datetime = NOW) -> Recorded:
    """A reconciliation that read everything of two days."""
    since = now - timedelta(days=2)
    with store.deciding(engine) as conn:
        return discrepancies.record(conn, findings, read={("slack", "C1")}, since=since, oldest=since, now=now)


@pytest.fixture
def told(loopback: Any) -> Callable[[], list[str]]:
    return lambda: [seen.body["text"] for seen in loopback.seen]


def test_each_difference_is_told_once(engine: Engine, told: Any) -> None:
    """Found again it is no news; a further one is, and only that one is told."""
    found(engine, finding(1))
    notices.watch()
    found(engine, finding(1))
    notices.watch()
    assert len(told()) == 1
    assert "1 thing new" in told()[0]
    found(engine, finding(1), finding(2), finding(3))
    notices.watch()
    assert len(told()) == 2
    assert "2 things new" in told()[1]


def test_what_is_in_order_again_is_told_once(engine: Engine, told: Any) -> None:
    """Of what nobody had heard there is no all-clear either."""
    found(engine, finding(1))
    notices.watch()
    found(engine, finding(2))
    found(engine)
    notices.watch()
    notices.watch()
    assert len(told()) == 2
    assert told()[1].startswith(":white_check_mark: In order again")
    assert "•" in told()[1]


def test_what_slack_does_not_take_stays_to_be_told(engine: Engine, told: Any, loopback: Any) -> None:
    """Ops hear of it when Slack works again."""
    accept(loopback, False)
    found(engine, finding(1))
    notices.watch()
    accept(loopback, True)
    notices.watch()
    notices.watch()
    assert len(told()) == 2  # refused, then taken


def test_a_flood_is_one_notice(engine: Engine, told: Any) -> None:
    """A thousand messages gone are one message, with the first ten and how many more."""
    found(engine, *(finding(number) for number in range(1000)))
    notices.watch()
    assert len(told()) == 1
    assert "1,000 things new" in told()[0]
    assert "and 990 more" in told()[0]


def test_a_destination_that_cannot_be_read_is_told_and_its_recovery(engine: Engine, told: Any) -> None:
    """That nobody can look is no difference: it is said as such, once; a webhook never could be asked."""
    unread = {"slack": ("C1: conversations.history: ratelimited",), "nudge": (CANNOT_BE_ASKED,)}
    for _ in range(2):
        notices.reconciled(Reconciled((), Recorded(), {"slack": 0}, unread))
    assert len(told()) == 1
    assert "could not be read" in told()[0]
    for _ in range(2):
        notices.reconciled(Reconciled((), Recorded(), {"slack": 4}, {"nudge": (CANNOT_BE_ASKED,)}))
    assert len(told()) == 2
    assert "can be read again" in told()[1]


def test_a_night_of_the_past_reads_nothing_back(engine: Engine, loopback: Any) -> None:
    """A backfill says nothing of how things are now."""
    assert signal_tasks.reconcile.function({"live": False}) == {}
    assert loopback.seen == []


def test_a_live_night_reads_back_and_returns_counts_only(engine: Engine, loopback: Any) -> None:
    """Airflow gets numbers; with nothing sent lately nobody is asked anything."""
    counts = {"differ": 0, "new": 0, "in_order_again": 0, "effects": 0, "could_not_be_read": 0}
    assert signal_tasks.reconcile.function({"live": True}) == counts
    assert loopback.seen == []
