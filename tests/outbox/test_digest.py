"""Many messages to one channel become one table with a thread: at once, at the digest's time, or on a person's word."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pql import outbox, store
from pql.outbox import Rhythm
from pql.outbox.by_hand.choosing import Choice, meant
from pql.outbox.queueing.digest import gather_due
from pql.store import blocks
from pql.types import Result

BERLIN = ZoneInfo("Europe/Berlin")
DIGEST = {"channel": "#pql", "how": "digest"}
MORNING = Rhythm(digest_at=time(8, 30))


def tables(world: Any) -> list[Any]:
    return [each for each in world.all() if each.account_key.startswith("table:")]


def members(world: Any) -> list[Any]:
    return [each for each in world.all() if not each.account_key.startswith("table:")]


def shown(order: Any) -> list[str]:
    return [alert.account_name for alert in order.listing.alerts]


def queue(world: Any, number: int, **how: Any) -> None:
    for each in range(1, number + 1):
        world.qualifies(f"org:{each}", rhythm=MORNING, score=50 + each, **how)


def gather(world: Any, title: str = "Released") -> tuple[int, ...]:
    ids = [each.id for each in world.all()]
    with store.writing(world.engine) as conn:
        return outbox.gather(conn, ids, now=world.clock(), title=title)


def test_what_was_held_is_sent_as_one_table_and_a_thread(world: Any) -> None:
    """PRODUCT-A6: "send as one digest": one table a channel, and in its thread each message with its own receipt."""
    queue(world, 3, hold=True)
    world.qualifies("org:9", lane="slack:#other", options={"channel": "#other"}, hold=True)
    (table,) = gather(world)
    assert world.deliver().states == {"delivered": 5}
    first = next(order for order in world.remote.orders if order.delivery_id == table)
    assert shown(first) == ["Org:3", "Org:2", "Org:1"]
    assert (first.alert.account_name, first.alert.headline) == ("Released", "3 accounts")
    assert [each.thread_of for each in world.all()] == [table, table, table, None, None]
    replies = [order for order in world.remote.orders if order.thread is not None]
    assert [order.thread["ts"] for order in replies] == [first.key] * 3
    assert len(set(world.remote.effects)) == len(world.remote.effects) == 5


def test_gathering_again_adds_nothing(world: Any) -> None:
    """The same messages make the same table, before and after it was sent."""
    queue(world, 3, hold=True)
    made = gather(world)
    assert gather(world) == made
    world.deliver()
    assert gather(world) == ()
    assert len(world.all()) == 4


def test_tasks_and_messages_on_their_way_are_left_alone(world: Any) -> None:
    """Only Slack messages that nobody has in hand can be gathered."""
    world.qualifies("org:1", kind="crm_task", lane="crm_task", options={})
    world.qualifies("org:2")
    world.deliver()
    world.qualifies("org:3", hold=True)
    assert gather(world) == ()
    assert [each.state for each in world.all()] == ["delivered", "delivered", "pending"]


def test_a_digest_waits_and_is_one_table(world: Any) -> None:
    """PRODUCT-A1: messages of several runs wait, saying what for, and come as one table at the digest's time."""
    queue(world, 2, options=DIGEST)
    world.clock.turn(hours=3)
    world.qualifies("org:7", rhythm=MORNING, options=DIGEST)
    assert {each.reason for each in world.all()} == {"waits for the digest of Mon 2026-03-02 08:30 UTC"}
    assert world.deliver(rhythm=MORNING).states == {}
    world.clock.turn(hours=6)
    assert world.deliver(rhythm=MORNING).states == {"delivered": 4}
    assert shown(world.remote.orders[0]) == ["Org:7", "Org:2", "Org:1"]
    assert world.deliver(rhythm=MORNING).states == {}


def test_a_batch_does_not_wait_for_what_is_gathered_elsewhere(world: Any) -> None:
    """A drain of certain ids gathers nothing, so it ends at once, and the next look gathers."""
    queue(world, 1, options=DIGEST)
    world.clock.turn(days=1)
    before = world.clock()
    assert world.deliver(only=[world.only().id], rhythm=MORNING).states == {}
    assert world.clock() == before


