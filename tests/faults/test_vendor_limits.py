"""Limits, refusals and outages of vendors: everything arrives in the end, once, and neighbours are not held back."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.faults.conftest import many

from pql import outbox, store


def _at(line: Any, kind: str) -> list[datetime]:
    return [datetime.fromisoformat(e["at"]) for e in line.sandbox.effects() if e["kind"] == kind]


def test_two_hundred_messages_to_one_channel(line: Any) -> None:
    """At most one a second, and all of them are shown: Slack silently drops what comes faster."""
    number = many(40, 200)
    line.sandbox.world.hides_bursts = True
    line.queue(number)
    line.until_settled()
    line.holds(number)
    assert _at(line, "slack_hidden") == []
    assert min(later - sooner for sooner, later in pairwise(_at(line, "slack"))) >= timedelta(seconds=1)


@pytest.mark.parametrize("told", ["7", "-5", "0", "999999999", "soon", "Sat, 01 Jan 2028 00:00:00 GMT", None])
def test_a_429_of_any_shape_delays_and_loses_nothing(line: Any, told: str | None) -> None:
    """However Retry-After is written, the deliveries arrive, none of them twice, and no attempt is used up."""
    line.queue(3)
    line.sandbox.fail("chat.postMessage", "rate_limited", times=2, retry_after=told)
    line.until_settled(hours=80)
    assert line.states() == {"delivered": 3}
    assert {each.attempt for each in line.all()} == {1}
    line.holds(3)


def test_a_batch_with_mixed_errors(line: Any) -> None:
    """HubSpot's 207: rows that failed for now are tried again, what never will is dead, their neighbours are done."""
    number = many(40, 400)
    line.queue(number, "crm_task")
    line.sandbox.fail(
        "tasks/batch/upsert",
        "partial",
        rows=0.3,
        seed=5,
        categories=("RATE_LIMITS", "VALIDATION_ERROR", "INTERNAL_ERROR"),
    )
    line.deliver()
    first = line.states()
    line.until_settled()
    assert first["delivered"] > number // 2
    assert first["pending"] > 0 < first["dead"]
    assert line.states() == {"delivered": number - first["dead"], "dead": first["dead"]}
    assert all("VALIDATION_ERROR" in str(each.reason) for each in line.all() if each.state == "dead")
    line.holds(number - first["dead"])


def test_one_destination_down_for_six_hours(line: Any) -> None:
    """The others are on time; what waited goes out when it is back, at pace, and nothing is given up."""
    number = many(10, 300)
    line.sandbox.fail("/hubspot/", "down", times=None, delay_s=6 * 3600)
    for kind in ("slack", "webhook", "crm_task"):
        line.queue(number, kind)
    began = line.clock()
    line.deliver()
    assert len(_at(line, "slack")) == len(_at(line, "webhook")) == number
    assert max(_at(line, "webhook")) - began < timedelta(minutes=10)
    line.until_settled(hours=24)
    assert line.states() == {"delivered": 3 * number}
    assert min(_at(line, "crm_task")) >= began + timedelta(hours=6)
    line.holds(3 * number)


def test_a_poison_row_ends_as_a_dead_letter_and_can_be_played_again(line: Any) -> None:
    """A permanent refusal is dead at once, with its reason and what it said; played again by hand it arrives once."""
    line.queue(6, "crm_task")
    line.sandbox.fail("tasks/batch/upsert", "partial", rows=0.5, seed=3)
    line.until_settled()
    dead = [each for each in line.all() if each.state == "dead"]
    assert 0 < len(dead) < 6
    assert all("refused on purpose" in str(each.reason) and each.alert.reasons for each in dead)
    line.holds(6 - len(dead))
    for retried in (len(dead), 0):  # the second time there is nothing left to play again
        with store.writing(line.engine) as conn:
            assert outbox.retry(conn, [each.id for each in dead], now=line.clock()) == retried
        line.until_settled()
    assert line.states() == {"delivered": 6}
    line.holds(6)
