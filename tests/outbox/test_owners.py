"""A lease ends by the clock; a worker that is seen at work keeps its row all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

from pql import store
from pql.outbox.sending import owners
from pql.outbox.sending.claims import LEASE, STUCK, claim


def _name_of(pid: int) -> str:
    with owners.at_work() as mine:
        host = mine.split("|")[0]
    return f"{host}|{pid}|{owners._started(pid)}|x"


def test_a_clock_put_forward_takes_no_row_from_a_worker_at_work(world: Any) -> None:
    """An hour's jump of the clock makes no lease lapse whose owner works on; when it has ended the row is taken."""
    world.qualifies("org:1")
    with owners.at_work() as name:
        with store.writing(world.engine) as conn:
            assert len(claim(conn, "remote", owner=name, now=world.clock(), limit=5)) == 1
        world.clock.turn(hours=1)
        assert world.deliver().states == {}
    assert world.deliver().states == {"delivered": 1}


def test_a_worker_that_is_stuck_loses_its_row_in_the_end(world: Any) -> None:
    """A process that never ends does not keep a delivery for ever."""
    world.qualifies("org:1")
    with owners.at_work() as name:
        with store.writing(world.engine) as conn:
            claim(conn, "remote", owner=name, now=world.clock(), limit=5)
        world.clock.now += LEASE + STUCK + timedelta(seconds=1)
        assert world.deliver().states == {"delivered": 1}


def test_another_process_is_seen_to_live_and_to_have_died() -> None:
    """A running process of this machine is alive, an ended one is not, nor one that got its number later."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = _name_of(child.pid)
    assert owners.is_alive(name)
    assert not owners.is_alive(name.replace(owners._started(child.pid), "1.00"))
    child.kill()
    child.wait()
    assert not owners.is_alive(name)


def test_nobody_else_is_taken_for_alive() -> None:
    """Another machine's worker, a worker of this process whose work is over, and no name at all are not seen."""
    with owners.at_work() as name:
        pass
    assert not any(map(owners.is_alive, (name, f"elsewhere|{os.getpid()}|1.00|x", "dead", None)))
