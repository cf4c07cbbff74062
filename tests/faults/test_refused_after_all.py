"""A task was sent, nobody knows whether it arrived, and HubSpot refuses it when it is sent again."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "fault", "more", "then"),
    [
        ("tasks/batch/upsert", "error", {"acts": True}, "ambiguous"),  # the answer is lost before it was linked
        ("tasks/batch/upsert", "unavailable", {"acts": True}, "ambiguous"),  # a 503 of something that lost the answer
        ("associate/default", "rate_limited", {"times": None}, "pending"),  # it cannot be linked for a while
    ],
)
def test_a_task_without_its_link_is_there(line: Any, path: str, fault: str, more: Any, then: str) -> None:
    """PRODUCT-A5: made, but not linked; to be linked it is sent again and refused: dead, and known to be there."""
    line.queue(1, "crm_task")
    line.sandbox.fail(path, fault, **more)
    line.deliver()
    assert line.states() == {then: 1}
    line.sandbox.fail("tasks/batch/upsert", "partial", times=None, rows=1.0)
    line.until_settled()
    assert line.states() == {"dead": 1}
    assert line.judged().effects == 1
    (dead,) = line.all()
    assert dead.sent_at is not None


def test_a_dead_letter_keeps_the_note_that_it_may_have_been_sent(line: Any) -> None:
    """PRODUCT-A5: the first request lands late, the second is refused: dead, and known to be there perhaps."""
    line.queue(1, "crm_task")
    line.sandbox.fail("tasks/batch/upsert", "late", delay_s=600)
    line.deliver()
    assert line.states() == {"ambiguous": 1}
    line.sandbox.fail("tasks/batch/upsert", "partial", times=None, rows=1.0)
    line.until_settled(hours=0.1)
    assert line.states() == {"dead": 1}
    line.clock.turn(seconds=600)
    deadline = time.monotonic() + 10
    while line.sandbox.landing_at() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert line.judged().effects == 1
    (dead,) = line.all()
    assert dead.sent_at is not None
    assert line.clock() - dead.sent_at < timedelta(days=1)
