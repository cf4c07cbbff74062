"""From decisions to delivery rows: once per cause, one thread a day, held when there are too many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pql import outbox, store
from pql.outbox import Queued
from pql.outbox.queueing.enqueue import delivery_key
from pql.plays.model import Cause, Merged
from pql.store import identity
from pql.store.decisions import Applied
from pql.store.identity import Seen


def _enqueue(world: Any, *merged: Merged, applied: Applied) -> Queued:
    with store.deciding(world.engine) as conn:
        return outbox.enqueue(conn, merged, applied, run_id=None, now=world.clock())


def _intent(world: Any, definition: str = "d", play: str = "ping") -> Any:
    made = world.intent("org:1", "org:1", definition, "slack:#pql", "slack", {"channel": "#pql"}, 80)
    cause = Cause(definition, "episode", "org:1", play, "0:slack")
    return type(made)(**{**vars(made), "cause": cause})


def test_the_same_cause_is_delivered_once(world: Any, merge_of: Callable[..., Merged]) -> None:
    """SEM-D3: enqueueing an episode's message a second time adds nothing."""
    assert world.qualifies("org:1") == Queued(pending=1)
    again = _enqueue(world, merge_of(_intent(world)), applied=Applied({("d", "org:1"): world.episodes["org:1"]}))
    assert again == Queued(existing=1)
    assert len(world.all()) == 1


def test_what_is_new_in_a_shared_message_is_sent_alone(world: Any, merge_of: Callable[..., Merged]) -> None:
    """SEM-D2: of two definitions that share a message, the one not told yet still gets it told, once."""
    world.qualifies("org:1")
    first = world.episodes["org:1"]
    world.qualifies("org:1", definition="e", silent="baseline")
    applied = Applied({("d", "org:1"): first, ("e", "org:1"): world.episodes["org:1"]})
    both = merge_of(_intent(world), _intent(world, "e"))
    assert _enqueue(world, both, applied=applied) == Queued(pending=1)
    assert _enqueue(world, both, applied=applied) == Queued(existing=1)


def test_two_definitions_share_one_delivery(world: Any, merge_of: Callable[..., Merged]) -> None:
    """SEM-D5: one delivery stands for all the causes merged into it."""
    world.qualifies("org:1", silent="baseline")
    first = world.episodes["org:1"]
    world.qualifies("org:1", definition="e", silent="baseline")
    applied = Applied({("d", "org:1"): first, ("e", "org:1"): world.episodes["org:1"]})
    assert _enqueue(world, merge_of(_intent(world), _intent(world, "e")), applied=applied) == Queued(pending=1)
    assert _enqueue(world, merge_of(_intent(world, "e")), applied=applied) == Queued(existing=1)


def test_a_crash_in_the_deciding_transaction_enqueues_nothing(world: Any, merge_of: Callable[..., Merged]) -> None:
    """SEM-D2: episode and delivery are written together or not at all."""
    world.qualifies("org:1", silent="baseline")
    applied = Applied({("d", "org:1"): world.episodes["org:1"]})
    with pytest.raises(RuntimeError), store.deciding(world.engine) as conn:  # noqa: PT012  # the crash comes after
        outbox.enqueue(conn, [merge_of(_intent(world))], applied, run_id=None, now=world.clock())
        raise RuntimeError
    assert world.all() == []


@pytest.mark.parametrize(("later", "threaded"), [(timedelta(hours=23, minutes=59), True), (timedelta(hours=24), False)])
def test_a_further_message_within_a_day_goes_into_the_thread(world: Any, later: timedelta, threaded: bool) -> None:
    """SEM-D5: within 24 hours the account's next message in that channel answers under the first."""
    world.qualifies("org:1")
    world.deliver()
    world.clock.now += later
    world.qualifies("org:1", definition="e")
    world.deliver()
    first, second = world.all()
    assert second.thread_of == (first.id if threaded else None)
    assert world.remote.orders[1].thread == ({"ts": first.key} if threaded else None)


def test_threads_have_one_beginning(world: Any) -> None:
    """SEM-D5: a third message answers under the first, not under the second."""
    for definition in ("d", "e", "f"):
        world.qualifies("org:1", definition=definition)
        world.clock.turn(hours=1)
    first, second, third = world.all()
    assert (second.thread_of, third.thread_of) == (first.id, first.id)


@pytest.mark.parametrize(
    "other",
    [
        {"account": "org:2"},
        {"account": "org:1", "definition": "e", "lane": "slack:#other"},
        {"account": "org:1", "definition": "e", "lane": "crm_task", "kind": "crm_task"},
    ],
)
def test_other_accounts_channels_and_tasks_are_not_threaded(world: Any, other: dict[str, Any]) -> None:
    """SEM-D5: only the same account and channel share a thread."""
    world.qualifies("org:1", lane=other.get("lane", "slack:#pql") if other.get("kind") else "slack:#pql")
    world.qualifies(**other)
    assert world.all()[1].thread_of is None


def test_the_thread_is_found_when_the_account_got_a_new_key(world: Any) -> None:
    """SEM-D5, SEM-W3: a follow-up under the new key answers under the message sent under the old one."""
    definitions: Any = {"d": "account", "e": "account"}
    with store.deciding(world.engine) as conn:
        identity.carry(conn, [Seen("a", "a", "user:a")], as_of=world.clock(), definitions=definitions)
    world.qualifies("user:a")
    world.deliver()
    world.clock.turn(hours=1)
    with store.deciding(world.engine) as conn:
        identity.carry(conn, [Seen("a", "a", "org:1")], as_of=world.clock(), definitions=definitions)
    world.qualifies("org:1", definition="e")
    first, second = world.all()
    assert (first.account_key, second.thread_of) == ("org:1", first.id)


def test_a_run_above_the_storm_cap_is_held(world: Any) -> None:
    """A run that would announce too many holds its deliveries: nothing is due until a person releases it."""
    assert world.qualifies("org:1", hold=True) == Queued(held=1)
    world.deliver()
    assert (world.only().state, world.remote.effects) == ("held", [])


def test_keys_do_not_depend_on_row_numbers(world: Any) -> None:
    """The key of an effect is the same in a ledger made anew, and another for each action and stay."""
    cause = Cause("d", "episode", "org:1", "ping", "0:slack")
    at = world.clock().replace(tzinfo=None)
    keys = {
        delivery_key(cause, "slack", at),
        delivery_key(Cause("d", "episode", "org:1", "ping", "1:slack"), "slack", at),
        delivery_key(cause, "hubspot", at),
        delivery_key(cause, "slack", at + timedelta(days=90)),
    }
    assert len(keys) == 4
    world.qualifies("org:9")
    world.qualifies("org:1")
    assert world.all()[1].key == delivery_key(cause, "remote", at)
