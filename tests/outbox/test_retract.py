"""What announced a stay that had never begun is taken back: once, after its original, and never overtaking it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.outbox.conftest import WHY, again, taken_back

from pql import outbox, store
from pql.outbox.queueing.retract import TakenBack
from pql.store import blocks
from pql.types import Result


def seen(world: Any) -> list[tuple[str, str]]:
    return [(each.kind, each.state) for each in world.all()]


@pytest.mark.parametrize(
    ("kind", "back"), [("slack", "slack_retract"), ("crm_task", "crm_task_close"), ("webhook", "webhook_retract")]
)
def test_what_arrived_is_taken_back_once(world: Any, kind: str, back: str) -> None:
    """PRODUCT-A5: one delivery of its own, with its own key, that knows where the original stands and why."""
    world.qualifies("org:1", kind=kind, lane=kind)
    world.deliver()
    world.clock.turn(days=3)
    assert taken_back(world, "org:1") == TakenBack(pending=1)
    assert world.deliver().states == {"delivered": 1}
    assert again(world, "org:1") == TakenBack()
    assert world.deliver().states == {}
    original, retraction = world.remote.orders
    assert (retraction.kind, retraction.options["reason"]) == (back, WHY)
    assert retraction.thread == {"ts": original.key, "key": original.key}
    assert retraction.key != original.key
    assert seen(world) == [(kind, "delivered"), (back, "delivered")]


def test_what_was_not_sent_yet_is_stopped_instead(world: Any) -> None:
    """PRODUCT-A5: nothing leaves, and there is nothing to take back; a retry by hand sends it no more either."""
    world.qualifies("org:1")
    assert taken_back(world, "org:1") == TakenBack(suppressed=1)
    assert world.deliver().states == {}
    assert (world.only().state, WHY in str(world.only().reason)) == ("suppressed", True)
    with store.writing(world.engine) as conn:
        outbox.retry(conn, [world.only().id], now=world.clock())
    assert world.deliver().states == {"suppressed": 1}
    assert world.remote.orders == []


def test_what_a_storm_holds_is_stopped_too(world: Any) -> None:
    """PRODUCT-A6: a held announcement that is taken back cannot be released any more."""
    world.qualifies("org:1", hold=True)
    assert taken_back(world, "org:1") == TakenBack(suppressed=1)
    with store.writing(world.engine) as conn:
        assert outbox.release_held(conn, now=world.clock()) == 0
    assert world.remote.orders == []


@pytest.mark.parametrize("landed", [True, False])
def test_it_waits_for_an_original_nobody_is_sure_of(world: Any, landed: bool) -> None:
    """PRODUCT-A5: the answer was lost: if the original is found, it is taken back; if not, nothing is sent at all."""
    world.qualifies("org:1")
    world.remote.script = ["lost" if landed else Result("ambiguous", reason="time-out")]
    world.deliver()
    assert taken_back(world, "org:1") == TakenBack(pending=1)
    assert world.deliver().states == {}
    world.clock.turn(minutes=5)
    world.deliver()
    assert seen(world) == (
        [("slack", "delivered"), ("slack_retract", "delivered")]
        if landed
        else [("slack", "suppressed"), ("slack_retract", "suppressed")]
    )
    assert [order.kind for order in world.remote.orders] == ["slack", *(["slack_retract"] if landed else [])]


def test_it_never_overtakes_an_original_on_its_way(world: Any) -> None:
    """PRODUCT-A5: while another worker has the original in hand, what takes it back is not claimed."""
    world.qualifies("org:1")
    inside: list[dict[str, int]] = []

    def meanwhile(boundary: str) -> None:
        if boundary == "sent" and not inside:
            taken_back(world, "org:1")
            inside.append(world.deliver(owner="another").states)

    world.deliver(boundary=meanwhile)
    world.deliver()
    assert inside == [{}]
    assert [order.kind for order in world.remote.orders] == ["slack", "slack_retract"]
    assert seen(world) == [("slack", "delivered"), ("slack_retract", "delivered")]


def test_an_unclear_original_is_waited_for(world: Any) -> None:
    """PRODUCT-A5: nobody can tell whether the message stands: it is not edited before a person has looked."""
    world.qualifies("org:1")
    world.remote.script, world.remote.blind = ["lost"], True
    for _ in range(12):
        world.deliver()
        world.clock.turn(hours=12)
    taken_back(world, "org:1")
    world.deliver()
    assert seen(world) == [("slack", "ambiguous"), ("slack_retract", "pending")]
    with store.writing(world.engine) as conn:
        outbox.suppress(conn, [world.all()[0].id], reason="it is not there", now=world.clock())
    world.deliver()
    assert (world.all()[1].state, "never arrived" in str(world.all()[1].reason)) == ("suppressed", True)


@pytest.mark.parametrize("state", ["dead", "suppressed"])
def test_what_never_arrived_is_not_taken_back(world: Any, state: str) -> None:
    """PRODUCT-A5: a message that was refused, or stopped, leaves nothing to edit."""
    world.qualifies("org:1")
    if state == "dead":
        world.remote.script = [Result("rejected", reason="no such channel")]
    else:
        world.objections["org:1"] = "an open deal"
    world.deliver()
    assert taken_back(world, "org:1") == TakenBack()
    assert seen(world) == [("slack", state)]


def test_a_message_that_speaks_for_another_stay_stays(world: Any, merge_of: Any) -> None:
    """SEM-D5: as long as one of the definitions it names stands, the message does; when none does, it is edited."""
    world.qualifies("org:1", definition="e", silent="stale", subject="user:e")
    with store.deciding(world.engine) as conn:
        opened = store.decisions.Applied({("e", "user:e"): world.episodes["user:e"]})
    world.qualifies("org:1", silent="stale")
    intents = [
        world.intent("org:1", subject, definition, "slack:#pql", "slack", {"channel": "#pql"}, 80)
        for subject, definition in (("org:1", "d"), ("user:e", "e"))
    ]
    applied = opened | store.decisions.Applied({("d", "org:1"): world.episodes["org:1"]})
    with store.deciding(world.engine) as conn:
        outbox.enqueue(conn, [merge_of(*intents)], applied, run_id=None, now=world.clock())
    world.deliver()
    assert taken_back(world, "org:1") == TakenBack()
    assert taken_back(world, "user:e") == TakenBack(pending=1)
    world.deliver()
    assert [order.kind for order in world.remote.orders] == ["slack", "slack_retract"]


def test_nothing_stands_against_taking_back(world: Any) -> None:
    """SEM-W4: a block, or a deal, stops messages about the account, not the end of one that was wrong."""
    world.qualifies("org:1")
    world.deliver()
    taken_back(world, "org:1")
    with store.writing(world.engine) as conn:
        blocks.block(conn, "org:1", "block", reason="", origin="cli", now=world.clock())
    world.objections["org:1"] = "a colleague is closing it"
    assert world.deliver().states == {"delivered": 1}


def test_an_edit_whose_answer_is_lost_is_looked_for(world: Any) -> None:
    """PRODUCT-A5: the edit had its effect: it is read back and not made again."""
    world.qualifies("org:1")
    world.deliver()
    taken_back(world, "org:1")
    world.remote.script = ["lost"]
    assert world.deliver().states == {"ambiguous": 1}
    world.clock.turn(minutes=5)
    assert world.deliver().states == {"delivered": 1}
    assert len(world.remote.effects) == len(set(world.remote.effects)) == 2


def test_a_held_retraction_is_let_go_by_a_person(world: Any) -> None:
    """PRODUCT-A6: too many at once wait for somebody; released, each still knows what it takes back."""
    world.qualifies("org:1")
    world.deliver()
    assert taken_back(world, "org:1", hold=True) == TakenBack(held=1)
    assert world.deliver().states == {}
    with store.writing(world.engine) as conn:
        assert outbox.release_held(conn, now=world.clock()) == 1
    assert world.deliver().states == {"delivered": 1}
    assert world.remote.orders[1].thread == {"ts": world.remote.orders[0].key, "key": world.remote.orders[0].key}


@pytest.mark.parametrize("sent", [True, False])
def test_a_write_back_is_stopped_or_left(world: Any, sent: bool) -> None:
    """PRODUCT-A3: values written onto the record are overwritten by the next play; unsent ones are not written."""
    world.qualifies("org:1", kind="crm_update", lane="crm_update", options={"pql_score": 80})
    if sent:
        world.deliver()
    assert taken_back(world, "org:1") == TakenBack(suppressed=0 if sent else 1)
    assert world.deliver().states == {}
    assert seen(world) == [("crm_update", "delivered" if sent else "suppressed")]


def test_nobody_answers_under_what_was_taken_back(world: Any) -> None:
    """SEM-D5: within the day the next message of the account stands by itself, not under a struck-out one."""
    world.qualifies("org:1")
    world.deliver()
    taken_back(world, "org:1")
    world.deliver()
    world.qualifies("org:1", definition="e", subject="user:e")
    assert world.all()[-1].thread_of is None
