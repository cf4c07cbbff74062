"""`explain`: what moved a score adds up by line and by cause; any past moment can be asked about (PRODUCT-Q2, Q5)."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import update
from tests.flow.conftest import DAY, HOUR, T0, Story, days_before
from tests.insight.conftest import TRIAL, ask

from pql import pipeline
from pql.store import blocks
from pql.store.tables import episodes

ORG = {"org": "acme", "plan": "trial", "employees": 60, "seats": 5}


def load(story: Story) -> None:
    """Its events are read; no run has decided anything."""
    with closing(story.open()) as project:
        pipeline.ingest(project, "product", as_of=T0, now=T0, kind="nightly")


def adds_up(moved: dict[str, Any]) -> None:
    """Lines and causes each add up to the change, line by line too."""
    assert moved["known"]
    assert moved["delta"] == moved["score_after"] - moved["score_before"]
    assert sum(line["change"] for line in moved["lines"]) == moved["delta"]
    assert sum(points or 0 for points in moved["causes"].values()) == moved["delta"]
    for line in moved["lines"]:
        assert line["change"] == line["after"] - line["before"] == sum(line["causes"].values())


def causes(moved: dict[str, Any]) -> dict[str, int | None]:
    return {name: points for name, points in moved["causes"].items() if points != 0}


@pytest.fixture
def acme(trial: Story) -> Story:
    """Acme has sent a message a day and looked at the prices; the baseline night has seen that."""
    trial.happens("ada", *days_before(T0, 3, 2, 1), what="Message Sent", **ORG)
    trial.happens("ada", T0 - 12 * HOUR, what="Pricing Viewed", org="acme")
    trial.run("nightly", T0)
    return trial


def test_what_was_done_since_last_night_is_behaviour_and_what_fades_is_decay(acme: Story) -> None:
    """A day later: more messages are behaviour, the half-life of the pricing view is decay, and a cap is a line."""
    acme.happens("ada", T0 + HOUR, T0 + 2 * HOUR, what="Message Sent", org="acme")
    acme.run("nightly", T0 + DAY)
    one = ask(acme, "org:acme", T0 + DAY)
    moved = one["moved"]["night"]
    adds_up(moved)
    assert (moved["score_before"], moved["score_after"]) == (57, 61)
    assert causes(moved) == {"behaviour": 9, "decay": -5}
    assert {line["name"]: line["change"] for line in moved["lines"]} == {"line.1": 4, "line.2": 5, "line.3": -5}
    assert one["score_delta_night"] == 4
    assert not one["moved"]["week"]["known"]
    assert one["moved"]["week"]["why"] == "there is no nightly snapshot of that moment"


def test_what_came_late_is_told_apart(acme: Story) -> None:
    """Events of before that night that were read after it are late data; what happened since is behaviour."""
    acme.happens("ada", *[T0 - 20 * HOUR] * 2, what="Message Sent", org="acme")
    acme.run("nightly", T0 + DAY)
    moved = ask(acme, "org:acme", T0 + DAY)["moved"]["night"]
    adds_up(moved)
    assert causes(moved) == {"late_data": 4, "decay": -5}


def test_a_changed_attribute_is_a_crm_change(acme: Story) -> None:
    """The company shrank: the points of its size are gone for that reason."""
    acme.happens("ada", T0 + HOUR, what="Message Sent", org="acme", employees=20)
    acme.run("nightly", T0 + DAY)
    moved = ask(acme, "org:acme", T0 + DAY)["moved"]["night"]
    adds_up(moved)
    assert causes(moved) == {"crm": -20, "behaviour": 7, "decay": -5}


def test_changed_rules_are_told_apart_from_what_happened(acme: Story) -> None:
    """The night's snapshot stays what it was; between it and today's rules lies the definition change (SEM-Q5)."""
    acme.define(TRIAL.replace("points: 20}", "points: 30}"), "trial")
    acme.happens("ada", T0 + HOUR, what="Message Sent", org="acme")
    acme.run("nightly", T0 + DAY)
    moved = ask(acme, "org:acme", T0 + DAY)["moved"]["night"]
    adds_up(moved)
    assert moved["rules_changed"]
    assert causes(moved) == {"definition": 10, "behaviour": 7, "decay": -5}
    assert moved["lines"][0]["text"].startswith("the rules changed (version ")


def test_somebody_new_has_moved_from_nowhere(acme: Story) -> None:
    """Who was not there that night has no change since (SEM-S3)."""
    acme.happens("eve", T0 + HOUR, what="Message Sent", org="new", plan="trial")
    acme.run("nightly", T0 + DAY)
    moved = ask(acme, "org:new", T0 + DAY)["moved"]["night"]
    assert (moved["known"], moved["why"], moved["causes"]) == (False, "had not been seen by then", None)


def test_why_it_did_not_alert_on_a_day_long_gone(acme: Story) -> None:
    """SEM-D3, Q5: each past moment is answered by what the ledger and the runs were then."""
    acme.run("nightly", T0 + DAY)
    acme.happens("ada", T0 + DAY + HOUR, what="Pricing Viewed", org="acme")
    for night in (2, 3):
        acme.run("nightly", T0 + night * DAY)
    acme.now = T0 + 40 * DAY
    said = {day: ask(acme, "org:acme", T0 + day * DAY)["alert"] for day in (-1, 0, 1, 2, 3)}
    assert said == {
        -1: "no alert: no live run of the definition had decided by then: its first was as of 2026-03-02 00:00",
        0: "no alert: it did not qualify: the nightly run as of 2026-03-02 00:00 saw a score of 57",
        1: "no alert: it did not qualify: the nightly run as of 2026-03-03 00:00 saw a score of 52",
        2: "announced: it newly qualified as of 2026-03-04 00:00",
        3: "announced on 2026-03-04 00:00; that stay goes on, which is told once",
    }
    seen = ask(acme, "org:acme", T0 + DAY)["seen"]
    assert (seen["kind"], seen["as_of"], seen["qualified"]) == ("nightly", "2026-03-03T00:00:00+00:00", False)


def test_a_moment_without_a_run_is_told_so(acme: Story) -> None:
    """Nobody is announced by runs that were not made."""
    acme.now = T0 + 30 * DAY
    said = ask(acme, "org:acme", T0 + 10 * DAY)["alert"]
    assert "no live run decided between 2026-03-02 00:00 and then" in said


def test_what_came_late_explains_why_nobody_was_told_then(acme: Story) -> None:
    """The run saw no reason; by today's data there was one."""
    acme.happens("ada", T0 - 4 * DAY, what="Message Sent", org="acme")
    acme.run("nightly", T0 + DAY)
    acme.now = T0 + 40 * DAY
    one = ask(acme, "org:acme", T0)
    assert one["qualified"]
    assert one["alert"].endswith("did not see it qualify; by what is known today it did (it came late)")


