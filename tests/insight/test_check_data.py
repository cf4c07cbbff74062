"""`pql check` after a look at the data: what never matches, what nobody reaches, what reaches too far back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from tests.flow.conftest import DAY, HOUR, T0, Story, days_before
from tests.insight.conftest import TRIAL

from pql import insight
from pql.insight.checking.check_data import Looked
from pql.store.tables import definitions

ORG = {"org": "acme", "plan": "trial", "employees": 60, "seats": 5}


def look(story: Story, text: str = TRIAL) -> Looked:
    story.define(text, "trial")
    project = story.open()
    assert not project.errors
    try:
        return insight.check_data(project, project.definitions, now=story.now)
    finally:
        project.close()


def said(looked: Looked) -> list[str]:
    return [str(problem).split("trial.yaml:")[1] for problem in looked.problems]


@pytest.fixture
def busy(trial: Story) -> Story:
    """Acme and its colleagues do all that the definition asks about, for longer than any window."""
    for who in "abcd":
        trial.happens(who, *days_before(T0, 21, 4, 3, 2, 1), what="Message Sent", **ORG)
        trial.happens(who, *days_before(T0, 2, 1), what="Invite Sent", org="acme", tool="chat", status="Accepted")
    trial.happens("a", T0 - HOUR, what="Pricing Viewed", org="acme")
    trial.run("nightly", T0)
    return trial


def test_a_definition_that_the_data_bears_out_has_nothing_to_warn_about(busy: Story) -> None:
    """No warnings, and where history starts (SEM-T5)."""
    assert look(busy) == Looked((), ("history: from 2026-02-09", "data: looked at, up to 2026-03-01 23:00"))


def test_an_empty_lake_is_not_looked_at(trial: Story) -> None:
    """Before anything is loaded there is nothing to say, and that is said."""
    assert look(trial).problems == ()
    assert "nothing is loaded yet" in look(trial).notes[0]


def test_an_event_that_is_not_in_the_data_is_named_with_what_is(busy: Story) -> None:
    """Never seen, with the name that was probably meant; or long not seen, with the last time it was."""
    (problem,) = look(busy, TRIAL.replace("Pricing Viewed", "Pricing Vieved")).problems[:1]
    assert (problem.line, problem.level) == (9, "warning")
    span = "the last 30 days of the data (up to 2026-03-01)"
    assert problem.message == f"event `pricing_viewed` (`Pricing Vieved`) is not in {span}: never seen"
    assert problem.hint == "did you mean `Pricing Viewed`?"
    busy.happens("a", T0 + 40 * DAY, what="Message Sent", org="acme")
    busy.happens("a", T0 + 40 * DAY, what="Invite Sent", org="acme")
    busy.run("nightly", T0 + 41 * DAY)
    (problem,) = [p for p in look(busy).problems if "pricing_viewed" in p.message]
    assert problem.message.endswith("(up to 2026-04-11): last seen on 2026-03-01")


def test_a_condition_that_never_holds_is_named_with_the_values_there_are(busy: Story) -> None:
    """The event is there, its condition never holds: the property and what it really is."""
    text = TRIAL.replace(
        "teammate_invited: Invite Sent", "teammate_invited: {event: Invite Sent, where: {tool: chat, status: done}}"
    )
    problem = next(p for p in look(busy, text).problems if p.line == 8)
    assert problem.message.startswith(
        "event `teammate_invited`: the condition on `status` never holds for `Invite Sent`"
    )
    assert problem.hint == "`status` is `Accepted`"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{messages: {min: 3}}", "{messages: {min: 300}}", "of at least 300: the highest anybody has is 20"),
        (
            "{prices: {min: 1}}",
            "{prices: {min: 9}}",
            "nobody reaches `prices` of at least 9: the highest anybody has is 1",
        ),
        ("{employees: {min: 10}}", "{employees: {max: 10}}", "of at most 10: the lowest anybody has is 60"),
        ("{employees: {min: 10}}", "{plan: [Pro]}", "nobody has it: `plan` is never `Pro`, it is `trial`"),
        (
            "only: {plan: [trial, free]}",
            "only: {plan: [Trials]}",
            "nobody can enter: `plan` is never `Trials`, it is `trial`",
        ),
        ("{employees: {min: 10}}", "{meetings: {min: 1}}", "nobody reaches `meetings` of at least 1"),
    ],
)
def test_a_threshold_nobody_reaches_is_named_with_the_most_there_is(
    busy: Story, old: str, new: str, message: str
) -> None:
    """From everybody's scores, computed where no snapshot of these rules is there."""
    found = said(look(busy, TRIAL.replace(old, new)))
    assert any(message in line for line in found), found


def test_values_that_no_event_has_are_named(busy: Story) -> None:
    """A sum of a property that never holds a number, and values counted of one that is never there."""
    text = TRIAL.replace("message_sent: Message Sent", "message_sent: {event: Message Sent, value: lenght}").replace(
        "  employees: {attr",
        "  letters: {sum: message_sent}\n  rooms: {distinct: message_sent.room}\n  employees: {attr",
    )
    found = " ".join(said(look(busy, text)))
    assert "`letters` adds up `lenght` of `message_sent`, but none of them has a number there" in found
    assert "`rooms` counts `room` of `message_sent`, but none of them has it" in found


def test_windows_that_reach_before_history_are_flagged(busy: Story) -> None:
    """SEM-T5: a window longer than what is loaded is told at its line, twice as long if it compares."""
    trend = "  trend: {change: message_sent, last: 14d}\n  employees: {attr"
    text = TRIAL.replace("last: 7d", "last: 30d", 1).replace("  employees: {attr", trend)
    days, trend = (line for line in said(look(busy, text)) if "looks back" in line)
    assert days.startswith("13: `days` looks back 30 days, but history starts on 2026-02-09: 21 days are loaded")
    assert trend.startswith("18: `trend` looks back 14 days (twice, to compare), but history starts on 2026-02-09")


def test_rules_that_nobody_has_touched_for_a_quarter_are_named(busy: Story) -> None:
    """PRODUCT-D6: also where nobody wrote down a review, from when the ledger first saw these rules."""
    busy.do(
        lambda c: c.execute(update(definitions).values(first_seen_at=T0.replace(tzinfo=None) - timedelta(days=100)))
    )
    (line,) = said(look(busy))
    assert line == (
        "2: its rules have not been touched since 2025-11-22, more than a quarter ago"
        " — look at it again and write `reviewed: 2026-03-02`"
    )
