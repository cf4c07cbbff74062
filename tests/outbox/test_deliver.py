"""Deliveries carried out: marked before sending, looked for before a second send, given up with a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from pql import outbox, store
from pql.outbox.sending.claims import LEASE, claim
from pql.store.tables import deliveries
from pql.types import Order, Result


def test_a_due_delivery_has_its_effect_once(world: Any) -> None:
    """What is due is sent, its receipt kept, and draining again sends nothing."""
    world.qualifies("org:1")
    assert world.deliver().counts == {"remote": {"delivered": 1}}
    assert world.deliver().states == {}
    sent = world.only()
    assert (sent.state, sent.receipt, sent.attempt) == ("delivered", {"ts": world.remote.effects[0]}, 1)


def test_the_row_is_marked_before_the_request_leaves(world: Any) -> None:
    """While the request is on its way, everybody can see that it may have been sent."""
    world.qualifies("org:1")
    seen: list[tuple[str, bool]] = []
    plain = world.remote.send

    def send(order: Order) -> Result:
        row = world.only()
        seen.append((row.state, row.sent_at is not None))
        return plain(order)

    world.remote.send = send
    world.deliver()
    assert seen == [("sending", True)]


def test_a_lost_answer_is_looked_up_not_sent_again(world: Any) -> None:
    """An ambiguous delivery is found at its destination and not sent a second time."""
    world.qualifies("org:1")
    world.remote.script = ["lost"]
    assert world.deliver().states == {"ambiguous": 1}
    world.clock.turn(minutes=1)
    assert world.deliver().states == {"delivered": 1}
    assert world.remote.effects == [order.key for order in world.remote.orders] == [world.only().key]


def test_what_surely_did_not_happen_is_sent_again(world: Any) -> None:
    """An ambiguous delivery that is not there is sent, with the same key."""
    world.qualifies("org:1")
    world.remote.script = [Result("ambiguous", reason="503")]
    world.deliver()
    world.clock.turn(minutes=1)
    assert world.deliver().states == {"delivered": 1}
    assert len(world.remote.looked) == 1
    assert {order.key for order in world.remote.orders} == set(world.remote.effects)


def test_a_destination_that_raises_is_ambiguous_and_its_words_are_kept_out(world: Any) -> None:
    """An exception says nothing about the effect, and its text, which may hold a secret, is not stored."""
    world.qualifies("org:1")
    world.remote.script = [ConnectionError("https://hooks.example/secret")]
    assert world.deliver().states == {"ambiguous": 1}
    assert world.only().reason == "ConnectionError was raised"


def test_what_nobody_can_tell_is_never_sent_again(world: Any) -> None:
    """If the destination cannot say whether it happened, the delivery stays ambiguous and a human is told."""
    world.qualifies("org:1")
    world.remote.script, world.remote.blind = ["lost"], True
    ended = []
    for _ in range(10):
        ended.append(world.deliver().states)
        world.clock.turn(hours=13)
    assert (world.only().state, len(world.remote.orders)) == ("ambiguous", 1)
    assert {"unclear": 1} in ended
    assert "may or may not have arrived" in world.only().reason


def test_a_worker_that_died_before_sending_loses_nothing(world: Any) -> None:
    """A row claimed by a dead worker is sent when its lease has lapsed, not before."""
    world.qualifies("org:1")
    with store.writing(world.engine) as conn:
        assert len(claim(conn, "remote", owner="dead", now=world.clock(), limit=5)) == 1
    assert world.deliver().states == {}
    world.clock.now += LEASE
    assert world.deliver().states == {"delivered": 1}
    assert world.remote.looked == []


def test_a_worker_that_died_while_sending_doubles_nothing(world: Any) -> None:
    """After a crash in the middle of a request the effect is looked for first."""
    world.qualifies("org:1")

    class Killed(BaseException):
        """What ends a process."""

    plain = world.remote.send

    def send_and_die(order: Order) -> Result:
        plain(order)
        raise Killed

    world.remote.send = send_and_die
    with pytest.raises(Killed):
        world.deliver()
    world.remote.send = plain
    assert world.only().state == "sending"
    world.clock.now += LEASE
    assert world.deliver().states == {"delivered": 1}
    assert len(world.remote.effects) == 1


def test_a_stale_workers_write_is_refused(world: Any) -> None:
    """A worker that slept over its lease cannot write its result over that of the one who took the row."""
    world.qualifies("org:1")
    plain = world.remote.send

    def send_slowly(order: Order) -> Result:
        world.remote.send = plain
        result = plain(order)
        world.clock.now += LEASE  # meanwhile another worker takes the row, finds the effect and finishes it
        assert world.deliver(owner="other").states == {"delivered": 1}
        return Result("rejected", reason=f"late news {result.outcome}")

    world.remote.send = send_slowly
    assert world.deliver(owner="slow").states == {"lost": 1}
    assert (world.only().state, world.only().reason) == ("delivered", None)
    assert len(world.remote.effects) == 1


def test_a_row_taken_over_is_not_sent_by_its_old_owner(world: Any) -> None:
    """A worker that lost its row between claiming and sending sends nothing."""
    world.qualifies("org:1")

    def taken_meanwhile(_claim: Any) -> None:
        with store.writing(world.engine) as conn:
            conn.execute(update(deliveries).values(fence=deliveries.c.fence + 1))

    assert world.deliver(recheck=taken_meanwhile).states == {"lost": 1}
    assert world.remote.orders == []


def test_failures_are_tried_again_later_and_later_and_then_given_up(world: Any) -> None:
    """Waits grow from 30 s to 10 h and are spread; after seven attempts it is dead, with the reason."""
    world.qualifies("org:1")
    world.remote.script = [Result("not_sent", reason="503 from Slack")] * 7
    waits = []
    for _ in range(7):
        world.deliver()
        waits.append(world.only().not_before - world.clock())
        world.clock.now = max(world.clock(), world.only().not_before)
    assert world.only().state == "dead"
    assert world.only().reason == "gave up after 7 attempts: 503 from Slack"
    floors = [timedelta(seconds=30), *(timedelta(minutes=m) for m in (5, 30, 120, 300, 600))]
    assert all(floor <= wait < floor * 1.25 for floor, wait in zip(floors, waits, strict=False))
    assert world.remote.effects == []


@pytest.mark.parametrize(("last", "state"), [("lost", "delivered"), (Result("ambiguous"), "dead")])
def test_the_last_attempt_is_looked_for_before_it_is_called_dead(world: Any, last: Any, state: str) -> None:
    """When the last attempt's answer is lost, the delivery is dead only if its effect is not there."""
    world.qualifies("org:1")
    world.remote.script = [Result("not_sent", reason="503")] * 6 + [last]
    for _ in range(9):
        world.deliver()
        world.clock.turn(hours=13)
    assert (world.only().state, len(world.remote.orders)) == (state, 7)


