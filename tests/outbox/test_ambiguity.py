"""What may have been sent is looked for, and not sent again while a slow request can still land."""

from __future__ import annotations

from typing import Any

from pql import outbox
from pql.outbox.sending.settling import BOUNDARIES
from pql.types import Order, Result


def test_a_request_that_lands_late_is_not_doubled(world: Any) -> None:
    """The answer is lost, the effect appears 45 seconds later: in the quiet period "not there" proves nothing."""
    world.qualifies("org:1")
    world.remote.quiet_s = 120.0
    world.remote.script = [Result("ambiguous", reason="time-out")]
    world.deliver()
    key = world.remote.orders[0].key
    world.clock.turn(seconds=40)
    assert world.deliver().states == {"ambiguous": 1}
    world.remote.effects.append(key)  # it lands now
    world.clock.turn(seconds=100)
    assert world.deliver().states == {"delivered": 1}
    assert world.remote.effects == [key]


def test_a_look_made_in_the_quiet_period_is_judged_by_when_it_was_made(world: Any) -> None:
    """Looking takes its time, and the request lands meanwhile: the period that ended since makes no proof of it."""
    world.qualifies("org:1")
    world.remote.quiet_s = 120.0
    world.remote.script = [Result("ambiguous", reason="time-out")]
    world.deliver()
    key = world.remote.orders[0].key
    find = world.remote.find

    def slow(order: Order) -> Result:
        found = find(order)
        world.clock.turn(seconds=30)
        if key not in world.remote.effects:
            world.remote.effects.append(key)
        return found

    world.remote.find = slow
    world.clock.turn(seconds=100)
    assert world.deliver().states == {"ambiguous": 1, "delivered": 1}  # looked for again, as the period is over
    assert world.remote.effects == [key]


def test_after_the_quiet_period_it_is_sent_again(world: Any) -> None:
    """What has not appeared by then never left: it is sent once more, and no attempt was used up by waiting."""
    world.qualifies("org:1")
    world.remote.quiet_s = 120.0
    world.remote.script = [Result("ambiguous", reason="time-out")]
    for _ in range(20):
        world.deliver()
        world.clock.turn(seconds=10)
    assert (world.only().state, world.only().attempt) == ("delivered", 2)
    assert len(world.remote.effects) == 1


def test_what_is_looked_for_names_its_witnesses(world: Any) -> None:
    """A look-up knows the newest messages that surely stand in the same channel."""
    for number in range(7):
        world.qualifies(f"org:{number}")
        world.clock.turn(minutes=1)
        world.deliver()
    world.qualifies("org:lost")
    world.remote.script = ["lost"]
    world.deliver()
    asked: list[Order] = []
    find = world.remote.find
    world.remote.find = lambda order: (asked.append(order), find(order))[1]
    world.clock.turn(minutes=1)
    assert world.deliver().states == {"delivered": 1}
    assert [w["ts"] for w in asked[0].witnesses] == [each.key for each in reversed(world.all()[2:7])]


def test_an_unclear_message_holds_back_no_reply(world: Any) -> None:
    """SEM-D5: a reply waits for the message it answers under, but not for ever: it is said in the channel then."""
    world.qualifies("org:1", definition="a")
    world.remote.script, world.remote.blind = ["lost"], True
    world.deliver()
    world.qualifies("org:1", definition="b", subject="user:1")
    for _ in range(10):
        world.deliver()
        world.clock.turn(hours=13)
    first, reply = world.all()
    assert reply.thread_of in (first.id, None)
    assert (first.state, reply.state) == ("ambiguous", "delivered")


def test_a_batch_has_an_outcome_for_each_row(world: Any) -> None:
    """One request for many: what failed is tried again, its neighbours are done, and nothing is doubled."""
    for number in range(6):
        world.qualifies(f"org:{number}", lane=f"crm_task:{number}", kind="crm_task", options={})

    class Batch:
        kind, quiet_s, pace, batch_size = "hubspot", 0.0, None, 100
        requests: list[int] = []  # noqa: RUF012  # one request a call, counted over the story

        def send_many(self, orders: Any) -> list[Result]:
            self.requests.append(len(orders))
            first = len(self.requests) == 1
            return [self.one(order, first and index % 3 == 0) for index, order in enumerate(orders)]

        def one(self, order: Order, fails: bool) -> Result:
            return Result("not_sent", reason="a row") if fails else world.remote.send(order)

        def send(self, order: Order) -> Result:
            raise AssertionError("it goes in batches")

        def find(self, order: Order) -> Result:
            raise AssertionError("nothing was ambiguous")

    batch: Any = Batch()
    for _ in range(2):
        outbox.deliver(
            world.engine,
            {"remote": batch},
            recheck=lambda claim: None,
            clock=world.clock,
            sleep=world.clock.sleep,
        )
        world.clock.turn(minutes=1)
    assert batch.requests == [6, 2]
    assert sorted(world.remote.effects) == sorted(each.key for each in world.all())
    assert {each.state for each in world.all()} == {"delivered"}


def test_boundaries_are_passed_in_order(world: Any) -> None:
    """The places where a process may die are told as they are passed."""
    world.qualifies("org:1")
    passed: list[str] = []
    world.deliver(boundary=passed.append)
    assert tuple(dict.fromkeys(passed)) == BOUNDARIES
