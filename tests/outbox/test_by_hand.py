"""What a person may do: release what is held or opened silently, suppress, retry, look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pql import outbox, store
from pql.outbox import Queued
from pql.store import identity
from pql.store.identity import Seen
from pql.types import Result


def test_held_deliveries_are_listed_hottest_first_and_released(world: Any) -> None:
    """What the storm cap held is listed by score and goes out once a person has released it."""
    world.qualifies("org:1", score=40, hold=True)
    world.qualifies("org:2", score=90, hold=True)
    with store.writing(world.engine) as conn:
        held = outbox.list_held(conn)
        assert [each.account_key for each in held] == ["org:2", "org:1"]
        assert outbox.release_held(conn, now=world.clock(), ids=[held[0].id]) == 1
    assert world.deliver().states == {"delivered": 1}
    with store.writing(world.engine) as conn:
        assert outbox.release_held(conn, now=world.clock(), run_id=1) == 1
        assert outbox.release_held(conn, now=world.clock()) == 0
    assert world.deliver().states == {"delivered": 1}


def test_what_was_held_for_days_does_not_answer_under_an_old_message(world: Any) -> None:
    """SEM-D5: at release the message to answer under is found anew; a day-old one is none any more."""
    world.qualifies("org:1")
    world.deliver()
    world.clock.turn(hours=1)
    world.qualifies("org:1", definition="e", hold=True)
    world.qualifies("org:1", definition="f", hold=True)
    world.clock.turn(days=3)
    with store.writing(world.engine) as conn:
        assert outbox.release_held(conn, now=world.clock()) == 2
    _, second, third = world.all()
    assert (second.thread_of, third.thread_of) == (None, second.id)
    world.deliver()
    assert world.remote.orders[1].thread is None
    assert world.remote.orders[2].thread == {"ts": second.key}
    world.clock.turn(hours=20)
    world.qualifies("org:1", definition="g")
    assert world.all()[3].thread_of == second.id


def test_held_deliveries_can_be_suppressed(world: Any) -> None:
    """Suppressed deliveries never go out, and keep the reason."""
    world.qualifies("org:1", hold=True)
    with store.writing(world.engine) as conn:
        assert outbox.suppress(conn, [world.only().id], reason="broken data", now=world.clock()) == 1
        assert outbox.release_held(conn, now=world.clock()) == 0
    assert world.deliver().states == {}
    assert (world.only().state, world.only().reason) == ("suppressed", "broken data")


def test_what_is_over_cannot_be_suppressed_or_retried(world: Any) -> None:
    """A delivered message stays delivered."""
    world.qualifies("org:1")
    world.deliver()
    with store.writing(world.engine) as conn:
        assert outbox.suppress(conn, [world.only().id], reason="too late", now=world.clock()) == 0
        assert outbox.retry(conn, [world.only().id], now=world.clock()) == 0
    assert world.deliver().states == {}


def test_retrying_what_may_have_arrived_looks_first(world: Any) -> None:
    """A delivery of unknown fate stays ambiguous, and is found on retry instead of sent twice."""
    world.qualifies("org:1")
    world.remote.script, world.remote.blind = ["lost"], True
    for _ in range(8):
        world.deliver()
        world.clock.turn(hours=13)
    assert world.only().state == "ambiguous"
    world.remote.blind = False
    with store.writing(world.engine) as conn:
        outbox.retry(conn, [world.only().id], now=world.clock())
    assert world.deliver().states == {"delivered": 1}
    assert len(world.remote.effects) == 1


def test_lists_can_be_narrowed(world: Any) -> None:
    """Deliveries are listed newest first, by state, account, destination and run."""
    world.qualifies("org:1")
    world.qualifies("org:2")
    world.remote.script = [Result("rejected", reason="no")]
    world.deliver()
    with store.reading(world.engine) as conn:
        assert [d.account_key for d in outbox.list_deliveries(conn)] == ["org:2", "org:1"]
        assert [d.account_key for d in outbox.list_deliveries(conn, states=["dead"])] == ["org:1"]
        assert [d.account_key for d in outbox.list_deliveries(conn, account_key="org:2")] == ["org:2"]
        assert [d.account_key for d in outbox.list_deliveries(conn, run_id=1)] == ["org:1"]
        assert outbox.list_deliveries(conn, destination="elsewhere") == ()
        assert len(outbox.list_deliveries(conn, limit=1)) == 1


def test_silent_openings_are_listed_hottest_first(world: Any) -> None:
    """SEM-D3: what opened silently is listed by score; what was announced or has ended is not."""
    world.qualifies("org:1", silent="baseline", score=50)
    world.qualifies("org:2", silent="stale", score=90)
    world.qualifies("org:3", score=99)
    world.qualifies("org:4", silent="baseline", score=95)
    world.closes("org:4", "left")
    with store.reading(world.engine) as conn:
        found = outbox.list_silent(conn)
        assert [(s.account_name, s.silent_reason) for s in found] == [("Org:2", "stale"), ("Org:1", "baseline")]
        assert outbox.list_silent(conn, limit=1) == found[:1]
        assert outbox.list_silent(conn, definition="e") == ()


def test_the_best_silent_openings_can_be_released(world: Any) -> None:
    """SEM-D3: the top N go out as the messages they would have been; releasing again sends nothing more."""
    for number, score in enumerate((50, 90, 70)):
        world.qualifies(f"org:{number}", silent="baseline", score=score)
    world.clock.turn(days=1)
    with store.writing(world.engine) as conn:
        done = outbox.release_silent(conn, now=world.clock(), top=2)
    assert done.queued == Queued(pending=2)
    world.deliver()
    assert [order.alert.account_key for order in world.remote.orders] == ["org:1", "org:2"]
    told = world.remote.orders[0].alert
    assert (told.headline, told.flags[-1]) == ("qualified since 2 Mar", "figures of 2 Mar 2026, 00:00")
    with store.writing(world.engine) as conn:
        again = outbox.release_silent(conn, now=world.clock(), episode_ids=list(done.episode_ids))
        assert again.episode_ids == ()
        assert [s.account_key for s in outbox.list_silent(conn)] == ["org:0"]


def test_one_account_released_for_two_definitions_gets_one_message(world: Any) -> None:
    """SEM-D5: releasing both of an account's silent openings is still one message per channel."""
    world.qualifies("org:1", silent="baseline")
    world.qualifies("org:1", definition="e", silent="baseline")
    with store.writing(world.engine) as conn:
        assert outbox.release_silent(conn, now=world.clock(), top=5).queued == Queued(pending=1)
    assert world.only().alert.definitions == ("d", "e")


def test_a_release_follows_an_account_to_its_new_key(world: Any) -> None:
    """SEM-W3: what opened silently under an old key is released under the new one."""
    for at, key in ((world.clock(), "user:a"), (world.clock() + timedelta(hours=1), "org:1")):
        with store.deciding(world.engine) as conn:
            identity.carry(conn, [Seen("a", "a", key)], as_of=at, definitions={"d": "account"})
        if key == "user:a":
            world.qualifies("user:a", silent="baseline")
    with store.writing(world.engine) as conn:
        outbox.release_silent(conn, now=world.clock(), top=1)
    assert (world.only().account_key, world.only().subject_key) == ("org:1", "org:1")


def test_a_release_must_say_of_what(world: Any) -> None:
    """Releasing without naming episodes or a number is refused: it would announce everything."""
    with store.writing(world.engine) as conn, pytest.raises(ValueError, match="which silent openings"):
        outbox.release_silent(conn, now=world.clock())