def test_what_nobody_can_be_asked_about_ends_with_what_failed(world: Any) -> None:
    """A receiver that answers 500 for a day: the reason says so, not only that nobody could look."""
    world.qualifies("org:1")
    world.remote.script = [Result("ambiguous", reason="zapier answered 500")] * 7
    world.remote.find = lambda order: Result("not_sent", reason="its receiver cannot be asked")
    for _ in range(9):
        world.deliver()
        world.clock.turn(hours=13)
    assert (world.only().state, len(world.remote.orders)) == ("dead", 7)
    assert world.only().reason == "gave up after 7 attempts: zapier answered 500; its receiver cannot be asked"


def test_what_is_rejected_is_dead_at_once(world: Any) -> None:
    """A rejection is final, its reason kept, and a retry by hand sends it without looking first."""
    world.qualifies("org:1")
    world.remote.script = [Result("rejected", reason="channel_not_found")]
    world.deliver()
    assert (world.only().state, world.only().reason) == ("dead", "channel_not_found")
    with store.writing(world.engine) as conn:
        assert outbox.retry(conn, [world.only().id], now=world.clock()) == 1
    assert world.deliver().states == {"delivered": 1}
    assert world.remote.looked == []


def test_a_short_wait_happens_in_place(world: Any) -> None:
    """When the destination says "in 2 seconds", the same drain waits and sends."""
    world.qualifies("org:1")
    world.remote.script = [Result("not_sent", reason="429", retry_after_s=2)]
    assert world.deliver().states == {"retry": 1, "delivered": 1}


def test_a_long_wait_puts_the_row_back_and_a_rate_limit_never_kills(world: Any) -> None:
    """A longer Retry-After is obeyed by a later drain, and being told to wait is not counted as a failure."""
    world.qualifies("org:1")
    world.remote.script = [Result("not_sent", reason="429", retry_after_s=60)] * 20
    for _ in range(20):
        before = world.clock()
        assert world.deliver().states == {"retry": 1}
        assert world.only().not_before >= before + timedelta(seconds=60)
        world.clock.now = world.only().not_before
    assert world.deliver().states == {"delivered": 1}
    assert world.only().attempt == 1