def test_silence_blocks_and_coming_back_are_told_as_they_were(acme: Story) -> None:
    """A silent opening names its reason, a block whoever set it, a cooldown its end; each at its time only."""
    acme.happens("bob", *days_before(T0, 4, 3, 2, 1), what="Message Sent", org="old", plan="trial", employees=60)
    acme.happens("bob", T0 - 2 * HOUR, what="Pricing Viewed", org="old")
    again = acme
    again.run("nightly", T0 + DAY)
    assert "silently" not in ask(again, "org:acme", T0 + DAY)["alert"]
    again.do(lambda c: blocks.block(c, "org:acme", "not_a_fit", reason="a student", origin="cli", now=T0 + DAY))
    blocked = ask(again, "org:acme", T0 + 2 * DAY)
    assert blocked["alert"] == "no alert: the account is blocked (not_a_fit: a student)"
    assert blocked["nearest"] == {
        "possible": False,
        "note": "no usage would qualify it: the account is blocked (not_a_fit: a student)",
        "ways": [],
    }
    again.do(lambda c: c.execute(update(episodes).values(silent_reason="stale")))
    assert "silently, because by the data and rules of that run" in ask(again, "org:old", T0 + DAY)["alert"]


def test_the_path_names_what_is_asked_and_what_is_there(acme: Story) -> None:
    """Every comparison says what it wants and what it found; unknown stays unknown, and what keeps one out is named."""
    acme.happens("eve", T0 - HOUR, what="Message Sent", org="other", plan="enterprise")
    acme.run("nightly", T0 + DAY)
    path = ask(acme, "org:other", T0 + DAY)["path"]
    steps = {step["name"]: step for step in flat(path)}
    assert (steps["days"]["wanted"], steps["days"]["actual"]) == ("at least 4", "active on 1 of the last 7 days")
    assert (steps["employees"]["verdict"], steps["employees"]["actual"]) == ("unknown", "employees unknown")
    assert [part["text"] for part in steps["only"]["parts"]] == ["plan is trial or free (enterprise)"]


@pytest.mark.parametrize(
    ("rule", "why", "is_now"),
    [
        ("attributes: {plan: [trial, staff]}", "plan is not trial or staff (trial)", "plan is trial"),
        ("domains: [acme.example]", "domain is not acme.example (acme.example)", "domain is acme.example"),
        ("accounts: ['org:acme']", "account is not org:acme (org:acme)", "account is org:acme"),
    ],
)
def test_what_excludes_it_is_named(trial: Story, rule: str, why: str, is_now: str) -> None:
    """Whoever is kept out by an exclusion is told by which, on the path and beside the nearest ways (SEM-W4)."""
    trial.define(TRIAL.replace("only:", f"exclude: {{{rule}}}\nonly:"), "trial")
    trial.happens("ada", T0 - HOUR, what="Message Sent", **ORG, mail="ada@acme.example")
    load(trial)
    one = ask(trial, "org:acme", T0)
    steps = {step["name"]: step for step in flat(one["path"])}
    assert [part["text"] for part in steps["excluded"]["parts"]] == [why]
    assert one["nearest"]["note"] == f"no usage would qualify it: the account is excluded ({is_now})"


def flat(step: dict[str, Any]) -> list[dict[str, Any]]:
    return [step, *(inner for part in step["parts"] for inner in flat(part))]
