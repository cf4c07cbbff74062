"""The demo compares deliveries, and its clock, which begins two nights back, alarms nobody."""

from __future__ import annotations

import shutil
from pathlib import Path

from pql.orchestration.demo import HORIZON_HOURS, _ledger, _settings
from pql.orchestration.demo_receipts import read_back
from pql.orchestration.demo_summary import _disagreements
from pql.sandbox import Server, connections
from pql.settings import load_settings


def test_what_ops_are_told_is_no_delivery() -> None:
    """Notices in Slack have no delivery key: they neither lack a decision nor arrive twice."""
    ping = {"kind": "slack", "key": "pql-1"}
    notice = {"kind": "slack", "key": None}
    delivered = [("slack", "delivered", "pql-1")]
    assert _disagreements(delivered, [ping, notice, notice]) == []
    assert _disagreements(delivered, [notice]) == ["Slack messages: pql-1 was delivered but never arrived"]
    assert _disagreements(delivered, [ping, ping]) == ["Slack messages: pql-1 arrived 2 times"]


def test_no_source_is_late_because_the_demo_begins_two_nights_back(tmp_path: Path) -> None:
    """Its settings are the project's own, but for the horizon and what counts as late."""
    sources = load_settings(_settings(tmp_path)).sources
    assert {source.late_after_hours for source in sources.values()} == {HORIZON_HOURS}


def test_the_demo_reads_its_receipts_back(tmp_path: Path, migrated_sqlite: Path) -> None:
    """By the demo's own environment: nothing differs where nothing was sent, and everything can be read."""
    settings = _settings(tmp_path)
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    with Server(tmp_path / "sandbox") as sandbox:
        where = {"PQL_SETTINGS": str(settings), "PQL_LAKE": str(tmp_path), "PQL_LEDGER": _ledger(tmp_path)}
        environment = {**where, **connections(sandbox.url)}
        assert read_back(environment) == []
