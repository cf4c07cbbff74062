"""`make demo EXIT=1`, as a newcomer types it: pings and tasks arrive, and a second time nothing is sent twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(2400), pytest.mark.xdist_group("airflow")]


def _demo(home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pql.orchestration.demo", "--exit", "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _sent(home: Path) -> Counter[tuple[str, str]]:
    """(kind, delivery key) → how often the sandbox's own log has it."""
    lines = (home / "sandbox" / "effects.ndjson").read_text().splitlines()
    effects = [json.loads(line) for line in lines]
    return Counter((e["kind"], e["key"]) for e in effects if e["kind"] in ("slack", "crm_task", "webhook") and e["key"])


def test_two_demos(tmp_path: Path) -> None:
    """The first tells of somebody in Slack and in the CRM, the second repeats none of it, and both figures agree."""
    first_said = _demo(tmp_path)
    first = _sent(tmp_path)
    assert "The ledger and the sandbox's own log agree." in first_said
    assert {"slack", "crm_task"} <= {kind for kind, _ in first}

    second_said = _demo(tmp_path)
    second = _sent(tmp_path)
    assert "The ledger and the sandbox's own log agree." in second_said
    assert first.keys() <= second.keys()
    assert set(second.values()) == {1}
