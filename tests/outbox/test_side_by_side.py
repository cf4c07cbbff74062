"""Destinations, and the channels of one, are drained side by side: who is slow or waits holds up nobody else."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from pql import outbox, store
from pql.outbox import Claim
from pql.outbox.sending.checking import FRESH_FOR
from pql.store.tables import deliveries
from pql.types import Alert, Order, Pace, Result, UserError

LONG_S = 30  # real seconds after which a test that hangs fails


class Noting:
    """A destination that notes what it is sent, and when."""

    quiet_s = 0.0

    def __init__(self, clock: Any, pace: Pace | None = None, kind: str = "slack") -> None:
        self.clock, self.pace, self.kind = clock, pace, kind
        self.left: dict[str, list[Any]] = defaultdict(list)
        self.keys: list[str] = []
        self.waits_for: threading.Event | None = None
        self.sent = threading.Event()

    def send(self, order: Order) -> Result:
        if self.waits_for is not None:
            assert self.waits_for.wait(LONG_S)
        self.left[str(order.options.get("channel"))].append(self.clock())
        self.keys.append(order.key)
        self.sent.set()
        return Result("delivered", {"ts": order.key})

    def find(self, order: Order) -> Result:
        return Result("delivered", {"ts": order.key}) if order.key in self.keys else Result("not_sent")


def _deliver(world: Any, destinations: dict[str, Any], **options: Any) -> Any:
    given = {"recheck": lambda claim: None, "clock": world.clock, "sleep": world.clock.sleep, "max_seconds": 7200}
    return outbox.deliver(world.engine, destinations, **{**given, **options})


def _to(world: Any, destination: str, *numbers: int) -> None:
    """Deliveries queued already go to that destination instead."""
    with store.writing(world.engine) as conn:
        accounts = [f"org:{number}" for number in numbers]
        conn.execute(update(deliveries).where(deliveries.c.account_key.in_(accounts)).values(destination=destination))


def test_a_destination_that_hangs_holds_up_no_other(world: Any) -> None:
    """One destination's request ends only after the other has sent everything."""
    for number in range(4):
        world.qualifies(f"org:{number}")
    _to(world, "slow", 0)
    slow, quick = Noting(world.clock), Noting(world.clock)
    slow.waits_for = quick.sent
    assert _deliver(world, {"a": Noting(world.clock), "slow": slow, "remote": quick}).states == {"delivered": 4}


def test_a_full_channel_does_not_stand_before_the_others(world: Any) -> None:
    """Twenty for one channel, queued first, take twenty seconds; each of three others gets its own within three."""
    for number in range(20):
        world.qualifies(f"org:{number}", lane="slack:#full", options={"channel": "#full"})
    for number in range(20, 26):
        world.qualifies(f"org:{number}", lane=f"slack:#{number % 3}", options={"channel": f"#{number % 3}"})
    began, remote = world.clock(), Noting(world.clock, Pace(1.0, "lane"))
    assert _deliver(world, {"remote": remote}).states == {"delivered": 26}
    assert remote.left["#full"][-1] - began == timedelta(seconds=19)
    for other in "012":
        assert max(remote.left[f"#{other}"]) - began <= timedelta(seconds=3)


def test_many_channels_keep_their_pace_at_once(world: Any) -> None:
    """Four messages to each of six channels take three seconds, not twenty-four."""
    for number in range(24):
        lane = f"#c{number % 6}"
        world.qualifies(f"org:{number}", lane=f"slack:{lane}", options={"channel": lane})
    began, remote = world.clock(), Noting(world.clock, Pace(1.0, "lane"))
    assert _deliver(world, {"remote": remote}).states == {"delivered": 24}
    assert world.clock() - began == timedelta(seconds=3)


def test_what_was_checked_too_long_ago_is_checked_again(world: Any) -> None:
    """SEM-W4: if sending takes its time, those behind are asked about again before they leave, and may be stopped."""
    for number in range(6):
        world.qualifies("org:1", subject=f"user:{number}", lane=f"webhook:{number}", kind="webhook", options={})
    asked: list[Any] = []

    class Slow(Noting):
        def send(self, order: Order) -> Result:
            world.clock.turn(seconds=FRESH_FOR.total_seconds() / 2 + 1)
            return super().send(order)

    def recheck(claim: Claim) -> str | None:
        asked.append(world.clock())
        return "sold meanwhile" if world.clock() - asked[0] > 2 * FRESH_FOR else None

    states = _deliver(world, {"remote": Slow(world.clock, kind="webhook")}, recheck=recheck).states
    assert states["suppressed"] > 0
    assert states["delivered"] + states["suppressed"] == 6


def test_many_are_checked_in_one_question(world: Any) -> None:
    """SEM-W4: a recheck that can ask about many is asked once; what it cannot tell of one stops only that one."""

    class Together:
        questions: list[int] = []  # noqa: RUF012  # counted over the story

        def __call__(self, claim: Claim) -> Alert | str | None:
            raise AssertionError("it is asked about many")

        def many(self, claims: Any) -> list[Any]:
            self.questions.append(len(claims))
            trouble = {"org:1": "excluded now", "org:2": UserError("HubSpot cannot be reached")}
            return [trouble.get(claim.account_key) for claim in claims]

    for number in range(20):
        world.qualifies(f"org:{number}")
    recheck = Together()
    states = _deliver(world, {"remote": Noting(world.clock)}, recheck=recheck).states
    assert states == {"delivered": 18, "suppressed": 1, "retry": 1}
    assert recheck.questions == [20]


def test_what_breaks_in_a_thread_reaches_the_caller(world: Any) -> None:
    """What is no row's trouble (here: the ledger's) ends the drain, and what was not sent is given back."""
    world.qualifies("org:1")

    def broken(name: str) -> None:
        if name == "marked sending":
            raise MemoryError

    try:
        _deliver(world, {"remote": Noting(world.clock)}, boundary=broken)
    except MemoryError:
        assert world.only().state == "sending"
    else:
        raise AssertionError("nobody was told")


def test_what_one_row_makes_the_question_raise_stops_only_that_one(world: Any) -> None:
    """One failing row never fails its neighbours: where asking about all breaks, each is asked about alone."""

    class Fragile:
        def __call__(self, claim: Claim) -> Alert | str | None:
            if claim.account_key == "org:1":
                raise KeyError("closedate")
            return None

        def many(self, claims: Any) -> list[Any]:
            return [self(claim) for claim in claims]

    for number in range(5):
        world.qualifies(f"org:{number}")
    assert _deliver(world, {"remote": Noting(world.clock)}, recheck=Fragile()).states == {"delivered": 4, "retry": 1}
