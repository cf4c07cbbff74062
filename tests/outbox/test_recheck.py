"""The last look before sending: blocks, ended stays, what the world objects, and who is to be told now (SEM-W4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pql import store
from pql.clients.http import RemoteError
from pql.outbox import Claim
from pql.store import blocks
from pql.types import Alert, Order, Result, UserError


def test_a_blocked_account_is_not_told_about(world: Any) -> None:
    """SEM-W4: a block set after the decision stops the message at the moment of sending, and says so."""
    world.qualifies("org:1")
    with store.writing(world.engine) as conn:
        blocks.block(conn, "org:1", "not_a_fit", reason="student project", origin="cli", now=world.clock())
    assert world.deliver().states == {"suppressed": 1}
    assert world.only().reason == "blocked: not_a_fit (student project)"
    assert world.remote.orders == []


def test_what_the_recheck_says_suppresses(world: Any) -> None:
    """SEM-W4: a deal won, another owner, an exclusion: whatever the recheck names stops the message."""
    world.qualifies("org:1")
    world.qualifies("org:2")
    world.objections["org:1"] = "deal 77 was won on 2026-03-01"
    assert world.deliver().states == {"suppressed": 1, "delivered": 1}
    assert world.all()[0].reason == "deal 77 was won on 2026-03-01"


def test_nothing_is_sent_unchecked(world: Any) -> None:
    """SEM-W4: when the recheck itself fails, the message waits."""
    world.qualifies("org:1")

    def broken(_claim: Any) -> None:
        raise ConnectionError("hubspot")

    assert world.deliver(recheck=broken).states == {"retry": 1}
    assert world.only().reason == "could not be rechecked: ConnectionError was raised"
    assert world.remote.orders == []


def test_a_crm_that_is_down_uses_up_no_attempts(world: Any) -> None:
    """SEM-W4: with an expired token deliveries wait for days, with the reason; renewed, they go out."""
    world.qualifies("org:1")

    def refused(_claim: Any) -> None:
        raise UserError("Connection hubspot_default: HubSpot refuses the token. Put a new one there.")

    for _ in range(30):
        assert world.deliver(recheck=refused).states == {"retry": 1}
        world.clock.turn(hours=2)
    waiting = world.only()
    assert (waiting.state, waiting.attempt) == ("pending", 0)
    assert waiting.reason == (
        "could not be rechecked: Connection hubspot_default: HubSpot refuses the token. Put a new one there."
    )
    assert world.deliver().states == {"delivered": 1}


def test_a_crm_that_says_when_is_not_asked_before(world: Any) -> None:
    """SEM-W4: a recheck told to come back in two hours does not come back earlier, however often we deliver."""
    world.qualifies("org:1")

    def busy(_claim: Any) -> None:
        raise RemoteError("busy", connection_id="h", kind="rate_limited", outcome="not_sent", retry_after_s=7200)

    assert world.deliver(recheck=busy).states == {"retry": 1}
    assert world.only().not_before >= world.clock() + timedelta(hours=2)
    world.clock.turn(minutes=119)
    assert world.deliver().states == {}
    world.clock.turn(hours=1)
    assert world.deliver().states == {"delivered": 1}


def test_a_crm_that_never_answers_is_given_up(world: Any) -> None:
    """SEM-W4: after three days of waiting the usual attempts are counted, then the delivery is dead with the reason."""
    world.qualifies("org:1")

    def down(_claim: Any) -> None:
        raise UserError("HubSpot cannot be reached")

    ended = []
    for _ in range(10 * 12):
        world.deliver(recheck=down)
        ended.append(world.only().state)
        world.clock.turn(hours=1)
    assert set(ended[:72]) == {"pending"}
    assert world.only().reason == "gave up after 7 attempts: could not be rechecked: HubSpot cannot be reached"


@pytest.mark.parametrize(
    ("kind", "reason", "state"),
    [
        ("slack", "left", "suppressed"),
        ("crm_task", "won", "suppressed"),
        ("crm_update", "left", "delivered"),
        ("crm_update", "won", "delivered"),
        ("crm_update", "excluded", "suppressed"),
    ],
)
def test_a_stay_that_ended_is_not_announced(world: Any, kind: str, reason: str, state: str) -> None:
    """SEM-W4: a message about an ended stay is suppressed; a write-back only by a block or an exclusion."""
    world.qualifies("org:1", kind=kind, lane=kind)
    world.clock.turn(hours=1)
    world.closes("org:1", reason)
    world.deliver()
    assert world.only().state == state


def test_an_older_write_back_does_not_overwrite_a_newer(world: Any) -> None:
    """Of two write-backs of the same properties only the later is carried out; one of others is."""
    for definition, options in (("d", {"score": 1}), ("e", {"grade": "A"}), ("f", {"score": 2, "flag": True})):
        world.qualifies("org:1", definition=definition, kind="crm_update", lane="crm_update", options=options)
    world.deliver()
    assert [each.state for each in world.all()] == ["suppressed", "delivered", "delivered"]
    assert world.all()[0].reason == f"a later one writes the same: delivery {world.all()[2].id}"


def test_the_message_names_the_owner_of_the_moment_it_is_sent(world: Any) -> None:
    """SEM-W4: a recheck may answer with what is to be said now, and that is what goes out."""
    world.qualifies("org:1")

    def with_new_owner(claim: Claim) -> Alert:
        return replace(claim.alert, owner_email="dana@relay.example")

    world.deliver(recheck=with_new_owner)
    assert [order.alert.owner_email for order in world.remote.orders] == ["dana@relay.example"]


def test_a_lost_answer_is_looked_for_where_the_message_was_sent(world: Any) -> None:
    """SEM-W4: what was sent to a new owner is stored so, and looked for with that owner, not the one decided for."""
    world.qualifies("org:1")
    world.remote.script = ["lost"]
    looked: list[str] = []
    plain = world.remote.find

    def find(order: Order) -> Result:
        looked.append(order.alert.owner_email)
        return plain(order)

    world.remote.find = find
    world.deliver(recheck=lambda claim: replace(claim.alert, owner_email="dana@relay.example"))
    world.clock.turn(minutes=1)
    assert world.deliver().states == {"delivered": 1}
    assert looked == ["dana@relay.example"]
    assert world.only().alert.owner_email == "dana@relay.example"


def test_a_direct_message_to_another_owner_is_no_reply_to_the_first(world: Any) -> None:
    """SEM-W4, D5: the new owner hears of it in a conversation of their own, and later ones go under that."""
    dm = {"lane": "slack:dm:old@relay.example", "options": {"dm": "owner"}}
    world.qualifies("org:1", **dm)
    world.deliver(recheck=lambda claim: replace(claim.alert, owner_email="old@relay.example"))
    world.qualifies("org:1", definition="e", **dm)
    world.deliver(recheck=lambda claim: replace(claim.alert, owner_email="new@relay.example"))
    world.qualifies("org:1", definition="f", **{**dm, "lane": "slack:dm:new@relay.example"})
    world.deliver(recheck=lambda claim: replace(claim.alert, owner_email="new@relay.example"))
    _, second, third = world.all()
    assert [order.thread for order in world.remote.orders[:2]] == [None, None]
    assert (second.lane, second.thread_of, third.thread_of) == ("slack:dm:new@relay.example", None, second.id)


def test_a_reply_that_may_have_been_sent_is_looked_for_in_its_thread(world: Any) -> None:
    """A lost answer to a reply is looked up under the message it answers."""
    world.qualifies("org:1")
    world.deliver()
    world.qualifies("org:1", definition="e")
    world.remote.script = ["lost"]
    asked: list[Any] = []
    plain = world.remote.find

    def find(order: Order) -> Result:
        asked.append(order.thread)
        return plain(order)

    world.remote.find = find
    world.deliver()
    world.clock.turn(minutes=1)
    assert world.deliver().states == {"delivered": 1}
    assert asked == [{"ts": world.all()[0].key}]
