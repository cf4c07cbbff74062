"""A worker is killed, or goes on after it was given up: one effect, and an orphan's writes are refused."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest
from tests.faults.conftest import KINDS, SETTINGS

from pql.outbox.sending.settling import BOUNDARIES
from pql.pipeline.project import ROOT


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_boundary(line: Any, kind: str) -> None:
    """SIGKILL before the claim, claimed, marked, sent, before and after the receipt: each time one effect each."""
    for boundary in BOUNDARIES:
        line.queue(3, kind)
        told = (line.url, line.sandbox.url, SETTINGS.model_dump_json(), line.clock().isoformat(), boundary)
        ended = subprocess.run(
            [sys.executable, "-m", "tests.faults.workers", *told], cwd=ROOT, timeout=120, check=False
        )
        assert ended.returncode == -signal.SIGKILL, f"{boundary} was not passed"
        line.until_settled()
    assert line.states() == {"delivered": 3 * len(BOUNDARIES)}
    line.holds(3 * len(BOUNDARIES))


@pytest.mark.both_ledgers
@pytest.mark.parametrize("kind", KINDS)
def test_an_orphan_goes_on_while_the_retry_runs(line: Any, kind: str) -> None:
    """A worker goes on after its lease: the one that took over finds its effect, the orphan's writes are refused."""
    line.queue(1, kind)
    taken: list[dict[str, int]] = []

    def given_up(name: str) -> None:
        if name == "sent" and not taken:  # the request has had its effect, its worker sleeps for ten minutes
            line.clock.turn(minutes=10)
            taken.append(line.deliver(owner="successor").states)

    orphan = line.deliver(owner="orphan", boundary=given_up)
    assert (taken, orphan.states) == ([{"delivered": 1}], {"lost": 1})
    assert line.states() == {"delivered": 1}
    line.holds(1)


def test_a_clock_an_hour_ahead_or_behind_doubles_nothing(line: Any) -> None:
    """The clock jumps by an hour between any two deliveries, forward and back: nothing is lost, nothing doubled."""
    line.queue(6)
    jumps = iter([60, -60, 60, -60, 60, -60, 60, -60])

    def jump(name: str) -> None:
        if name in ("claimed", "marked sending"):
            line.clock.turn(minutes=next(jumps, 0))

    line.deliver(boundary=jump)
    line.until_settled()
    assert line.states() == {"delivered": 6}
    line.holds(6)
