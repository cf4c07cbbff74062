"""PRODUCT-A5: every decision without exactly one effect, every effect without a decision is found; nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import select, update

from pql import store
from pql.clients.slack import DELIVERY_EVENT, Slack
from pql.connections import from_environment
from pql.destinations.read_back import CANNOT_BE_ASKED, reader
from pql.outbox.reconcile import Reconciled, reconcile
from pql.sandbox import connections
from pql.store import discrepancies
from pql.store.instants import to_naive
from pql.store.tables import deliveries

DAYS = timedelta(days=2)


def reconciled(line: Any, *, seconds: float = 600) -> Reconciled:
    """The real readers over the sandbox, by the story's clock."""
    from tests.faults.conftest import SETTINGS

    found = from_environment(connections(line.sandbox.url))
    ways = {"clock": line.clock, "sleep": line.clock.sleep, "seconds": seconds}
    readers = {name: reader(name, SETTINGS, found, **ways) for name in SETTINGS.destinations}
    now = line.clock()
    return reconcile(line.engine, readers, since=now - DAYS, oldest=now - DAYS, now=now)


def slack(line: Any) -> Slack:
    return Slack(from_environment(connections(line.sandbox.url))("slack_default"))


def post(line: Any, key: str, **more: Any) -> None:
    """Somebody posts a message with that delivery key."""
    line.clock.turn(seconds=1)
    metadata = {"event_type": DELIVERY_EVENT, "event_payload": {"key": key}}
    slack(line).post({"channel": "#pql-mid", "text": "again", "metadata": metadata, **more})


def delete(line: Any, row: Any) -> None:
    """Somebody deletes the message."""
    slack(line).call("chat.delete", {"channel": row.receipt["channel"], "ts": row.receipt["ts"]}, as_json=True)


def what(done: Reconciled) -> list[tuple[str, int | None]]:
    return sorted((each.what, each.delivery_id) for each in done.findings)


def kept(line: Any) -> list[str]:
    """What is open in the ledger."""
    with store.reading(line.engine) as conn:
        return sorted(each.finding.what for each in discrepancies.list_open(conn))


@pytest.mark.both_ledgers
def test_where_all_is_well_the_list_is_empty(line: Any) -> None:
    """All delivered, some answers lost on the way: nothing differs, and of webhooks nobody can tell."""
    line.sandbox.fail("chat.postMessage", "error", times=2, acts=True)
    line.sandbox.fail("tasks/batch/upsert", "error", acts=True)
    for kind in ("slack", "crm_task", "webhook"):
        line.queue(5, kind)
    line.until_settled()
    done = reconciled(line)
    assert (what(done), dict(done.checked)) == ([], {"slack": 5, "crm": 5})
    assert done.unchecked == {"zapier_nudge": (CANNOT_BE_ASKED,)}
    assert kept(line) == []


@pytest.mark.both_ledgers
def test_a_message_deleted_by_hand_is_not_there_any_more(line: Any) -> None:
    """It is found once however often one looks, and ages when its day is over, of which nobody is told."""
    line.queue(3)
    line.until_settled()
    delete(line, line.all()[1])
    for _ in range(2):
        done = reconciled(line)
        assert what(done) == [("missing", 2)]
    assert (done.recorded.new, done.recorded.open) == (0, 1)
    with store.writing(line.engine) as conn:
        untold = discrepancies.take_untold(conn, line.clock())
        assert [each.finding.delivery_id for each in untold] == [2]
        discrepancies.mark_told(conn, untold, line.clock())
    line.clock.turn(days=3)
    done = reconciled(line)
    assert (what(done), done.recorded.cleared, kept(line)) == ([], 1, [])
    with store.writing(line.engine) as conn:
        assert discrepancies.take_untold(conn, line.clock()) == ()


def test_a_double_is_found_and_is_in_order_when_it_is_deleted(line: Any) -> None:
    """A second message with the key stands there: doubled, until somebody takes it away."""
    (key,) = line.queue(1)
    line.until_settled()
    post(line, key)
    assert what(reconciled(line)) == [("doubled", 1)]
    delete(line, line.all()[0])  # whichever of the two it is
    done = reconciled(line)
    assert what(done) == []
    assert (done.recorded.cleared, kept(line)) == (1, [])


def test_an_effect_nobody_decided_is_found(line: Any) -> None:
    """A key of a ledger that is not this one, also in a thread; a message without a key is nobody's business."""
    line.queue(1)
    line.until_settled()
    post(line, "pql-foreign")
    post(line, "pql-in-a-thread", thread_ts=line.all()[0].receipt["ts"])
    slack(line).post({"channel": "#pql-mid", "text": "hello"})
    done = reconciled(line)
    assert {(each.what, each.about) for each in done.findings} == {
        ("unknown", "pql-foreign"),
        ("unknown", "pql-in-a-thread"),
    }


@pytest.mark.parametrize(
    ("state", "sent", "found"),
    [
        ("dead", False, ["undue"]),
        ("dead", True, ["undue"]),
        ("suppressed", False, ["undue"]),
        ("suppressed", True, []),  # a person looked and said so
        ("held", False, ["undue"]),
        ("pending", False, ["undue"]),
        ("pending", True, []),  # it will be looked for
        ("ambiguous", True, []),
        ("sending", True, []),
    ],
)
def test_what_stands_there_although_it_should_not(line: Any, state: str, sent: bool, found: list[str]) -> None:
    """The ledger says it never arrived, and it did; what is on its way, or is looked for, is no finding."""
    (key,) = line.queue(1)
    line.until_settled()
    at = to_naive(line.clock()) if sent else None
    with store.writing(line.engine) as conn:
        conn.execute(update(deliveries).where(deliveries.c.key == key).values(state=state, sent_at=at, receipt=None))
    assert [each.what for each in reconciled(line).findings] == found