def test_one_account_needs_no_table(world: Any) -> None:
    """A digest of one is that one's message; an empty one is nothing."""
    queue(world, 1, options=DIGEST)
    world.clock.turn(days=1)
    assert world.deliver(rhythm=MORNING).states == {"delivered": 1}
    assert world.remote.orders[0].listing is None
    world.clock.turn(days=1)
    assert world.deliver(rhythm=MORNING).states == {}


def test_who_must_not_be_told_any_more_is_not_in_the_table(world: Any) -> None:
    """SEM-W4: a block, a stay that ended and what the CRM says count when the table is made, not when it was queued."""
    queue(world, 5, options=DIGEST)
    with store.writing(world.engine) as conn:
        blocks.block(conn, "org:1", "not_a_fit", reason="", origin="cli", now=world.clock())
    world.clock.turn(hours=1)
    world.closes("org:2", "won")
    world.objections["org:3"] = "already won"
    world.clock.turn(days=1)
    assert world.deliver(rhythm=MORNING).states == {"delivered": 3, "suppressed": 3}
    assert shown(world.remote.orders[0]) == ["Org:5", "Org:4"]


def test_a_table_of_nobody_is_not_sent(world: Any) -> None:
    """When all that was gathered must not be told, nothing leaves; when one is left, only that one's message."""
    queue(world, 2, options=DIGEST)
    world.objections = {"org:1": "already won", "org:2": "already won"}
    world.clock.turn(days=1)
    assert world.deliver(rhythm=MORNING).states == {"suppressed": 3}
    assert tables(world)[0].reason == "nobody is left to list: already won"
    assert world.remote.orders == []


def test_when_one_is_left_there_is_no_table(world: Any) -> None:
    """The last one of a table stands in the channel itself."""
    queue(world, 2, options=DIGEST)
    world.objections = {"org:1": "already won"}
    world.clock.turn(days=1)
    assert world.deliver(rhythm=MORNING).states == {"suppressed": 2, "delivered": 1}
    assert [order.thread for order in world.remote.orders] == [None]


def test_what_is_suppressed_by_hand_before_is_not_gathered(world: Any) -> None:
    """PRODUCT-A5: suppressed is suppressed."""
    queue(world, 3, options=DIGEST)
    with store.writing(world.engine) as conn:
        outbox.suppress(conn, [world.all()[0].id], reason="no", now=world.clock())
    world.clock.turn(days=1)
    world.deliver(rhythm=MORNING)
    assert shown(world.remote.orders[0]) == ["Org:3", "Org:2"]


def test_a_table_is_suppressed_with_its_messages(world: Any) -> None:
    """PRODUCT-A5: who stops a table does not mean its messages one by one; what would be stopped is listed."""
    queue(world, 3, hold=True)
    (table,) = gather(world)
    world.qualifies("org:9")
    with store.writing(world.engine) as conn:
        assert [each.id for each in meant(conn, "suppress", Choice((table,)))] == [3, 2, 1, table]
        assert outbox.suppress(conn, [table], reason="no", now=world.clock()) == 4
    assert world.deliver().states == {"delivered": 1}
    assert [each.state for each in world.all()] == ["suppressed"] * 4 + ["delivered"]


def test_a_person_can_send_one_before_the_digest(world: Any) -> None:
    """`retry` makes what waits for a digest due now, by itself."""
    queue(world, 3, options=DIGEST)
    with store.writing(world.engine) as conn:
        outbox.retry(conn, [world.all()[0].id], now=world.clock())
    assert world.deliver(rhythm=MORNING).states == {"delivered": 1}
    assert [order.listing for order in world.remote.orders] == [None]


