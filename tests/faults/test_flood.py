"""A flood for one channel becomes one table and a thread: no message is lost, doubled or hidden on the way."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import update
from tests.faults.conftest import many

from pql import store
from pql.outbox import Rhythm
from pql.store.instants import to_naive
from pql.store.tables import deliveries

RHYTHM = Rhythm(table_above=5)


def flood(line: Any, number: int, **options: Any) -> None:
    """So many messages of one run for one channel, as a run writes them: to be gathered before they are sent."""
    line.queue(number, **options)
    with store.writing(line.engine) as conn:
        conn.execute(update(deliveries).values(gather_at=to_naive(line.clock())))


def first_in_channel(line: Any) -> list[Any]:
    """The deliveries that stand in the channel itself."""
    return [each for each in line.all() if each.receipt and "thread_ts" not in each.receipt]


@pytest.mark.both_ledgers
def test_two_hundred_messages_to_one_channel_are_one_digest(line: Any) -> None:
    """PRODUCT-A1: one table in the channel, the messages in its thread, none faster than Slack shows them."""
    number = many(10, 200)
    line.sandbox.world.hides_bursts = True
    flood(line, number)
    line.until_settled(rhythm=RHYTHM)
    assert line.states() == {"delivered": number + 1}
    (table,) = first_in_channel(line)
    assert table.alert.headline == f"{number} accounts"
    assert line.sandbox.effects("slack_hidden") == []
    at = [datetime.fromisoformat(each["at"]) for each in line.sandbox.effects("slack")]
    assert min(later - sooner for sooner, later in pairwise(at)) >= timedelta(seconds=1)
    line.holds(number + 1)


@pytest.mark.both_ledgers
def test_the_answer_about_the_table_is_lost(line: Any) -> None:
    """PRODUCT-A5: a table that was posted although Slack said otherwise is found again; its thread waits for that."""
    flood(line, 6)
    line.sandbox.fail("chat.postMessage", "error", times=1, acts=True)
    assert line.deliver(rhythm=RHYTHM).states == {"ambiguous": 1}
    line.until_settled(rhythm=RHYTHM)
    assert line.states() == {"delivered": 7}
    assert len(first_in_channel(line)) == 1
    line.holds(7)


def test_hostile_names_in_a_table(line: Any) -> None:
    """What data says is inert and within Slack's limits in a table, too: Slack takes it as it is."""
    flood(line, 8, name="<!channel> `*_~" + "&<>😀" * 2_500 + " \u202egnp.exe\r\n {}")
    line.until_settled(rhythm=RHYTHM)
    assert line.states() == {"delivered": 9}
    line.holds(9)
