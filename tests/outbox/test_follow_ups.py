"""Later events of an announced stay answer under its first message, for as long as it goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Any

import pytest
from tests.outbox.test_retract import taken_back

from pql import outbox, store
from pql.outbox import Rhythm
from pql.outbox.queueing.follow_ups import happened_behind
from pql.outbox.queueing.rhythm import Hours
from pql.plays.model import Merged
from pql.qualification.model import Decisions, OccurrenceOpened
from pql.store import decisions, runs
from pql.types import UserError


def moves(world: Any, account: str, *, lane: str = "slack:#pql", hold: bool = False, **options: Any) -> None:
    """The account's score moves: a play of its definition wants to say so in the channel."""
    now = world.clock()
    with store.deciding(world.engine) as conn:
        run_id = runs.start_run(conn, kind="hourly", as_of=now, now=now, live=True)
        happened = OccurrenceOpened("rising", account, account, now, announced=True, silent_reason=None)
        made = Decisions("d", "hash", now, live=True, occurrences_opened=(happened,))
        applied = decisions.apply(conn, made, run_id=run_id)
        intent = world.intent(account, account, "d", lane, "slack", {"channel": "#pql", **options}, 90)
        cause = replace(intent.cause, of="occurrence", play="rising")
        wanted = Merged(account, account, "remote", "slack", lane, intent.options, intent.alert, (cause,))
        outbox.enqueue(conn, [wanted], applied, run_id=run_id, now=now, hold=hold)


def announced(world: Any, **options: Any) -> Any:
    world.qualifies("org:1", **options)
    world.deliver()
    return world.only()


def test_weeks_later_it_still_goes_into_the_thread(world: Any) -> None:
    """PRODUCT-A2: what happens in an open stay is told where the stay was announced."""
    first = announced(world)
    world.clock.turn(days=20)
    moves(world, "org:1")
    world.deliver()
    assert world.all()[1].thread_of == first.id
    assert world.remote.orders[1].thread == {"ts": first.key}


def test_its_leaving_is_told_in_the_thread_and_nothing_after_it(world: Any) -> None:
    """PRODUCT-A1: the event that ends the stay belongs to it; what comes later stands by itself."""
    first = announced(world)
    world.clock.turn(days=20)
    world.closes("org:1", "left")
    moves(world, "org:1")
    assert world.all()[1].thread_of == first.id
    with store.writing(world.engine) as conn:
        conn.exec_driver_sql("UPDATE occurrences SET closed_as_of = opened_as_of")
    world.clock.turn(days=3)
    moves(world, "org:1")
    assert world.all()[2].thread_of is None


@pytest.mark.parametrize("what", ["another channel", "a silent stay", "a dead message", "taken back"])
def test_without_a_message_to_answer_under_it_stands_alone(world: Any, what: str) -> None:
    """PRODUCT-A2: the first message is in another channel, was never sent, never arrived, or was taken back."""
    if what == "a dead message":
        world.objections["org:1"] = "an open deal"
    world.qualifies(
        "org:1", lane="slack:#other" if what == "another channel" else "slack:#pql",
        silent="stale" if what == "a silent stay" else None,
    )  # fmt: skip
    world.deliver()
    if what == "taken back":
        taken_back(world, "org:1")
        world.deliver()
    world.clock.turn(days=3)
    moves(world, "org:1")
    assert world.all()[-1].thread_of is None


@pytest.mark.parametrize(("days", "asked", "shown"), [(3, True, True), (3, False, False), (0.5, True, False)])
def test_a_hot_one_can_be_shown_in_the_channel_after_a_day(world: Any, days: float, asked: bool, shown: bool) -> None:
    """PRODUCT-A2, SEM-D5: with `broadcast` the reply is shown in the channel, too; within the day nothing is."""
    announced(world)
    world.clock.turn(days=days)
    moves(world, "org:1", **({"broadcast": True} if asked else {}))
    world.deliver()
    thread = world.remote.orders[1].thread
    assert thread is not None
    assert bool(thread.get("broadcast")) is shown


def test_one_that_was_held_finds_its_thread_when_it_is_released(world: Any) -> None:
    """PRODUCT-A6: a follow-up that a storm held goes under the stay's first message all the same."""
    first = announced(world)
    world.clock.turn(days=3)
    moves(world, "org:1", hold=True)
    world.clock.turn(days=3)
    with store.writing(world.engine) as conn:
        assert outbox.release_held(conn, now=world.clock()) == 1
    assert world.all()[1].thread_of == first.id
    with store.reading(world.engine) as conn:
        assert (len(happened_behind(conn, world.all()[1].id)), happened_behind(conn, first.id)) == (1, ())


def test_another_definition_announces_anew(world: Any) -> None:
    """SEM-D5: a stay of another definition is an announcement: after a day it stands in the channel."""
    announced(world)
    world.clock.turn(days=3)
    world.qualifies("org:1", definition="e", subject="user:e")
    assert world.all()[1].thread_of is None


def test_two_messages_never_wait_for_each_other(world: Any) -> None:
    """What a storm held is released under a follow-up that waits; when that one's hours begin it goes first."""
    world.qualifies("org:1", hold=True)
    moves(world, "org:1")

    def refused(_claim: Any) -> None:
        raise UserError("HubSpot refuses the token")

    world.deliver(recheck=refused)
    with store.writing(world.engine) as conn:
        outbox.release_held(conn, now=world.clock())
    held, follow_up = world.all()
    assert held.thread_of == follow_up.id
    world.clock.turn(hours=2)
    hours = Rhythm(hours=Hours(range(5), time(9), time(18)))
    assert world.deliver(rhythm=hours).states == {"waiting": 1}
    world.clock.turn(hours=8)
    assert world.deliver(rhythm=hours).states == {"delivered": 2}
