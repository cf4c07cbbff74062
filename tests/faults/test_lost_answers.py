"""The request had its effect and the answer was lost: it is found again, and nothing is sent twice."""

from __future__ import annotations

import time
from math import ceil
from typing import Any

import pytest
from tests.faults.conftest import KINDS, many

from pql.clients.hubspot_records import BATCH


@pytest.mark.both_ledgers
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_lost_after_the_effect(line: Any, kind: str) -> None:
    """PRODUCT-A5: every first answer is lost; all are reconciled, none is posted again."""
    number = many(12, 1000)
    line.queue(number, kind)
    path = {"slack": "chat.postMessage", "crm_task": "tasks/batch/upsert", "webhook": "/webhook/"}[kind]
    requests = ceil(number / BATCH) if kind == "crm_task" else number  # tasks leave by the hundred
    line.sandbox.fail(path, "error", times=requests, acts=True)
    line.until_settled()
    assert line.states() == {"delivered": number}
    line.holds(number)


def test_a_request_that_lands_after_the_clients_time_out(line: Any) -> None:
    """The message appears 45 seconds after the client gave up: the quiet period prevents the double."""
    line.queue(1)
    line.sandbox.fail("chat.postMessage", "late", delay_s=45)
    line.deliver()
    assert line.states() == {"ambiguous": 1}
    line.clock.turn(seconds=40)
    line.deliver()
    assert line.sandbox.effects() == []
    line.clock.turn(seconds=10)
    _arrives(line)
    line.until_settled()
    assert line.states() == {"delivered": 1}
    line.holds(1)


def _arrives(line: Any) -> None:
    deadline = time.monotonic() + 10
    while not line.sandbox.effects("slack") and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize("how", ["error", "fatal_error", "internal_error", "unavailable"])
@pytest.mark.parametrize("acts", [True, False], ids=["it acted", "it did not act"])
def test_whatever_slack_says_while_it_breaks(line: Any, how: Any, acts: bool) -> None:
    """The same words whether it acted or not: the history decides, and there is one message."""
    line.queue(3)
    line.sandbox.fail("chat.postMessage", how, times=3, acts=acts)
    line.until_settled()
    assert line.states() == {"delivered": 3}
    line.holds(3)


@pytest.mark.parametrize("how", ["rate_limited", "unavailable", "down"])
def test_a_history_that_cannot_be_read_is_no_answer(line: Any, how: Any) -> None:
    """While the history cannot be read the delivery stays ambiguous: a human is told, nobody guesses."""
    line.queue(1)
    line.sandbox.fail("chat.postMessage", "lost")
    line.sandbox.fail("conversations.history", how, times=None, delay_s=10**7)
    reports: list[dict[str, int]] = []
    for _ in range(12):
        reports.append(line.deliver().states)
        line.clock.turn(hours=12)
    assert line.states() == {"ambiguous": 1}
    assert {"unclear": 1} in reports
    line.sandbox.faults.clear()
    line.until_settled()
    line.holds(1)


def test_the_sdk_sends_one_request_and_no_second(line: Any, loopback: Any) -> None:
    """slack-sdk's own retry of a broken connection is switched off: exactly one request leaves."""
    from pql.clients.slack import Slack, SlackError
    from pql.types import Connection

    loopback.script = lambda seen: loopback.answer(hang_up=True)
    slack = Slack(Connection("slack_default", loopback.url, password="xoxb-x"))
    with pytest.raises(SlackError) as caught:
        slack.post({"channel": "#pql", "text": "x"})
    assert (len(loopback.seen), caught.value.fate) == (1, "ambiguous")
