"""A stopped run asks once, waits without being in the way, and carries out the first answer only (PRODUCT-A6)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DagRunTriggerException, TaskAwaitingInput
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sqlalchemy import select
from tests.outbox.conftest import World

from pql import store
from pql.orchestration import notices, storm_tasks, storm_words
from pql.orchestration.start_approval import StartApproval
from pql.orchestration.storm_words import APPROVE, DIGEST, KEEP, REJECT, plain
from pql.outbox.by_hand import storm
from pql.outbox.by_hand.storm_contents import contents
from pql.store.tables import storm_answers

MARKDOWN = MarkdownIt("commonmark").enable("table")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = "storm_answer_hours: 3\ndestinations:\n  slack: {kind: slack}\n"


@pytest.fixture
def world(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The project's ledger in which things happen."""
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    monkeypatch.setenv("PQL_LEDGER", f"sqlite:///{tmp_path / 'ledger.db'}")
    for module in (storm_tasks, notices):
        context = {"dag": SimpleNamespace(dag_id="approve_storm"), "params": {"run": 1}}
        monkeypatch.setattr(module, "get_current_context", lambda context=context: context)
    engine = store.connect(f"sqlite:///{tmp_path / 'ledger.db'}")
    at(monkeypatch, NOW)
    yield World(engine)
    engine.dispose()


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """What the clock says."""
    monkeypatch.setattr("pql.orchestration.runtime.now", lambda: now)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Airflow was told to show."""
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(storm_tasks, "upsert_hitl_detail", lambda **detail: shown.append(detail))
    return shown


def question() -> Any:
    """The operator as the DAG has it."""
    from airflow.sdk import DAG

    with DAG("approve_storm", schedule=None) as dag:
        storm_tasks.approve_storm_flow()
    return dag.get_task("ask")


def context(run: Any = 1) -> dict[str, Any]:
    return {"params": {"run": run}, "task_instance": SimpleNamespace(id="ti-1")}


def wait_for(act: Callable[[], Any]) -> TaskAwaitingInput:
    """What the task says when it begins to wait."""
    with pytest.raises(TaskAwaitingInput) as waiting:
        act()
    return waiting.value


def answers(world: World) -> list[tuple[Any, ...]]:
    columns = storm_answers.c
    with store.reading(world.engine) as conn:
        return [tuple(row) for row in conn.execute(select(columns.answer, columns.who, columns.why, columns.origin))]


def said(chosen: str, reason: Any = "a launch", who: Any = "dana") -> dict[str, Any]:
    """What Airflow hands over when somebody has answered; without `who`: when nobody has."""
    user = None if who is None else {"id": "7", "name": who}
    return {"chosen_options": [chosen], "params_input": {"reason": reason}, "responded_by_user": user}


def test_a_stopped_run_starts_one_question_with_its_number_only() -> None:
    """Airflow carries the run's number; a run that held nothing asks nobody."""
    summary = {"held": 12, "run_id": 41, "accounts_told_of": 0}
    task = StartApproval(task_id="ask", summary=summary)
    with pytest.raises(DagRunTriggerException) as started:
        StartApproval.execute.__wrapped__(task, {})  # type: ignore[attr-defined]  # as the task runner calls it
    assert (started.value.trigger_dag_id, started.value.dag_run_id) == ("approve_storm", "storm-41")
    assert (started.value.conf, started.value.wait_for_completion) == ({"run": 41}, False)
    assert started.value.skip_when_already_exists
    quiet = StartApproval(task_id="ask", summary={**summary, "held": 0})
    with pytest.raises(AirflowSkipException):
        StartApproval.execute.__wrapped__(quiet, {})  # type: ignore[attr-defined]  # the same


def test_the_question_says_what_is_held(world: World, asked: list[dict[str, Any]]) -> None:
    """How many, why, where it would go, because of what, the hottest; and until when it waits."""
    run = world.stops("org:1", "org:2", because="2 accounts at once: at most 1 may be announced")
    waiting = wait_for(lambda: question()._ask(context(run), NOW + 3 * HOUR))
    [shown] = asked
    assert shown["subject"] == f"Run {run} is held: 2 deliveries about 2 accounts. Send them?"
    text = unescape(MARKDOWN.render(shown["body"]))
    for part in (
        "2 accounts at once: at most 1 may be announced",
        "<td>Slack #pql</td>\n<td>2</td>",
        "<td>d</td>\n<td>ping</td>\n<td>2</td>",
        "<td>Org:2</td>\n<td>51</td>\n<td>B1</td>",
        "until 2026-03-02 15:00 UTC",
    ):
        assert part in text, part
    assert (shown["options"], shown["defaults"]) == ([APPROVE, DIGEST, REJECT, KEEP], [KEEP])
    assert list(shown["params"]) == ["reason"]
    assert (waiting.timeout, waiting.kwargs) == (HOUR, {"until": "2026-03-02T15:00:00+00:00"})


