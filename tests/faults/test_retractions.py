"""What was announced is taken back while services break: one edit, one closed task, one event, in the sandbox's log."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from pql import store
from pql.clients.hubspot import HubSpot
from pql.clients.slack import Slack
from pql.connections import from_environment
from pql.outbox import Rhythm
from pql.outbox.queueing.retract import retract
from pql.sandbox import connections
from pql.store.instants import to_naive
from pql.store.tables import deliveries, delivery_causes, episodes

NUMBER = 3
WHY = "by corrected data it did not qualify on 2026-03-02"
EDITS = {"slack": "slack_edit", "crm_task": "crm_task_edit", "webhook": "webhook"}
PATHS = {"slack": "chat.update", "crm_task": "/objects/tasks/", "webhook": "/webhook/"}


def take_back(line: Any, *, only: int | None = None) -> int:
    """Every delivery there is (or `only` one) turns out wrong: its stay is closed, and what it said is taken back."""
    at = to_naive(line.clock())
    why = {}
    with store.deciding(line.engine) as conn:
        wrong = select(deliveries).where(deliveries.c.id == only) if only else select(deliveries)
        for row in conn.execute(wrong.order_by(deliveries.c.id)).all():
            stay = {"definition": "d", "subject_key": row.subject_key, "account_key": row.account_key, "score": 82}
            stay |= {"rules_hash": "hash", "opened_as_of": at, "closed_as_of": at, "close_reason": "retracted"}
            episode = conn.execute(insert(episodes).values(stay).returning(episodes.c.id)).scalar_one()
            cause = {"delivery_id": row.id, "episode_id": episode, "cause": f"episode:{episode}", "definition": "d"}
            cause |= {"play": "ping", "action": f"0:{row.kind}", "destination": row.destination}
            conn.execute(insert(delivery_causes).values(cause))
            why[episode] = WHY
        return retract(conn, why, run_id=None, now=line.clock()).pending


def announced(line: Any, kind: str) -> None:
    line.queue(NUMBER, kind)
    line.until_settled()
    assert line.states() == {"delivered": NUMBER}


def taken_back(line: Any, kind: str) -> Counter[str]:
    """How often what each delivery had announced was taken back, by key."""
    found = [effect for effect in line.sandbox.effects() if effect["kind"] == EDITS[kind]]
    if kind == "webhook":
        found = [effect for effect in found if effect["payload"]["type"] == "pql.retracted"]
    return Counter(str(effect["key"]) for effect in found)


def once(line: Any, kind: str) -> None:
    assert line.states() == {"delivered": 2 * NUMBER}
    assert sorted(taken_back(line, kind).values()) == [1] * NUMBER


@pytest.mark.both_ledgers
@pytest.mark.parametrize("kind", list(EDITS))
@pytest.mark.parametrize("how", ["error", "lost"])
def test_every_answer_is_lost_after_the_effect(line: Any, kind: str, how: Any) -> None:
    """PRODUCT-A5: the edit is read back and not made again; a webhook repeats its id, which the receiver drops."""
    announced(line, kind)
    assert take_back(line) == NUMBER
    line.sandbox.fail(PATHS[kind], how, times=2 * NUMBER, acts=how == "error")
    line.until_settled()
    once(line, kind)


@pytest.mark.parametrize("kind", ["slack", "crm_task"])
def test_an_outage_delays_and_doubles_nothing(line: Any, kind: str) -> None:
    """PRODUCT-A5: the destination is down for an hour: everything is taken back afterwards, once."""
    announced(line, kind)
    take_back(line)
    line.sandbox.fail("/slack/" if kind == "slack" else "/hubspot/", "down", times=None, delay_s=3600)
    line.until_settled()
    once(line, kind)


def test_the_answer_about_the_row_of_a_table_is_lost(line: Any) -> None:
    """PRODUCT-A5: the table is edited once, keeps its place and its key, and names who is left."""
    rhythm = Rhythm(table_above=NUMBER - 1)
    line.queue(NUMBER)
    with store.writing(line.engine) as conn:
        conn.execute(update(deliveries).values(gather_at=to_naive(line.clock())))
    line.until_settled(rhythm=rhythm)
    (posted,) = [each for each in line.sandbox.effects("slack") if "thread_ts" not in each["message"]]
    with store.reading(line.engine) as conn:
        first = conn.execute(select(deliveries.c.id).where(deliveries.c.thread_of.is_not(None)).limit(1)).scalar_one()
    assert take_back(line, only=first) == 2
    line.sandbox.fail(PATHS["slack"], "error", times=2, acts=True)
    assert line.deliver(rhythm=rhythm).states == {"ambiguous": 2}
    line.until_settled(rhythm=rhythm)
    assert line.states() == {"delivered": NUMBER + 3}
    edits = [each for each in line.sandbox.effects() if each["kind"] == EDITS["slack"]]
    (edit,) = [each for each in edits if each["ts"] == posted["ts"]]
    assert edit["message"]["metadata"]["event_payload"]["key"] == posted["key"]
    rows = [block["text"]["text"] for block in edit["message"]["blocks"] if block["type"] == "section"]
    assert ["No longer qualified" in row for row in rows].count(True) == 1
    assert len(rows) == NUMBER


def test_a_message_that_somebody_deleted_is_taken_back_already(line: Any) -> None:
    """PRODUCT-A2: there is nothing to edit, so nothing is given up and nobody is alarmed."""
    announced(line, "slack")
    slack = Slack(from_environment(connections(line.sandbox.url))("slack_default"))
    for effect in line.sandbox.effects("slack"):
        slack.call("chat.delete", {"channel": effect["channel"], "ts": effect["ts"]})
    take_back(line)
    line.until_settled()
    assert line.states() == {"delivered": 2 * NUMBER}
    assert taken_back(line, "slack") == {}
    assert all(each.receipt["gone"] for each in line.all() if each.kind == "slack_retract")


def test_a_task_that_is_done_is_left_as_it_is(line: Any) -> None:
    """PRODUCT-A3: what the rep has completed keeps the notes it has."""
    announced(line, "crm_task")
    hubspot = HubSpot(from_environment(connections(line.sandbox.url))("hubspot_default"))
    for each in line.all():
        hubspot.update("tasks", each.receipt["task"], {"hs_task_status": "COMPLETED", "hs_task_body": "called them"})
    take_back(line)
    line.until_settled()
    bodies = [e["properties"]["hs_task_body"] for e in line.sandbox.effects() if e["kind"] == "crm_task_edit"]
    assert (line.states(), bodies) == ({"delivered": 2 * NUMBER}, ["called them"] * NUMBER)
