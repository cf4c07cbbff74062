"""A stopped run on the page: what it holds, and one answer by an editor, with who and why (PRODUCT-A6)."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.page.conftest import EVIL, NOW, Site

from pql import store
from pql.outbox.by_hand import storm
from pql.store.tables import deliveries, runs, storm_answers

WHY = "412 accounts at once: at most <150> may be announced"


@pytest.fixture
def run(site: Site) -> int:
    """Everything that was sent is held instead; the run that wanted it."""
    with site.open() as project, store.writing(project.engine) as connection:
        connection.execute(update(deliveries).values(state="held", receipt=None, sent_at=None, finished_at=None))
        run_id = int(connection.execute(select(deliveries.c.run_id)).scalars().first() or 0)
        summary = {"held": 2, "held_because": [WHY]}
        connection.execute(update(runs).where(runs.c.id == run_id).values(held=1, summary=summary))
    return run_id


def states(site: Site) -> set[str]:
    return {row["state"] for row in site.ledger()["deliveries"] if not row["account_key"].startswith("table:")}


def given(site: Site) -> list[tuple[Any, ...]]:
    return [(r["answer"], r["who"], r["why"], r["origin"]) for r in site.ledger()["storm_answers"]]


def test_a_stopped_run_says_what_it_holds(site: Site, run: int) -> None:
    """Above the deliveries: how many, why, where they would go, because of what, and the hottest."""
    html = unescape(re.sub(r"\s+", " ", site.html("/deliveries")))
    assert f"Run {run} is held: 2 deliveries about 1 account" in html
    assert f"<li>{WHY}</li>" in html
    assert "Would go to Slack #pql (1), tasks in hubspot (1)" in html
    assert "tell-sales of A habit (1 account)" in html
    assert re.search(r'The hottest: <a href="/airflow/pql/account\?key=org%3Anew">New & Co</a> \d+', html)


def test_what_it_says_is_text(site: Site, run: int) -> None:
    """Neither a reason nor a name is markup."""
    with site.open() as project, store.writing(project.engine) as connection:
        alert = connection.execute(select(deliveries.c.alert)).scalars().first()
        connection.execute(update(deliveries).values(alert={**dict(alert or {}), "account_name": EVIL}))
    html = site.html("/deliveries")
    assert WHY not in html
    assert EVIL not in html
    assert EVIL in unescape(html)


@pytest.mark.parametrize(
    ("verb", "verdict", "state", "said"),
    [
        ("approve", "approved", "pending", "2 deliveries approved"),
        ("digest", "digest", "pending", "2 deliveries due, the messages under one a channel"),
        ("reject", "rejected", "suppressed", "2 deliveries suppressed, with the reason and your name"),
    ],
)
def test_an_editor_answers_once(site: Site, run: int, verb: str, verdict: str, state: str, said: str) -> None:
    """The ledger and Airflow's audit log keep who and why; a second answer, or a second person's, changes nothing."""
    form = {"run": run, "reason": " a launch ", "back_to": "deliveries"}
    answer = site.post("/storms/answer", site.token(), verb=verb, **form)
    assert said in site.client.get(answer.headers["location"]).text
    assert states(site) == {state}
    assert given(site) == [(verdict, "dana", "a launch", "page")]
    assert site.noted == [("dana", f"storm_{verb}", {"run": run, "reason": "a launch", "count": 2})]
    for other in ("approve", "reject", "digest"):
        again = site.post("/storms/answer", site.token("/openings"), verb=other, **form)
        assert "the run was answered before" in site.client.get(again.headers["location"]).text
    assert (states(site), given(site)) == ({state}, [(verdict, "dana", "a launch", "page")])


def test_what_was_answered_lately_can_be_read(site: Site, run: int) -> None:
    """Who, how, when and why, wherever it was answered; for two weeks."""
    with site.open() as project, store.writing(project.engine) as connection:
        storm.reject(connection, run, who="tom <b>", why="doubled & data", origin="cli", now=NOW)
    html = unescape(re.sub(r"\s+", " ", site.html("/deliveries")))
    assert "1 stopped run answered lately" in html
    assert f"Run {run}, 1 account: rejected by tom <b>" in html
    assert "(2 deliveries): doubled & data" in html
    assert "is held" not in html
    with site.open() as project, store.writing(project.engine) as connection:
        connection.execute(update(storm_answers).values(answered_at=NOW.replace(tzinfo=None, year=2020)))
    assert "answered lately" not in site.html("/deliveries")


def test_an_answer_needs_a_reason_and_a_known_verb(site: Site, run: int) -> None:
    """Else nothing happens, and it is said what is missing; nor is a run answered that held nothing."""
    token = site.token()
    empty = site.post("/storms/answer", token, run=run, verb="approve", reason="  ", back_to="deliveries")
    assert "say why" in site.client.get(empty.headers["location"]).text
    assert site.post("/storms/answer", token, run=run, verb="delete", reason="x").status_code == 400
    other = site.post("/storms/answer", token, run=4711, verb="approve", reason="x", back_to="deliveries")
    assert other.headers["location"].endswith("count=0")
    assert (states(site), given(site)) == ({"held"}, [])


def test_a_reader_sees_it_and_cannot_answer(site: Site, run: int) -> None:
    """The form is for those who may edit."""
    site.user = "rita"
    html = site.html("/deliveries")
    assert f"Run {run} is held" in html
    assert "/storms/answer" not in html