def test_the_digest_keeps_to_the_wall_clock_when_it_is_changed(world: Any) -> None:
    """SEM-T1: 08:30 in Berlin is 07:30 UTC on Friday and 06:30 UTC on Monday, after the clocks went forward."""
    rhythm = Rhythm(zone=BERLIN, digest_at=time(8, 30), digest_days=range(5))
    for number, at in enumerate((datetime(2026, 3, 26, 20, tzinfo=UTC), datetime(2026, 3, 27, 7, 31, tzinfo=UTC))):
        world.clock.now = at
        for each in (1, 2):
            world.qualifies(f"org:{number}{each}", options=DIGEST, rhythm=rhythm)
    due = [each.not_before for each in world.all()]
    friday, monday = datetime(2026, 3, 27, 7, 30, tzinfo=UTC), datetime(2026, 3, 30, 6, 30, tzinfo=UTC)
    assert due == [friday, friday, monday, monday]
    assert world.deliver(rhythm=rhythm).states == {"delivered": 3}
    world.clock.now = monday - timedelta(seconds=30)
    assert world.deliver(rhythm=rhythm).states == {}
    world.clock.now = monday
    assert world.deliver(rhythm=rhythm).states == {"delivered": 3}


def test_an_account_told_of_today_is_answered_there(world: Any) -> None:
    """SEM-D5: who was told of at once within 24 hours is followed up in that thread and stands in no digest."""
    world.qualifies("org:1")
    world.deliver()
    first = world.all()[0].id
    for account in ("org:1", "org:2", "org:3"):
        world.qualifies(account, definition="e", options=DIGEST, rhythm=MORNING)
    world.clock.turn(hours=8, minutes=30)
    world.deliver(rhythm=MORNING)
    assert [each.thread_of for each in world.all()[1:4]] == [first, tables(world)[0].id, tables(world)[0].id]


def test_what_comes_after_a_table_answers_in_its_thread(world: Any) -> None:
    """SEM-D5: an account listed within 24 hours is followed up under that table; a day later it is news."""
    queue(world, 2, options=DIGEST)
    world.clock.turn(hours=9)
    world.deliver(rhythm=MORNING)
    world.clock.turn(hours=1)
    world.qualifies("org:1", definition="e")
    assert world.all()[-1].thread_of == tables(world)[0].id
    world.clock.turn(days=1)
    world.qualifies("org:2", definition="e")
    assert world.all()[-1].thread_of is None


def test_an_urgent_message_does_not_wait_for_the_digest(world: Any) -> None:
    """What waits to be gathered is nothing to answer under: what comes at once meanwhile stands by itself."""
    queue(world, 2, options=DIGEST)
    world.qualifies("org:1", definition="e")
    assert world.deliver(rhythm=MORNING).states == {"delivered": 1}


def test_two_messages_about_one_account_are_one_row(world: Any) -> None:
    """An account stands once in a table, as its newest message says it; both messages are in the thread."""
    queue(world, 2, options=DIGEST)
    world.qualifies("org:1", definition="e", options=DIGEST, rhythm=MORNING, score=99)
    world.clock.turn(hours=9)
    assert world.deliver(rhythm=MORNING).states == {"delivered": 4}
    table = world.remote.orders[0]
    assert [(alert.account_name, alert.score) for alert in table.listing.alerts] == [("Org:1", 99), ("Org:2", 52)]


@pytest.mark.parametrize(("number", "sent"), [(5, 5), (6, 7)])
def test_more_than_so_many_in_one_run_are_a_table(world: Any, number: int, sent: int) -> None:
    """PRODUCT-A1: six messages of one run to one channel are one table and a thread, five are five messages."""
    rhythm = Rhythm(table_above=5)
    world.run_of([f"org:{each}" for each in range(number)], rhythm=rhythm)
    assert world.deliver(rhythm=rhythm).states == {"delivered": sent}
    assert len(tables(world)) == sent - number


def test_a_rerun_adds_no_second_table(world: Any) -> None:
    """SEM-D2: the run again, before and after its table was sent, changes nothing."""
    rhythm = Rhythm(table_above=5)
    accounts = [f"org:{each}" for each in range(8)]
    world.run_of(accounts, rhythm=rhythm)
    world.run_of(accounts, rhythm=rhythm)
    world.deliver(rhythm=rhythm)
    world.run_of(accounts, rhythm=rhythm)
    assert world.deliver(rhythm=rhythm).states == {}
    assert len(world.remote.effects) == 9


