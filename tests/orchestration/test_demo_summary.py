"""The demo compares deliveries, keeps its own figures apart from all, and begins two nights back without alarming."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pql.orchestration.demo import HORIZON_HOURS, _ledger, _settings
from pql.orchestration.demo_receipts import read_back
from pql.orchestration.demo_summary import Silent, Summary, _disagreements
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


def _run(kind: str, *, announced: int, silent: int) -> dict[str, Any]:
    counted = {"newly_qualified": announced + silent, "announced": announced, "silent": silent}
    return {"kind": kind, "as_of": "2026-11-22T00:00", "read": 10, "evaluated": 5, "accounts_told_of": 1} | counted


def _said(*runs: Mapping[str, Any]) -> dict[str, str]:
    """Label → figure and link, as the summary of these runs shows them; headings have an empty one."""
    summary = Summary(runs, {"slack": 7}, {"suppressed": 2}, Silent(77, 62), 0, ())
    lines = summary.text("http://airflow", "http://sandbox", Path("env"), 98).splitlines()
    parted = (re.split(r" {2,}", line.strip(), maxsplit=1) for line in lines)
    return {label: " ".join(rest) for label, *rest in parted}


def test_a_second_demo_tells_its_own_figures_from_those_of_all() -> None:
    """Nothing announced and nothing opened this time, above; seven messages and 77 silent stays in all, below."""
    said = _said(_run("nightly", announced=0, silent=0), _run("hourly", announced=0, silent=0))
    order = list(said)
    this, all_of_them = (
        order.index("This demo:"),
        order.index("In all, since the first demo (`make clean` forgets it):"),
    )
    assert this < order.index("Opened silently (baseline, old news)") < all_of_them < order.index("Slack messages")
    assert said["Opened silently (baseline, old news)"] == "0   http://airflow/dags/nightly_scores"
    assert said["Slack messages"] == "7   http://sandbox"
    assert said["Silent stays, of 62 accounts"] == "77   pql release"


def test_what_was_announced_links_to_the_dags_that_announced_it() -> None:
    """A night's openings are looked up with the nights, an hour's with the hours."""
    night, hour = "http://airflow/dags/nightly_scores", "http://airflow/dags/hourly_signals"
    quiet, label = _run("hourly", announced=0, silent=0), "Newly qualified, announced"
    assert _said(_run("nightly", announced=8, silent=0), quiet)[label] == f"8   {night}"
    both = _said(_run("nightly", announced=8, silent=0), _run("hourly", announced=1, silent=0))
    assert both[label] == f"9   {night}  {hour}"


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