def test_a_rate_limit_that_never_ends_is_given_up(world: Any) -> None:
    """After three days of being told to wait the usual attempts are counted again."""
    world.qualifies("org:1")
    world.remote.script = [Result("not_sent", reason="429", retry_after_s=60)] * 20
    world.clock.turn(days=4)
    for _ in range(8):
        world.deliver()
        world.clock.turn(hours=13)
    assert world.only().reason == "gave up after 7 attempts: 429"


def test_a_failing_row_does_not_fail_its_neighbours(world: Any) -> None:
    """One row's trouble leaves the others delivered."""
    for number in range(25):
        world.qualifies(f"org:{number}")
    world.remote.script = [ValueError("bug"), Result("rejected", reason="no"), Result("not_sent")]
    assert world.deliver().states == {"ambiguous": 1, "dead": 1, "retry": 1, "delivered": 22}


def test_what_is_not_reached_in_time_is_given_back(world: Any) -> None:
    """At the deadline the rest of a claimed batch is due again at once, its attempts untouched."""
    for number in range(5):
        world.qualifies("org:1", subject=f"user:{number}", lane=f"webhook:{number}", kind="webhook", options={})
    plain = world.remote.send

    def slow(order: Order) -> Result:
        world.clock.turn(seconds=4)
        return plain(order)

    world.remote.send = slow
    assert world.deliver(max_seconds=8).states == {"delivered": 2, "not reached": 3}
    assert [each.attempt for each in world.all()] == [1, 1, 0, 0, 0]
    assert world.deliver().states == {"delivered": 3}


def test_only_the_ids_asked_for_are_sent(world: Any) -> None:
    """A batch of ids leaves everything else alone."""
    for number in range(3):
        world.qualifies(f"org:{number}")
    second = world.all()[1].id
    assert world.deliver(only=[second]).states == {"delivered": 1}
    assert [each.state for each in world.all()] == ["pending", "delivered", "pending"]


def test_a_destination_nobody_offered_is_named(world: Any) -> None:
    """Rows for a destination that is not configured stay due, and the report names it."""
    world.qualifies("org:1")
    report = outbox.deliver(world.engine, {}, recheck=world.recheck, clock=world.clock, sleep=world.clock.sleep)
    assert report.unconfigured == ("remote",)
    assert world.only().state == "pending"


def test_a_reply_waits_for_the_message_it_answers(world: Any) -> None:
    """SEM-D5: while the first message is still being tried, its reply is not sent ahead of it."""
    world.qualifies("org:1")
    world.qualifies("org:1", definition="e")
    world.remote.script = [Result("not_sent", reason="503")]
    assert world.deliver().states == {"retry": 1}
    world.clock.turn(minutes=1)
    assert world.deliver().states == {"delivered": 2}
    assert [order.thread is None for order in world.remote.orders] == [True, True, False]


def test_a_reply_to_a_message_that_never_came_stands_alone(world: Any) -> None:
    """SEM-D5: if the first message is given up, the next is posted in the channel and can be answered under."""
    world.qualifies("org:1")
    world.qualifies("org:1", definition="e")
    world.remote.script = [Result("rejected", reason="no")]
    world.deliver()
    second = world.all()[1]
    assert (second.state, second.thread_of) == ("delivered", None)
    world.qualifies("org:1", definition="f")
    assert world.all()[2].thread_of == second.id


def test_due_is_cut_into_batches_of_one_destination(world: Any) -> None:
    """What is due comes in batches of one destination, oldest first, replies right after what they answer under."""
    for number in range(5):
        world.qualifies(f"org:{number}")
    world.qualifies("org:0", definition="e")
    world.qualifies("org:9", hold=True)
    batches = outbox.due(world.engine, world.clock(), batch_size=4)
    first, *others, reply = [each.id for each in world.all() if each.state == "pending"]
    assert batches == [("remote", [first, reply, *others[:2]]), ("remote", others[2:])]
    world.deliver()
    assert outbox.due(world.engine, world.clock()) == []


def test_a_reply_whose_message_is_not_due_is_not_listed(world: Any) -> None:
    """A reply to a message that waits for its retry is not due either."""
    world.qualifies("org:1")
    world.remote.script = [Result("not_sent", reason="503")]
    world.deliver()
    world.qualifies("org:1", definition="e")
    assert outbox.due(world.engine, world.clock()) == []
