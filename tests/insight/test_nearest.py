"""The nearest ways to qualify: computed by scoring changed rows, so that what is suggested does it (PRODUCT-Q5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.conftest import read
from tests.flow.conftest import DAY, HOUR, T0, Story, days_before
from tests.insight.conftest import TRIAL, ask

from pql.insight.why.doable import Change
from pql.insight.why.nearest import Rules, changed, nearest

ORG = {"org": "acme", "plan": "trial", "employees": 60, "seats": 5}
RULES = Rules(read(TRIAL), "UTC")
NOON = pd.Timestamp("2026-03-02 12:00")


def row(**values: Any) -> pd.DataFrame:
    """One scored row of features: an account of the trial definition that has done nothing but what is given."""
    plain: dict[str, Any] = dict.fromkeys((f"signal.{s.name}" for s in RULES.definition.signals), 0.0)
    plain |= {"signal.employees": 60.0, "attr.employees": 60.0, "attr.plan": "trial", "attr.seats": 10.0}
    plain |= {"as_of": NOON, "last_active_at": NOON, "subject_key": "org:a", "account_key": "org:a", "domain": None}
    plain |= {"signal_at.prices": pd.NaT, "stage_at.0": pd.NaT, "stage_at.1": pd.NaT}
    plain |= {key.replace("__", "."): value for key, value in values.items()}
    share = float("nan") if not plain["attr.seats"] else 100 * plain["signal.teammates"] / plain["attr.seats"]
    return RULES.score(pd.DataFrame([plain | {"signal.seats_pct": share}]))


def said(found: Mapping[str, Any]) -> list[str]:
    return [way["text"] for way in found["ways"]]


def test_one_step_is_said_in_a_reps_words_cheapest_first() -> None:
    """Who has the habit needs to look at the price, or to fill the seats; both are said, the lesser first."""
    found = nearest(RULES, row(signal__days=4.0, signal__teammates=5.0))
    assert found["possible"]
    assert said(found) == ["pricing viewed once in the last 7 days", "3 more people active in the last 14 days"]
    assert [way["changes"] for way in found["ways"]] == [
        [{"signal": "prices", "before": 0.0, "after": 1.0}],
        [{"signal": "teammates", "before": 5.0, "after": 8.0}],
    ]


@pytest.mark.parametrize(
    ("has", "text"),
    [
        ({"signal__prices": 1.0, "signal__invites": 1.0}, "one more teammate invited in the last 14 days"),
        ({"signal__prices": 1.0, "signal__days": 1.0}, "3 more active days in the last 7 days"),
        ({"signal__days": 4.0}, "pricing viewed once in the last 7 days"),
    ],
)
def test_what_is_missing_is_what_is_suggested(has: dict[str, float], text: str) -> None:
    """ "One more invited teammate, or 3 more active days"."""
    assert text in said(nearest(RULES, row(**has)))


def test_two_steps_are_suggested_only_where_one_is_not_enough() -> None:
    """Without habit and without interest it takes one of each."""
    found = nearest(RULES, row())
    assert said(found)[0] == "2 teammates invited in the last 14 days and pricing viewed once in the last 7 days"
    assert all(len(way["changes"]) == 2 for way in found["ways"])


def test_nobody_is_told_to_hire() -> None:
    """What no customer does in the product is never suggested: a company too small stays so."""
    found = nearest(RULES, row(signal__days=4.0, signal__prices=1.0, signal__employees=5.0, attr__employees=5.0))
    assert found == {
        "possible": False,
        "note": "no change of one or two signals that a customer can bring about would qualify it",
        "ways": [],
    }


@pytest.mark.parametrize(
    ("has", "note"),
    [
        ({"attr__plan": "enterprise"}, "no usage would qualify it: `only` does not let it in"),
        ({"attr__plan": None}, "no usage would qualify it: an attribute that `only` asks for is unknown"),
        ({"domain": "rival.test"}, "no usage would qualify it: the account is excluded (domain is rival.test)"),
    ],
)
def test_who_may_not_enter_is_told_so(has: dict[str, Any], note: str) -> None:
    """No usage qualifies an account that is out."""
    excluded = Rules(RULES.definition, "UTC", own_domains=("rival.test",))
    scored = excluded.score(row(signal__days=4.0, **has))
    assert nearest(excluded, scored) == {"possible": False, "note": note, "ways": []}
    assert nearest(RULES, row(), blocked="a student")["note"] == "no usage would qualify it: a student"


def test_who_has_gone_quiet_has_to_come_back_first() -> None:
    """All else being there, any activity does it (SEM-Q3)."""
    found = nearest(RULES, row(signal__invites=2.0, signal__prices=1.0, last_active_at=NOON - pd.Timedelta(days=20)))
    assert (said(found), found["note"]) == (["any activity"], "not active within 14 days: it has to come back first")


@settings(max_examples=15, deadline=None)
@given(
    messages=st.integers(0, 9),
    days=st.integers(0, 7),
    invites=st.integers(0, 3),
    prices=st.integers(0, 1),
    teammates=st.integers(0, 9),
    employees=st.sampled_from([None, 5.0, 60.0]),
    quiet=st.integers(0, 20),
)
def test_every_suggestion_makes_it_qualify(
    messages: int, days: int, invites: int, prices: int, teammates: int, employees: float | None, quiet: int
) -> None:
    """Whatever an account has done: it qualifies, or each way told flips it, or nothing is told."""
    usage = {"messages": messages, "days": days, "invites": invites, "prices": prices, "teammates": teammates}
    values = {f"signal__{name}": float(value) for name, value in usage.items()}
    scored = row(**values, signal__employees=employees, last_active_at=NOON - pd.Timedelta(days=quiet))
    found = nearest(RULES, scored)
    assert not (found["ways"] and bool(scored["qualified"].iloc[0]))
    for way in found["ways"]:
        steps = [Change(**step) for step in way["changes"]]
        assert all(step.after > (step.before or 0) for step in steps)
        assert bool(changed(RULES, scored, [steps])["qualified"].iloc[0]), way
    efforts = [way["effort"] for way in found["ways"]]
    assert efforts == sorted(efforts)


def test_doing_what_is_suggested_qualifies_it(trial: Story) -> None:
    """The suggestion is no estimate: the events it asks for, really sent, make the account qualify."""
    trial.happens("ada", *days_before(T0, 2, 1), what="Message Sent", **ORG)
    trial.happens("ada", T0 - 2 * HOUR, what="Pricing Viewed", org="acme")
    trial.run("nightly", T0)
    found = ask(trial, "org:acme", T0)
    assert not found["qualified"]
    assert found["nearest"]["ways"][0]["text"] == "2 teammates invited in the last 14 days"
    trial.happens("ada", T0 + HOUR, T0 + 2 * HOUR, what="Invite Sent", org="acme")
    trial.run("nightly", T0 + DAY)
    after = ask(trial, "org:acme", T0 + DAY)
    assert (after["qualified"], after["nearest"]) == (True, {"possible": True, "note": "it qualifies", "ways": []})
    assert after["alert"] == "announced: it newly qualified as of 2026-03-03 00:00"


PLAYS = """
definition: trial
title: Trial
status: live
events: {song_played: Play}
signals:
  week: {count: song_played, last: 7d}
  fortnight: {count: song_played, last: 14d}
  ever: {count: song_played}
  days: {active_days: song_played, last: 7d}