def test_it_waits_as_long_as_the_settings_say(
    world: World, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every hour it looks again and goes on asking; when the time is over, the answer that changes nothing counts."""
    run, ask = world.stops("org:1"), question()
    nobody = {**said(KEEP, None, who=None), "responded_at": NOW, "timedout": True}
    first = wait_for(lambda: ask.execute.__wrapped__(ask, context(run)))
    until = first.kwargs["until"]
    assert until == (NOW + 3 * HOUR).isoformat()
    at(monkeypatch, NOW + 2.5 * HOUR)
    again = wait_for(lambda: ask.execute_complete(context(run), nobody, until))
    assert (again.timeout, again.kwargs["until"], len(asked)) == (HOUR / 2, until, 2)
    at(monkeypatch, NOW + 3 * HOUR)
    over = ask.execute_complete(context(run), nobody, until)
    assert over["chosen_options"] == [KEEP]
    with pytest.raises(AirflowSkipException, match="stays held"):
        carry_out(run, dict(over))
    assert answers(world) == []
    assert world.only().state == "held"


@pytest.mark.parametrize("how", [storm.approve, storm.reject, storm.as_digest])
def test_answered_elsewhere_the_question_ends(
    world: World, asked: list[dict[str, Any]], how: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the latest an hour later, with the answer that was given as its reason; nothing else happens."""
    run, ask = world.stops("org:1"), question()
    waiting = wait_for(lambda: ask._ask(context(run), NOW + 3 * HOUR))
    with store.writing(world.engine) as conn:
        how(conn, run, who="tom", why="on the page", origin="page", now=NOW)
    at(monkeypatch, NOW + HOUR)
    nobody = {**said(KEEP, None, who=None), "responded_at": NOW, "timedout": True}
    with pytest.raises(AirflowSkipException, match="by tom"):
        ask.execute_complete(context(run), nobody, waiting.kwargs["until"])
    assert len(asked) == 1
    assert [row[:2] for row in answers(world)] == [(answers(world)[0][0], "tom")]


@pytest.mark.parametrize(("run", "message"), [(None, "parameter `run`"), (99, "Run 99 is no storm")])
def test_a_question_about_nothing_fails_for_good(world: World, run: Any, message: str) -> None:
    """Started by hand without a run, or for one that held nothing: no retry, and the message says what to do."""
    with pytest.raises(AirflowFailException, match=message):
        question()._ask(context(run), NOW)


def carry_out(run: int, answer: dict[str, Any]) -> dict[str, Any]:
    """What the task returns for an answer about that run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storm_tasks, "get_current_context", lambda: {"params": {"run": run}})
        done: dict[str, Any] = storm_tasks.carry_out.function(answer)
    return done


@pytest.mark.parametrize(
    ("chosen", "verdict", "state", "due"),
    [(APPROVE, "approved", "pending", 2), (DIGEST, "digest", "pending", 2), (REJECT, "rejected", "suppressed", 0)],
)
def test_the_answer_is_carried_out_once(world: World, chosen: str, verdict: str, state: str, due: int) -> None:
    """With who and why; the outbox is woken if something is due. Run again, or answered differently: nothing more."""
    run = world.stops("org:1", "org:2")
    done = carry_out(run, said(chosen))
    assert (done["answer"], done["who"], done["queued"], done["is_new"]) == (verdict, "dana", due, True)
    before = world.all()
    for again in (chosen, APPROVE, REJECT):
        later = carry_out(run, said(again, "again", "tom"))
        assert (later["answer"], later["who"], later["queued"], later["is_new"]) == (verdict, "dana", 0, False)
    assert answers(world) == [(verdict, "dana", "a launch", "airflow")]
    assert {each.state for each in before if each.account_key.startswith("org:")} == {state}
    assert world.all() == before


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_an_answer_without_a_reason_counts(world: World, reason: Any) -> None:
    """Airflow's form cannot ask for one without refusing the time-out, too; the ledger says that none was given."""
    carry_out(world.stops("org:1"), said(APPROVE, reason, who=""))
    assert answers(world) == [("approved", "somebody in Airflow", "no reason given", "airflow")]


HOSTILE = (
    "[Acme](http://evil.example)", "![x](http://evil.example/x.png)", "<img src=x onerror=alert(1)>", "a | b", "`x`",
    "**bold**", "&amp; &#60;b&#62;", "# head", "1. one", "- item", "line\nbreak\r\n\r\n# head", "\\", "\\|", "~~x~~",
    "a\tb", "{{ 7*7 }}", "$x$", "[^1]", ":smile:", "😀 Söhne & Partner", "مرحبا", "<http://evil.example>",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_the_question_is_text(name: str) -> None:
    """Whatever an account calls itself, its cell shows just that on one line."""
    html = MARKDOWN.render(f"| a | b |\n| --- | --- |\n| {plain(name)} | end |\n")
    cells = html.split("<td>")[1:]
    assert len(cells) == 2
    assert unescape(cells[0].split("</td>")[0]).replace("\u2060", "") == " ".join(name.split())


@given(st.text(max_size=60))
def test_any_text_in_the_question_is_text(name: str) -> None:
    """No text makes markup."""
    html = MARKDOWN.renderInline(f"x{plain(name)}x")
    assert "<" not in html.replace("&lt;", "")


@pytest.mark.parametrize("link", ["www.evil.example", "http://evil.example", "HTTPS://evil.example", "a@evil.example"])
def test_what_github_would_make_a_link_is_none(link: str) -> None:
    """Airflow shows GitHub's Markdown, which links addresses even if they are escaped: they are cut where it looks."""
    shown = plain(link).replace("\\", "")
    assert shown != link
    assert shown.replace("\u2060", "") == link


def test_a_long_name_and_a_turned_one_are_cut() -> None:
    """A name is at most 80 characters, and none turns the reading direction of the line around it."""
    assert len(plain("x" * 500)) == 80
    assert plain("\u202eabc\u202c") == "abc"


def test_many_places_are_summed_up(world: World) -> None:
    """A storm over many channels is still read at a glance."""
    for number in range(20):
        world.qualifies(f"org:{number}", hold=True, lane=f"slack:#c{number}")
    with store.writing(world.engine) as conn:
        conn.exec_driver_sql("UPDATE deliveries SET run_id = 1")
        text = storm_words.body(storm.storm(conn, 1), contents(conn, 1), until=NOW)
    assert "| and 5 more | |" in text
