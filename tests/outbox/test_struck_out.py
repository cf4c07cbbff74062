"""The row of a table is struck out when its account is taken back: of what was shown, that row and no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Any

import pytest
from tests.outbox.conftest import WHY, again, taken_back

from pql import outbox, store
from pql.outbox import Rhythm
from pql.outbox.by_hand.storm import storms
from pql.outbox.by_hand.storm_contents import contents
from pql.outbox.queueing.digest import gather_due
from pql.outbox.queueing.retract import TakenBack, retract
from pql.store import runs
from pql.types import Result

RHYTHM = Rhythm(table_above=1)
MORNING = Rhythm(digest_at=time(8, 30))
DIGEST = {"channel": "#pql", "how": "digest"}
THREE = ("org:1", "org:2", "org:3")


def edits(world: Any) -> list[tuple[list[str], list[str]]]:
    """Of each edit of a table, as it was sent: whom it shows, and whom of them struck out."""
    found = []
    for order in world.remote.orders:
        if order.kind == "slack_retract" and order.listing is not None:
            names = [alert.account_key for alert in order.listing.alerts]
            found.append((names, [names[place] for place in sorted(order.listing.taken_back)]))
    return found


def listed(world: Any, *accounts: str, scores: Any = (50, 70, 60)) -> None:
    """A table of these accounts is sent, with its messages."""
    world.run_of(accounts or THREE, rhythm=RHYTHM, scores=scores[: len(accounts or THREE)])
    world.deliver(rhythm=RHYTHM)


def test_the_row_of_a_table_is_struck_out_with_its_message(world: Any) -> None:
    """PRODUCT-A5: whoever reads only the table sees it, too; each night that takes rows back edits it once."""
    listed(world)
    table = next(order for order in world.remote.orders if order.listing is not None)
    assert taken_back(world, "org:2") == TakenBack(pending=2)
    assert again(world, "org:2") == TakenBack()
    assert world.deliver(rhythm=RHYTHM).states == {"delivered": 2}
    assert taken_back(world, "org:1", "org:3") == TakenBack(pending=3)
    world.deliver(rhythm=RHYTHM)
    order = ["org:2", "org:3", "org:1"]
    assert edits(world) == [(order, ["org:2"]), (order, order)]
    edit = next(each for each in world.remote.orders if each.kind == "slack_retract" and each.listing)
    assert edit.thread == {"ts": table.key, "key": table.key}


def test_a_table_that_is_not_sent_yet_shows_what_is_left(world: Any) -> None:
    """PRODUCT-A5: there is nothing to strike out in what nobody has seen; nor are they in a later edit."""
    world.run_of(THREE, rhythm=RHYTHM)
    with store.writing(world.engine) as conn:
        gather_due(conn, RHYTHM, now=world.clock())
    assert taken_back(world, "org:2") == TakenBack(suppressed=1)
    world.deliver(rhythm=RHYTHM)
    assert edits(world) == []
    taken_back(world, "org:1")
    world.deliver(rhythm=RHYTHM)
    assert edits(world) == [(["org:1", "org:3"], ["org:1"])]


def test_a_table_that_is_being_sent_is_edited_afterwards(world: Any) -> None:
    """PRODUCT-A5: it was made before the data was corrected, and leaves after: it shows them."""
    world.run_of(THREE, rhythm=RHYTHM, scores=(50, 70, 60))
    asked, back = list[str](), list[TakenBack]()

    def recheck(claim: Any) -> None:
        asked.append(claim.account_key)
        if len(asked) == len(THREE):  # the last one that the table will show
            back.append(taken_back(world, "org:2"))

    world.deliver(rhythm=RHYTHM, recheck=recheck)
    assert back == [TakenBack(pending=1, suppressed=1)]
    world.deliver(rhythm=RHYTHM)
    assert edits(world) == [(["org:2", "org:3", "org:1"], ["org:2"])]


@pytest.mark.parametrize("end", ["unsent", "dead", "suppressed"])
def test_a_row_is_struck_out_whatever_became_of_its_message(world: Any, end: str) -> None:
    """PRODUCT-A5: the table stands, the message in its thread did not follow, was refused, or was stopped by hand."""
    refused = Result("rejected" if end == "dead" else "not_sent", reason="down")
    world.run_of(THREE, rhythm=RHYTHM)
    world.remote.script = ["delivered", refused, refused, refused]
    world.deliver(rhythm=RHYTHM)
    message = next(each for each in world.all() if each.account_key == "org:3")
    if end == "suppressed":
        with store.writing(world.engine) as conn:
            outbox.suppress(conn, [message.id], reason="by hand", now=world.clock())
    assert taken_back(world, "org:3") == TakenBack(pending=1, suppressed=int(end == "unsent"))
    assert again(world, "org:3") == TakenBack()
    world.clock.turn(minutes=1)
    world.deliver(rhythm=RHYTHM)
    ((names, struck),) = edits(world)
    assert (sorted(names), struck) == (list(THREE), ["org:3"])


def test_who_was_stopped_for_another_reason_keeps_the_row(world: Any) -> None:
    """PRODUCT-A5: an edit changes the rows that it is about, and no other."""
    world.run_of(THREE, rhythm=RHYTHM, scores=(50, 70, 60))
    world.remote.script = ["delivered", *[Result("not_sent", reason="down")] * 3]
    world.deliver(rhythm=RHYTHM)
    world.objections["org:1"] = "an open deal"
    world.clock.turn(minutes=1)
    world.deliver(rhythm=RHYTHM)
    taken_back(world, "org:3")
    world.deliver(rhythm=RHYTHM)
    assert edits(world) == [(["org:2", "org:3", "org:1"], ["org:3"])]


@pytest.mark.parametrize("wrong", ["older", "newer"])
def test_a_row_stays_while_another_message_about_its_account_stands(world: Any, wrong: str) -> None:
    """SEM-D5: an account is one row; it is struck out when nothing that was told of it holds any more."""
    for account in ("org:1", "org:2"):
        world.qualifies(account, options=DIGEST, rhythm=MORNING, definition="e" if wrong == "older" else "d")
    world.qualifies("org:1", definition="z", subject="user:1", options=DIGEST, rhythm=MORNING, score=99)
    world.clock.turn(hours=9)
    world.deliver(rhythm=MORNING)
    gone, stands = ("org:1", 99) if wrong == "older" else ("user:1", 80)
    assert taken_back(world, gone, "org:2") == TakenBack(pending=3)
    world.deliver(rhythm=MORNING)
    assert edits(world) == [(["org:1", "org:2"], ["org:2"])]
    edit = next(each for each in world.remote.orders if each.kind == "slack_retract" and each.listing)
    assert edit.listing.alerts[0].score == stands


def test_what_joins_the_thread_later_is_no_row(world: Any) -> None:
    """SEM-D5: a further message only answers there; when it is taken back, the table stays as it is."""
    listed(world)
    world.clock.turn(hours=1)
    world.qualifies("org:1", definition="e", subject="user:1")
    world.deliver(rhythm=RHYTHM)
    assert world.all()[-1].thread_of == next(each.id for each in world.all() if each.account_key.startswith("table:"))
    assert taken_back(world, "user:1") == TakenBack(pending=1)
    world.deliver(rhythm=RHYTHM)
    assert edits(world) == []


def test_what_a_person_holds_or_refuses_to_take_back_stays(world: Any) -> None:
    """PRODUCT-A6: the edit of another night does not carry out what a storm holds; approved later, that undoes none."""
    listed(world)
    assert taken_back(world, "org:1", hold=True) == TakenBack(held=2)
    taken_back(world, "org:2")
    world.deliver(rhythm=RHYTHM)
    order = ["org:2", "org:3", "org:1"]
    assert edits(world) == [(order, ["org:2"])]
    with store.writing(world.engine) as conn:
        assert outbox.release_held(conn, now=world.clock()) == 2
    world.deliver(rhythm=RHYTHM)
    assert edits(world)[1:] == [(order, ["org:2", "org:1"])]


def test_an_edit_waits_for_the_one_before_it(world: Any) -> None:
    """PRODUCT-A5: a slow request for the older edit must not land on top of the newer one."""
    listed(world)
    taken_back(world, "org:1")
    world.remote.script = ["delivered", Result("ambiguous", reason="time-out")]
    world.remote.quiet_s = 120.0
    assert world.deliver(rhythm=RHYTHM).states == {"delivered": 1, "ambiguous": 1}
    taken_back(world, "org:2")
    world.deliver(rhythm=RHYTHM)
    assert [each.state for each in world.all() if each.kind == "slack_retract"] == [
        "delivered", "ambiguous", "delivered", "pending",
    ]  # fmt: skip
    for _ in range(3):
        world.clock.turn(minutes=3)
        world.deliver(rhythm=RHYTHM)
    assert [each.state for each in world.all() if each.kind == "slack_retract"] == ["delivered"] * 4
    assert edits(world)[-1][1] == ["org:2", "org:1"]


def test_a_storm_counts_accounts_and_no_table(world: Any) -> None:
    """PRODUCT-A6: whoever answers reads how many accounts it is about, and which are the hottest."""
    listed(world)
    for subject in ("org:1", "org:2"):
        world.closes(subject, "retracted")
    with store.deciding(world.engine) as conn:
        run_id = runs.start_run(conn, kind="nightly", as_of=world.clock(), now=world.clock(), live=True)
        why = {world.episodes[subject]: WHY for subject in ("org:1", "org:2")}
        assert retract(conn, why, run_id=run_id, now=world.clock(), hold=True) == TakenBack(held=3)
    with store.reading(world.engine) as conn:
        (storm,) = storms(conn)
        top = [alert.account_key for alert in contents(conn, run_id).top]
    assert (storm.deliveries, storm.accounts, top) == (3, 2, ["org:2", "org:1"])


def test_a_message_that_was_stopped_does_not_stand_for_the_row(world: Any) -> None:
    """PRODUCT-A5: two messages are about one account, one of them never followed, the other is taken back."""
    world.qualifies("org:1", definition="e", subject="user:1", options=DIGEST, rhythm=MORNING)
    for account in ("org:1", "org:2"):
        world.qualifies(account, options=DIGEST, rhythm=MORNING, score=90)
    world.clock.turn(hours=9)
    older = world.all()[0]

    def recheck(claim: Any) -> str | None:
        return "an open deal" if claim.id == older.id else None

    world.deliver(rhythm=MORNING, recheck=recheck)
    assert world.all()[0].state == "suppressed"
    taken_back(world, "org:1")
    world.deliver(rhythm=MORNING)
    assert edits(world) == [(["org:1", "org:2"], ["org:1"])]


def test_a_message_that_left_the_thread_is_still_a_row(world: Any) -> None:
    """PRODUCT-A5: somebody else owns the account when its own message goes: the table to the first one shows it."""
    options = {"dm": "owner"}
    for account in THREE:
        world.qualifies(account, lane="slack:dm:dana@x.test", options=options)
    with store.writing(world.engine) as conn:
        (table,) = outbox.gather(conn, [each.id for each in world.all()], now=world.clock(), title="Many")
    moved = replace(world.all()[0].alert, owner_email="erik@x.test")
    asked = list[str]()

    def recheck(claim: Any) -> Any:
        asked.append(claim.account_key)
        return moved if claim.account_key == "org:1" and len(asked) > len(THREE) else None

    world.deliver(rhythm=RHYTHM, recheck=recheck)
    assert [each.thread_of for each in world.all() if each.account_key in THREE] == [None, table, table]
    taken_back(world, "org:1")
    world.deliver(rhythm=RHYTHM)
    assert [struck for _, struck in edits(world)] == [["org:1"]]


def test_the_next_edit_makes_up_for_one_that_was_given_up(world: Any) -> None:
    """PRODUCT-A5: nobody refused it; Slack was down for too long."""
    listed(world)
    taken_back(world, "org:1")
    world.remote.script = ["delivered", Result("rejected", reason="down")]
    assert world.deliver(rhythm=RHYTHM).states == {"delivered": 1, "dead": 1}
    taken_back(world, "org:2")
    world.deliver(rhythm=RHYTHM)
    assert edits(world)[-1] == (["org:2", "org:3", "org:1"], ["org:2", "org:1"])


def test_an_edit_that_is_approved_waits_for_one_on_its_way(world: Any) -> None:
    """PRODUCT-A6: the newer one was made without it, and would undo it if it landed last."""
    listed(world)
    taken_back(world, "org:1", hold=True)
    taken_back(world, "org:2")
    world.remote.script = ["delivered", Result("ambiguous", reason="time-out")]
    world.remote.quiet_s = 120.0
    world.deliver(rhythm=RHYTHM)
    with store.writing(world.engine) as conn:
        outbox.release_held(conn, now=world.clock())
    world.deliver(rhythm=RHYTHM)
    first, second = [each for each in world.all() if each.kind == "slack_retract" and "table:" in each.account_key]
    assert (first.state, second.state) == ("pending", "ambiguous")
    for _ in range(3):
        world.clock.turn(minutes=3)
        world.deliver(rhythm=RHYTHM)
    assert edits(world)[-1][1] == ["org:2", "org:1"]
    assert {each.state for each in world.all()} == {"delivered"}
