"""A storm is stopped as a whole and gets one answer: approved, rejected or told in one message (PRODUCT-A6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from pql import store
from pql.outbox import retry
from pql.outbox.by_hand.storm import Answer, Answered, approve, as_digest, reject, storm, storms
from pql.outbox.by_hand.storm_contents import Cause, Place, contents
from pql.store.tables import deliveries, storm_answers
from pql.types import UserError

WHY = "too many at once"


def told(who: str = "dana", why: str = "a launch", origin: Any = "cli") -> dict[str, Any]:
    return {"who": who, "why": why, "origin": origin}


def test_a_storm_says_what_it_holds_and_why(world: Any) -> None:
    """Until it is answered it is listed with its reason, its accounts and deliveries; a quiet run is not."""
    world.qualifies("org:0")
    first = world.stops("org:1", "org:2")
    second = world.stops("org:3", because="product brought 25 events")
    with store.reading(world.engine) as conn:
        newest, oldest = storms(conn)
        assert (newest.run_id, newest.because, newest.accounts) == (second, ("product brought 25 events",), 1)
        assert (oldest.run_id, oldest.because, oldest.accounts, oldest.deliveries) == (first, (WHY,), 2, 2)
        assert (newest.kind, newest.as_of, newest.decided_at) == ("hourly", world.clock(), world.clock())
        assert storm(conn, first) == oldest
        assert oldest.is_open


def test_what_is_inside_is_counted_and_the_hottest_named(world: Any) -> None:
    """Places and plays with the most first, one line an account, the highest score first; what left is not counted."""
    world.stops("org:7")
    run_id = world.stops("org:1", "org:2", "org:3")
    world.qualifies("org:3", definition="e", hold=True, kind="crm_task", lane="crm_task", score=99)
    world.qualifies("org:1", definition="f", hold=True, lane="slack:dm:a@x.com")
    world.qualifies("org:2", definition="f", hold=True, lane="slack:dm:b@x.com")
    with store.writing(world.engine) as conn:
        conn.execute(update(deliveries).where(deliveries.c.run_id > run_id).values(run_id=run_id))
        found = contents(conn, run_id, top=2)
    assert found.places == (Place("Slack #pql", 3), Place("Slack direct messages", 2), Place("tasks in remote", 1))
    assert found.causes == (Cause("d", "ping", 3), Cause("f", "ping", 2), Cause("e", "ping", 1))
    assert [(each.account_name, each.score) for each in found.top] == [("Org:3", 99), ("Org:1", 80)]


def test_approved_everything_of_that_run_goes_out_once(world: Any) -> None:
    """The answer is kept with who, why, where and when; the other storm goes on waiting."""
    other = world.stops("org:9")
    run_id = world.stops("org:1", "org:2")
    world.clock.turn(hours=3)
    with store.writing(world.engine) as conn:
        done = approve(conn, run_id, now=world.clock(), **told())
    assert done == Answered(True, Answer("approved", "dana", "a launch", "cli", world.clock(), 2))
    assert world.deliver().states == {"delivered": 2}
    assert sorted(order.alert.account_key for order in world.remote.orders) == ["org:1", "org:2"]
    with store.reading(world.engine) as conn:
        assert [each.run_id for each in storms(conn)] == [other]
        since = storms(conn, answered_since=world.clock() - timedelta(hours=1))
        assert [(each.run_id, each.answer) for each in since] == [(run_id, done.answer), (other, None)]
        assert len(storms(conn, answered_since=world.clock() + timedelta(hours=1))) == 1


def test_rejected_nothing_goes_out_and_each_delivery_says_why(world: Any) -> None:
    """Suppressed with who and why; by hand one of them can still be sent."""
    run_id = world.stops("org:1", "org:2")
    with store.writing(world.engine) as conn:
        done = reject(conn, run_id, now=world.clock(), **told(why="the import doubled everything"))
    assert (done.is_new, done.answer and done.answer.deliveries) == (True, 2)
    assert world.deliver().states == {}
    reason = f"storm of run {run_id} rejected: the import doubled everything (by dana)"
    assert {(each.state, each.reason, each.finished_at) for each in world.all()} == {
        ("suppressed", reason, world.clock())
    }
    with store.writing(world.engine) as conn:
        assert retry(conn, [world.all()[0].id], now=world.clock()) == 1
    assert world.deliver().states == {"delivered": 1}


def test_as_a_digest_one_message_names_them_all(world: Any) -> None:
    """In the channel stands one message, the others are in its thread; tasks become due as they are."""
    run_id = world.stops("org:1", "org:2", "org:3")
    world.qualifies("org:1", definition="e", hold=True, kind="crm_task", lane="crm_task")
    with store.writing(world.engine) as conn:
        conn.execute(update(deliveries).where(deliveries.c.run_id > run_id).values(run_id=run_id))
        done = as_digest(conn, run_id, now=world.clock(), **told())
    assert (done.is_new, done.answer and done.answer.verdict, done.answer and done.answer.deliveries) == (
        True, "digest", 4,
    )  # fmt: skip
    [table] = [each for each in world.all() if each.account_key.startswith("table:")]
    assert {(each.kind, each.state) for each in world.all()} == {("slack", "pending"), ("crm_task", "pending")}
    assert {each.thread_of for each in world.all() if each.kind == "slack" and each.id != table.id} == {table.id}
    assert "3 accounts" in table.alert.headline


@pytest.mark.parametrize("later", [approve, reject, as_digest])
@pytest.mark.parametrize("first", [approve, reject, as_digest])
def test_a_second_answer_changes_nothing(world: Any, first: Any, later: Any) -> None:
    """Whatever it says and whoever gives it: the first one stands and is what the second is told."""
    run_id = world.stops("org:1", "org:2")
    with store.writing(world.engine) as conn:
        done = first(conn, run_id, now=world.clock(), **told())
    before = world.all()
    world.clock.turn(hours=1)
    with store.writing(world.engine) as conn:
        again = later(conn, run_id, now=world.clock(), **told("tom", "no, the other way", "airflow"))
        assert conn.execute(select(storm_answers.c.who)).scalars().all() == ["dana"]
    assert again == Answered(False, done.answer)
    assert world.all() == before


def test_of_two_who_answer_at_once_one_is_heard(world: Any) -> None:
    """Both ask the ledger in the same moment; all deliveries follow one of them."""
    run_id = world.stops(*(f"org:{n}" for n in range(20)))

    def answer(how: Any) -> Answered:
        with store.writing(world.engine) as conn:
            done: Answered = how(conn, run_id, now=world.clock(), **told(how.__name__))
            return done

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(answer, (approve, reject)))
    [heard] = [each.answer for each in answers if each.is_new]
    assert heard is not None
    assert {each.answer.who for each in answers if each.answer} == {heard.who}
    assert {each.state for each in world.all()} == {"pending" if heard.who == "approve" else "suppressed"}


def test_what_somebody_dealt_with_one_by_one_needs_no_answer(world: Any) -> None:
    """With nothing left to hold the storm is over; answering it then changes nothing."""
    run_id = world.stops("org:1", "org:2")

    def stopped(conn: Connection, state: str) -> None:
        conn.execute(update(deliveries).values(state=state))

    with store.writing(world.engine) as conn:
        stopped(conn, "suppressed")
        assert storms(conn) == ()
        assert approve(conn, run_id, now=world.clock(), **told()) == Answered(False, None)
    assert {each.state for each in world.all()} == {"suppressed"}


@pytest.mark.parametrize("run_id", [1, 4711])
def test_a_run_that_held_nothing_cannot_be_answered(world: Any, run_id: int) -> None:
    """Neither one that sent as usual nor one that is not there; the message says where to look."""
    world.qualifies("org:1")
    with store.writing(world.engine) as conn, pytest.raises(UserError, match=r"is no storm.*pql storms"):
        approve(conn, run_id, now=world.clock(), **told())


def test_a_name_of_any_length_fits(world: Any) -> None:
    """Who answered is cut to what the ledger holds; nothing else of the answer is."""
    run_id = world.stops("org:1")
    with store.writing(world.engine) as conn:
        approve(conn, run_id, now=world.clock(), **told("d" * 500, "because " * 300))
        row = conn.execute(select(storm_answers)).one()
    assert (row.who, row.why) == ("d" * 200, "because " * 300)
