"""One pace for all workers: messages to a channel leave a second apart, whoever sends them."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from pql import outbox, store
from pql.outbox.sending import pace
from pql.types import Order, Pace, Result

SECOND = Pace(1.0, "lane")


class Noting:
    """A destination that notes when it was sent to."""

    kind = "slack"
    quiet_s = 0.0
    pace: Pace | None = SECOND

    def __init__(self, clock: Any) -> None:
        self.clock, self.left = clock, list[tuple[str, datetime]]()

    def send(self, order: Order) -> Result:
        self.left.append((str(order.options["channel"]), self.clock()))
        return Result("delivered", {"ts": order.key})

    def find(self, order: Order) -> Result:
        raise AssertionError("nothing was ambiguous")


def _deliver(world: Any, destination: Any, **options: Any) -> None:
    outbox.deliver(
        world.engine,
        {"remote": destination},
        recheck=lambda claim: None,
        clock=world.clock,
        **{"sleep": world.clock.sleep, "max_seconds": 3600, **options},
    )


def test_messages_to_one_channel_leave_a_second_apart(world: Any) -> None:
    """Twelve for one channel take eleven seconds; another channel has a pace of its own."""
    for number in range(12):
        world.qualifies(f"org:{number}", lane="slack:#a", options={"channel": "#a"})
    world.qualifies("org:99", lane="slack:#b", options={"channel": "#b"})
    began = world.clock()
    remote = Noting(world.clock)
    _deliver(world, remote)
    times = [at for channel, at in remote.left if channel == "#a"]
    assert len(times) == 12
    assert [later - sooner for sooner, later in itertools.pairwise(times)] == [timedelta(seconds=1)] * 11
    assert times[0] == began
    assert {each.state for each in world.all()} == {"delivered"}


def test_who_waits_for_a_turn_does_not_ask_all_the_time(world: Any) -> None:
    """Twenty for one channel: while the next must wait, the drain sleeps until then and leaves the ledger alone."""
    for number in range(20):
        world.qualifies(f"org:{number}")
    naps: list[float] = []
    passed: list[str] = []
    remote = Noting(world.clock)

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        world.clock.sleep(seconds)

    _deliver(world, remote, sleep=sleep, boundary=passed.append)
    assert naps == [1.0] * 19
    assert passed.count("before claim") <= 2 * 20


def test_turns_of_several_channels_are_taken_in_one_order(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order their messages came in: two workers that take the same channels never wait for each other."""
    for number, channel in enumerate("cab"):
        world.qualifies(f"org:{number}", lane=f"slack:#{channel}", options={"channel": f"#{channel}"})
    asked: list[str] = []
    reserve = pace.reserve

    def noted(conn: Any, name: str, *given: Any) -> Any:
        asked.append(name)
        return reserve(conn, name, *given)

    monkeypatch.setattr(pace, "reserve", noted)
    _deliver(world, Noting(world.clock))
    assert asked == [f"remote|slack:#{channel}" for channel in "abc"]


def test_the_pace_is_kept_between_workers(world: Any) -> None:
    """Two that ask for the same channel are given moments a second apart, up to five seconds ahead, then a time."""
    given = []
    for _ in range(8):
        with store.writing(world.engine) as conn:
            given.append(pace.reserve(conn, "remote|slack:#a", SECOND, world.clock()))
    ahead = [(at - world.clock()).total_seconds() for at, _ in given]
    assert ahead == [0, 1, 2, 3, 4, 5, 6, 6]
    assert [taken for _, taken in given] == [True] * 6 + [False] * 2


def test_one_told_to_wait_lets_the_others_wait(world: Any) -> None:
    """A destination that says "later" to one is not asked by the others of that channel, and none loses an attempt."""
    for number in range(3):
        world.qualifies(f"org:{number}")
    world.remote.pace = SECOND
    world.remote.script = [Result("not_sent", reason="429", retry_after_s=600)]
    world.deliver()
    assert len(world.remote.orders) == 1
    assert [each.attempt for each in world.all()] == [0, 0, 0]
    assert min(each.not_before for each in world.all()) >= world.clock() + timedelta(minutes=9)
    world.clock.turn(minutes=20)
    world.deliver(max_seconds=3600)
    assert {each.state for each in world.all()} == {"delivered"}


def test_a_clock_that_was_put_back_stops_nothing(world: Any) -> None:
    """A turn that a clock an hour ahead gave out does not hold the channel for an hour."""
    with store.writing(world.engine) as conn:
        pace.reserve(conn, "x", SECOND, world.clock() + timedelta(hours=1))
        assert pace.reserve(conn, "x", SECOND, world.clock()) == (world.clock(), True)


@pytest.mark.parametrize("told", [0, -5, 3600, 10**9])
def test_however_long_it_says_nothing_is_lost(world: Any, told: float) -> None:
    """Retry-After of nothing, of the past, of an hour, of decades: the delivery arrives within two days."""
    world.qualifies("org:1")
    world.remote.pace = SECOND
    world.remote.script = [Result("not_sent", reason="429", retry_after_s=told)]
    for _ in range(60):
        world.deliver()
        world.clock.turn(hours=1)
    assert world.only().state == "delivered"