def test_an_answer_in_a_thread_is_read_in_its_thread(line: Any) -> None:
    """SEM-D5: what stands in no channel's history is found under its first message, and missed when it is deleted."""
    line.queue(2)
    with store.writing(line.engine) as conn:
        conn.execute(update(deliveries).where(deliveries.c.id == 2).values(thread_of=1))
    line.until_settled()
    assert "thread_ts" in line.all()[1].receipt
    assert what(reconciled(line)) == []
    delete(line, line.all()[1])
    assert what(reconciled(line)) == [("missing", 2)]


def test_an_edited_message_is_still_one_effect(line: Any) -> None:
    """An edit that loses the metadata leaves the message where its receipt says."""
    line.queue(1)
    line.until_settled()
    receipt = line.all()[0].receipt
    bare = {"event_type": "edited", "event_payload": {}}
    slack(line).call("chat.update", {**receipt, "text": "no longer qualified", "metadata": bare}, as_json=True)
    assert what(reconciled(line)) == []


@pytest.mark.parametrize("how", ["rate_limited", "unavailable", "error", "down"])
def test_a_history_that_cannot_be_read_is_no_finding(line: Any, how: Any) -> None:
    """It is said what could not be checked; what was known before stays as it is."""
    line.queue(2)
    line.queue(1, "crm_task")
    line.until_settled()
    delete(line, line.all()[0])
    assert what(reconciled(line)) == [("missing", 1)]
    delete(line, line.all()[1])
    line.sandbox.fail("conversations.history", how, times=None, delay_s=10**7)
    done = reconciled(line)
    assert (what(done), done.recorded.cleared, kept(line)) == ([], 0, ["missing"])
    assert "conversations.history" in done.unchecked["slack"][0]
    assert done.checked == {"slack": 0, "crm": 1}
    line.sandbox.faults.clear()
    assert what(reconciled(line)) == [("missing", 1), ("missing", 2)]


def test_hubspot_that_cannot_be_searched_is_no_finding(line: Any) -> None:
    """The tasks are not gone because nobody may look."""
    line.queue(1, "crm_task")
    line.until_settled()
    line.sandbox.fail("tasks/search", "unauthorised", times=None)
    done = reconciled(line)
    assert (what(done), sorted(done.unchecked)) == ([], ["crm", "zapier_nudge"])


def test_a_reading_ends_when_its_time_is_over(line: Any) -> None:
    """What was not reached is said and is no finding."""
    line.queue(3)
    line.until_settled()
    delete(line, line.all()[0])
    done = reconciled(line, seconds=1)
    assert what(done) == []
    assert "no time left" in done.unchecked["slack"][0]


def test_histories_are_read_at_their_pace(line: Any) -> None:
    """A rate limit is waited for, and calls are more than a second apart, so that deliveries keep their own limit."""
    line.queue(2)
    line.until_settled()
    line.sandbox.fail("conversations.history", "rate_limited", times=2, retry_after="20")
    begun = line.clock()
    assert what(reconciled(line)) == []
    assert line.clock() - begun >= timedelta(seconds=40 + 3 * 1.2)


def test_a_message_slack_did_not_show_is_found(line: Any) -> None:
    """Above one a second and channel Slack says ok and may show nothing: no receipt proves a message."""
    line.queue(1)
    line.until_settled()
    line.sandbox.world.hides_bursts = True
    keys = line.queue(2)
    for key in keys:  # two in one second, as no drain would send them
        posted = slack(line).post(
            {
                "channel": "#pql-mid",
                "text": "x",
                "metadata": {"event_type": DELIVERY_EVENT, "event_payload": {"key": key}},
            }
        )
        done = {"state": "delivered", "receipt": posted.as_receipt(), "finished_at": to_naive(line.clock())}
        with store.writing(line.engine) as conn:
            conn.execute(update(deliveries).where(deliveries.c.key == key).values(done))
    assert what(reconciled(line)) == [("missing", 3)]


def test_what_waits_for_more_than_a_day_is_overdue(line: Any) -> None:
    """Tried and not through, or due and never claimed; what waits for its hour is not."""
    line.queue(4)
    with store.writing(line.engine) as conn:
        ids = list(conn.execute(select(deliveries.c.id).order_by(deliveries.c.id)).scalars())
        tomorrow = to_naive(line.clock() + timedelta(days=3))
        for id, values in zip(
            ids,
            (
                {"attempt": 3, "not_before": tomorrow},
                {},
                {"not_before": tomorrow},
                {"state": "held"},
            ),
            strict=True,
        ):
            conn.execute(update(deliveries).where(deliveries.c.id == id).values({"attempt": 0, **values}))
    assert what(reconciled(line)) == []
    line.clock.turn(hours=25)
    assert what(reconciled(line)) == [("overdue", 1), ("overdue", 2)]
    line.until_settled(hours=100)
    assert what(reconciled(line)) == []
    assert kept(line) == []


def test_the_judge_agrees(line: Any) -> None:
    """What the sandbox's own log calls lost or unknown is what a reconciliation finds."""
    line.queue(2)
    line.until_settled()
    post(line, "pql-foreign")
    assert requests.get(f"{line.sandbox.url}/health", timeout=10).ok
    assert [each.about for each in reconciled(line).findings] == list(line.judged().unknown)