activation: [{stage: Five plays, when: {ever: {min: 5}}}]
score:
  value:
    - {signal: ever, points: 10, per: 1}
    - {signal: days, points: 7, per: 1}
qualify: {all: [{week: {min: 3}}, {fortnight: {min: 4}}, {activation_pct: {min: 100}}]}
"""


def test_one_action_moves_all_that_counts_it(trial: Story) -> None:
    """Three windows over one event are one thing to do; really done, it qualifies with the score that was told."""
    trial.define(PLAYS, "trial")
    trial.happens("ada", T0 - 20 * DAY, what="Play", org="acme")
    trial.run("nightly", T0)
    (way,) = ask(trial, "org:acme", T0)["nearest"]["ways"]
    assert (way["text"], way["score"], way["activation_pct"]) == ("4 songs played in the last 7 days", 57, 100)
    trial.happens("ada", *[T0 + HOUR] * 4, what="Play", org="acme")
    trial.run("nightly", T0 + DAY)
    after = ask(trial, "org:acme", T0 + DAY)
    assert (after["qualified"], after["score"]) == (True, 57)


def test_more_days_bring_the_actions_of_those_days(trial: Story) -> None:
    """A day with plays has a play: what counts plays moves with what counts days."""
    trial.define(
        PLAYS.replace("week: {min: 3}", "days: {min: 3}").replace("fortnight: {min: 4}", "ever: {min: 2}"), "trial"
    )
    trial.happens("ada", *[T0 - 2 * HOUR] * 3, what="Play", org="acme")
    trial.run("nightly", T0)
    (way,) = ask(trial, "org:acme", T0)["nearest"]["ways"]
    assert (way["text"], way["score"]) == ("2 more days with songs in the last 7 days", 71)
    trial.happens("ada", T0 + HOUR, T0 + DAY + HOUR, what="Play", org="acme")
    trial.run("nightly", T0 + 2 * DAY)
    after = ask(trial, "org:acme", T0 + 2 * DAY)
    assert (after["qualified"], after["score"]) == (True, 71)
