"""What the ledger alone tells: announced and never queued; and what a reader that fails may not make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import delete, update

from pql import outbox, store
from pql.outbox import Rhythm
from pql.outbox.queueing.rhythm import Hours
from pql.outbox.reconcile import Reconciled, reconcile
from pql.store.instants import to_naive
from pql.store.tables import deliveries, delivery_causes
from pql.types import Expected, ReadBack, Reader, Result, Standing, UserError


@dataclass
class Shelf:
    """A destination that shows what is put here; what was asked for is remembered."""

    back: ReadBack = field(default_factory=ReadBack)
    asked: list[Expected] = field(default_factory=list)
    breaks: bool = False

    def read(self, expected: Sequence[Expected], since: datetime) -> ReadBack:
        self.asked = list(expected)
        if self.breaks:
            raise RuntimeError("xoxb-secret in an error text")
        return self.back


def reconciled(world: Any, shelf: Reader | str, *, days: float = 2) -> Reconciled:
    now = world.clock()
    since = now - timedelta(days=days)
    return reconcile(world.engine, {"remote": shelf}, since=since, oldest=since, now=now)


def lose(world: Any, account: str) -> None:
    """The account's delivery vanishes, as no transaction of ours would let it."""
    with store.writing(world.engine) as conn:
        (row,) = [each for each in world.all() if each.account_key == account]
        conn.execute(delete(delivery_causes).where(delivery_causes.c.delivery_id == row.id))
        conn.execute(delete(deliveries).where(deliveries.c.id == row.id))


def test_a_stay_announced_without_a_delivery_is_found(world: Any) -> None:
    """The line promises one delivery for each; where there is none, somebody hears of it, for as long as one looks."""
    world.qualifies("org:1")
    world.qualifies("org:2")
    lose(world, "org:2")
    done = reconciled(world, Shelf())
    (found,) = done.findings
    assert (found.what, found.about, found.destination) == (
        "undelivered",
        f"episode:{world.episodes['org:2']}",
        "remote",
    )
    assert "org:2" not in found.detail
    world.clock.turn(days=3)
    assert [each.what for each in reconciled(world, Shelf()).findings] == ["overdue"]  # org:1, which nobody delivered


def test_what_opened_silently_needs_no_delivery_until_it_is_released(world: Any) -> None:
    """SEM-D3: silent is no loss; a release that queued nothing is."""
    world.qualifies("org:1", silent="baseline")
    assert reconciled(world, Shelf()).findings == ()
    with store.writing(world.engine) as conn:
        outbox.release_silent(conn, now=world.clock(), top=1)
    assert reconciled(world, Shelf()).findings == ()
    lose(world, "org:1")
    assert [each.what for each in reconciled(world, Shelf()).findings] == ["undelivered"]


def test_what_is_held_needs_no_effect(world: Any) -> None:
    """A storm that waits for a person is neither lost nor late."""
    world.qualifies("org:1", hold=True)
    world.clock.turn(days=1.5)
    assert reconciled(world, Shelf()).findings == ()


def test_a_reader_that_breaks_says_nothing(world: Any) -> None:
    """What it raised is said by its kind alone, error texts hold secrets; nothing follows from it."""
    world.qualifies("org:1")
    world.deliver()
    done = reconciled(world, Shelf(breaks=True))
    assert (done.findings, done.unchecked) == ((), {"remote": ("RuntimeError was raised",)})
    assert reconciled(world, "nobody can ask it").unchecked == {"remote": ("nobody can ask it",)}


def test_what_was_delivered_is_asked_for_with_its_receipt(world: Any) -> None:
    """The others only say where to look; what leaves no key is not asked for at all."""
    world.qualifies("org:1")
    world.deliver()
    world.qualifies("org:2", hold=True)
    world.qualifies("org:3", kind="crm_update", lane="crm_update", options={"pql_score": 1})
    world.deliver()
    shelf = Shelf()
    reconciled(world, shelf)
    assert [(each.lane, each.receipt is None) for each in shelf.asked] == [("slack:#pql", False), ("slack:#pql", True)]