def test_a_long_table_shows_the_hottest_and_counts_the_rest(world: Any) -> None:
    """Twenty-five accounts, one of them won: twenty rows, the highest scores first, and four more in the thread."""
    rhythm = Rhythm(table_above=5)
    world.run_of([f"org:{each}" for each in range(25)], rhythm=rhythm, scores=range(25))
    world.objections["org:24"] = "already won"
    assert world.deliver(rhythm=rhythm).states == {"delivered": 25, "suppressed": 1}
    table = world.remote.orders[0]
    assert [alert.score for alert in table.listing.alerts] == list(range(23, 3, -1))
    assert (table.listing.more, table.alert.headline) == (4, "24 accounts")


def test_a_table_that_cannot_be_checked_waits(world: Any) -> None:
    """SEM-W4: nobody is listed unchecked: while the CRM cannot be asked, neither table nor thread goes out."""

    def broken(claim: Any) -> None:
        raise OSError("no route to host")

    rhythm = Rhythm(table_above=1)
    world.run_of(["org:1", "org:2"], rhythm=rhythm)
    assert world.deliver(rhythm=rhythm, recheck=broken).states == {"retry": 1}
    world.clock.turn(minutes=1)
    assert world.deliver(rhythm=rhythm).states == {"delivered": 3}


def test_a_table_that_never_arrives_leaves_its_messages(world: Any) -> None:
    """PRODUCT-A5: nothing is lost with a table: its messages then stand in the channel themselves."""
    rhythm = Rhythm(table_above=1)
    world.run_of(["org:1", "org:2"], rhythm=rhythm)
    world.remote.script = [Result("rejected", reason="msg_too_long")]
    assert world.deliver(rhythm=rhythm).states == {"dead": 1, "delivered": 2}
    assert [each.thread_of for each in members(world)] == [None, None]


def test_a_thread_stays_with_its_table_in_one_batch(world: Any) -> None:
    """A mapped task gets a table with all its replies, so that none waits for the next drain."""
    rhythm = Rhythm(table_above=2)
    world.run_of([f"org:{each}" for each in range(7)], rhythm=rhythm)
    outbox.gather_waiting(world.engine, rhythm, now=world.clock())
    ((_, ids),) = outbox.due(world.engine, world.clock(), batch_size=3)
    table = tables(world)[0].id
    assert ids == [table, *(each.id for each in members(world))]
    assert world.deliver(only=ids, rhythm=rhythm).states == {"delivered": 8}


def test_several_workers_gather_once(world: Any) -> None:
    """Four workers at the digest's moment make one table of all of it, on SQLite and on PostgreSQL."""
    queue(world, 12, options=DIGEST)
    now = world.clock() + timedelta(days=1)

    def work(_: int) -> tuple[int, ...]:
        with store.writing(world.engine) as conn:
            return gather_due(conn, MORNING, now=now)

    with ThreadPoolExecutor(4) as pool:
        made = [ids for ids in pool.map(work, range(4)) if ids]
    (table,) = tables(world)
    assert made == [(table.id,)]
    assert {each.thread_of for each in members(world)} == {table.id}


def test_a_message_whose_owner_changed_leaves_the_table(world: Any) -> None:
    """SEM-W4: a direct message that is another's by now is sent to him alone and is no row of the first one's table."""
    rhythm = Rhythm(table_above=1)
    lane, options = "slack:dm:dana@x.com", {"dm": "owner"}
    world.run_of(["org:1", "org:2", "org:3"], rhythm=rhythm, lane=lane, options=options)

    def recheck(claim: Any) -> Any:
        owner = "kim@x.com" if claim.account_key == "org:2" else "dana@x.com"
        return replace(claim.alert, owner_email=owner)

    assert world.deliver(rhythm=rhythm, recheck=recheck).states == {"delivered": 4}
    table, *_ = world.remote.orders
    assert table.options == {"table": True, "dm": "dana@x.com"}
    assert sorted(shown(table)) == ["Org:1", "Org:3"]
    assert [each.thread_of for each in members(world)] == [table.delivery_id, None, table.delivery_id]