def test_a_delivery_made_while_one_reads_is_no_finding(world: Any) -> None:
    """The ledger is read again after the destination: what stands there may have been delivered in between."""
    world.qualifies("org:1")
    key = world.only().key

    class Meanwhile(Shelf):
        def read(self, expected: Sequence[Expected], since: datetime) -> ReadBack:
            world.deliver()
            return ReadBack((Standing(key, "C1", world.clock(), {"ts": "1"}),), {}, frozenset({"C1"}))

    assert reconciled(world, Meanwhile()).findings == ()


def test_a_delivery_taken_up_again_while_one_reads_is_not_missing(world: Any) -> None:
    """What is not delivered any more by then cannot have gone."""
    world.qualifies("org:1")
    world.deliver()
    key = world.only().key
    with store.writing(world.engine) as conn:
        conn.execute(update(deliveries).values(state="ambiguous", sent_at=to_naive(world.clock())))
    gone = Shelf(ReadBack((), {key: "C1"}, frozenset({"C1"})))
    assert reconciled(world, gone).findings == ()


def test_what_can_never_be_rechecked_is_overdue(world: Any) -> None:
    """It uses up no attempts and never dies, so that somebody has to hear that it waits."""
    world.qualifies("org:1")

    def refused(_claim: Any) -> None:
        raise UserError("HubSpot refuses the token")

    for _ in range(30):
        world.deliver(recheck=refused)
        world.clock.turn(hours=1)
    (found,) = reconciled(world, Shelf()).findings
    assert (found.what, found.detail) == ("overdue", "has been pending for more than a day: it cannot be rechecked")


def test_what_waits_for_monday_is_not_overdue(world: Any) -> None:
    """A table keeps to working hours, and its messages wait behind it, over a weekend as well; then both are late."""
    rhythm = Rhythm(digest_at=time(8, 30), hours=Hours(range(5), time(9), time(18)))
    world.clock.now = datetime(2026, 3, 6, 20, tzinfo=UTC)  # a Friday
    for account in ("org:1", "org:2"):
        world.qualifies(account, options={"channel": "#pql", "how": "digest"}, rhythm=rhythm)
    world.clock.turn(hours=13)
    assert world.deliver(rhythm=rhythm).states == {"waiting": 1}
    world.clock.turn(hours=40)
    assert reconciled(world, Shelf()).findings == ()
    world.clock.turn(hours=48)
    assert [each.what for each in reconciled(world, Shelf()).findings] == ["overdue"] * 3


def test_a_failed_attempt_that_waits_for_monday_is_not_overdue(world: Any) -> None:
    """What was tried on Friday and comes again when its reader is at work is not late before."""
    rhythm = Rhythm(hours=Hours(range(5), time(9), time(18)))
    world.clock.now = datetime(2026, 3, 6, 17, 59, 50, tzinfo=UTC)
    world.remote.script = [Result("not_sent", reason="Slack is down")]
    world.qualifies("org:1")
    world.deliver(rhythm=rhythm)
    world.clock.turn(minutes=5)
    assert world.deliver(rhythm=rhythm).states == {"waiting": 1}
    world.clock.turn(hours=30)
    assert reconciled(world, Shelf()).findings == ()


def test_who_was_forgotten_is_no_effect_without_a_decision(world: Any) -> None:
    """The message stands there still, under a key that the ledger had to drop; ops were told where it is."""
    world.qualifies("org:1")
    world.deliver()
    stands = {"channel": "C1", "ts": "1.5"}
    with store.writing(world.engine) as conn:
        conn.execute(update(deliveries).values(key="erased:0f:1", receipt={**stands, "thread_ts": "1.0"}))
    there = (Standing("pql-1", "C1", world.clock(), stands), Standing("erased:0f:1", "C1", world.clock(), stands))
    assert reconciled(world, Shelf(ReadBack(there, {}, frozenset({"C1"})))).findings == ()
    foreign = Standing("pql-2", "C1", world.clock(), {"channel": "C1", "ts": "2.5"})
    assert [each.what for each in reconciled(world, Shelf(ReadBack((foreign,)))).findings] == ["unknown"]
