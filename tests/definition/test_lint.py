"""Warnings: definitions that would run, but probably not as meant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from pql.definition import lint
from pql.definition.model import Definition
from pql.settings import FilesSource, HubSpotDestination, HubSpotSource, Settings, SlackDestination

Small = Callable[..., Definition]


def told(definition: Definition, **more: object) -> list[str]:
    """What is said, but for signals that the small definition declares and a test has no use for."""
    found = lint(definition, **more)  # type: ignore[arg-type] # passes keywords on
    return [problem.message for problem in found if "is never used" not in problem.message]


@pytest.mark.parametrize(
    ("when", "alone"),
    [
        ("{joined: {min: 1}}", True),
        ("{joined: {min: 2}}", False),
        ("{any: [{messages: {min: 5}}, {joined: {min: 1}}]}", True),
        ("{all: [{messages: {min: 5}}, {joined: {min: 1}}]}", False),
        ("{messages: {min: 0}}", True),
        ("{messages: {max: 3}}", True),
        ("{not: {messages: {min: 1}}}", True),
        ("{joined_users: {min: 1}}", True),
        ("{often: {min: 1}}", False),
    ],
)
def test_a_stage_that_a_sign_up_alone_reaches_is_warned_about(small: Small, when: str, alone: bool) -> None:
    """SEM-A2: signing up alone gives no progress."""
    definition = small(
        signals="""
  messages: {count: message_sent}
  joined: {count: signed_up}
  joined_users: {users: signed_up, last: 30d}
  often: {count: signed_up, per: user, min: 2}""",
        activation=f"[{{stage: First, when: {when}}}]",
    )
    message = "signing up alone reaches the stage `First`: a sign-up is not value"
    assert (message in told(definition)) == alone


@pytest.mark.parametrize(
    ("qualify", "can"),
    [
        ("{messages: {min: 1}}", False),
        ("{employees: {min: 10}}", True),
        ("{all: [{employees: {min: 10}}, {messages: {min: 1}}]}", False),
        ("{any: [{employees: {min: 10}}, {messages: {min: 1}}]}", True),
        ("{not: {messages: {min: 1}}}", True),
        ("{not: {messages: {exists: true}}}", False),
        ("{stage: A habit}", False),
        ("{activation_pct: {min: 10}}", False),
        ("{activation_pct: {min: 0}}", True),
        ("{activation_pct: {min: by_size}}", False),
        ("{score: {min: 15}}", True),
        ("{score: {min: 30}}", False),
        ("{size: large}", True),
        ("{hours: {max: 5}}", False),
        ("{quiet: {max: 5}}", True),
        ("fit", True),
    ],
)
def test_a_definition_that_a_sign_up_alone_meets_is_warned_about(small: Small, qualify: str, can: bool) -> None:
    """SEM-A2: a big company that only signed up qualifies for nothing, whatever its attributes."""
    definition = small(
        signals="""
  messages: {count: message_sent}
  plan_name: {attribute: plan}
  hours: {time_to: message_sent}
  quiet: {days_since: message_sent}""",
        criteria="{fit: {plan: [pro]}}",
        score="{fit: [{signal: plan_name, points: 20}], value: [{signal: messages, points: 1, per: 1, max: 30}]}",
        qualify=qualify,
    )
    assert any("only signed up can qualify" in message for message in told(definition)) == can


def test_a_sign_up_that_counts_as_activity_is_warned_about(small: Small) -> None:
    """SEM-A2, SEM-Q3: a sign-up that is not passive would keep an account alive."""
    events = "{signed_up: Signed Up, message_sent: Message Sent}"
    problem = lint(small(events=events))[0]
    assert "counts as activity" in problem.message
    assert problem.line == 2


def test_points_out_of_reach_are_warned_about(small: Small) -> None:
    """A threshold that no account can reach is named, with the most there is."""
    lines = "lines: [{signal: messages, points: 1, per: 1, max: 90}]"
    score = f"{{value: {{max: 40, {lines}}}, fit: [{{signal: plan_name, points: 5}}]}}"
    assert told(small(score=score, qualify="{score: {min: 46}}")) == [
        "`score` of at least 46 can never be reached: the lines give at most 45"
    ]
    assert told(small(score=score, qualify="{score: {min: 45}}")) == []


def test_what_can_have_no_effect_is_warned_about(small: Small) -> None:
    """Criteria nobody asks for, points above their cap, entry that excludes itself and silence are all named."""
    definition = small(
        status="live",
        criteria="{value: {messages: {min: 1}}, intent: {messages: {min: 2}}}",
        qualify="value",
        score="{value: {max: 5, lines: [{signal: messages, points: 9}]}}",
        only="{plan: [pro]}",
        exclude="{attributes: {plan: [pro, team]}}",
    )
    assert sorted(told(definition)) == [
        "9 points for `messages` are more than `value` may give (5)",
        "criterion `intent` is defined, but `qualify` does not ask for it",
        "nobody can enter: every `plan` of `only` is excluded again",
        "the definition is live, but without a play nobody is told",
    ]


def test_a_review_is_asked_for_after_a_quarter(small: Small) -> None:
    """PRODUCT-D6: a live definition that was last reviewed more than a quarter ago is brought up again."""
    definition = small(status="live", reviewed="2026-01-01", plays="[{play: P, on: left, do: [{webhook: w}]}]")
    assert told(definition, today=date(2026, 4, 3)) == []
    assert told(definition, today=date(2026, 4, 4)) == ["last reviewed on 2026-01-01, more than a quarter ago"]


def test_attributes_and_destinations_are_checked_against_the_settings(small: Small) -> None:
    """An attribute that no source gives, and a destination that is missing or of another kind, are named."""
    definition = small(
        only="{industry: [x], region: [eu], domain: [a.example]}",
        plays="[{play: P, on: left, do: [{webhook: nudge}, {slack: {channel: '#a'}}, {crm_update: {a: score}}]}]",
    )
    emit = {"name": "a", "time": "t", "user": "u", "user_traits": {"plan": "p"}}
    files = FilesSource.model_validate({"kind": "files", "path": "x", "emits": [emit]})
    crm = HubSpotSource(kind="hubspot", attributes={"industry": "industry"})
    project = Settings(
        sources={"files": files, "crm": crm},
        destinations={"slack": SlackDestination(kind="slack"), "nudge": HubSpotDestination(kind="hubspot")},
    )
    assert sorted(told(definition, settings=project)) == [
        "no source gives the attribute `region`: it is unknown for everybody",
        "play `P` sends to `hubspot`, which settings.yaml does not have",
        "play `P`: `nudge` is a hubspot, it cannot do `webhook`",
    ]


@pytest.mark.parametrize(
    ("sent_to", "hint"),
    [
        ("zapier", "did you mean `zapier_nudge`?"),
        ("zapier_nudg", "did you mean `zapier_nudge`?"),
        ("crm", "add it under `destinations:`"),
    ],
)
def test_a_destination_that_is_missing_is_guessed_among_those_that_can_do_it(
    small: Small, sent_to: str, hint: str
) -> None:
    """The start of a name or a misspelt one is enough; one of another kind is not proposed."""
    definition = small(status="live", plays=f"[{{play: P, on: left, do: [{{webhook: {sent_to}}}]}}]")
    destinations = {"zapier_nudge": {"kind": "webhook", "connection": "z"}, "crm_nudge": {"kind": "hubspot"}}
    settings = Settings.model_validate({"destinations": destinations})
    (problem,) = [p for p in lint(definition, settings=settings) if "settings.yaml" in p.message]
    assert problem.hint == hint


@pytest.mark.parametrize(
    "use",
    [
        {"activation": "[{stage: First, when: {tools: {min: 1}}}]"},
        {"criteria": "{value: {not: {tools: {max: 3}}}}", "qualify": "value"},
        {"score": "{value: [{signal: tools, points: 1}], fit: [{signal: plan_name, points: 5}]}"},
        {"size": "{by: tools, from: {small: 0}, unknown: small}"},
        {"plays": "[{play: P, on: {near_limit: share_of_tools, min: 80}, do: [{webhook: w}]}]"},
        {"plays": "[{play: P, on: left, if: {tools: {min: 1}}, do: [{webhook: w}]}]"},
        {"plays": "[{play: P, on: left, next: 'They use {{ tools }}', do: [{webhook: w}]}]"},
        {"plays": "[{play: P, on: left, do: [{crm_update: {tools_in_use: tools}}]}]"},
        {"plays": "[{play: P, on: left, do: [{crm_task: {subject: '{{ tools|int }} tools'}}]}]"},
    ],
    ids=["stage", "criterion", "points", "size", "limit", "filter", "next step", "CRM property", "template"],
)
def test_a_signal_that_nothing_asks_for_is_warned_about(small: Small, use: dict[str, str]) -> None:
    """A signal without a use is named at its line; whatever may use it, uses it shares too."""
    kept = "\n  messages: {count: message_sent}\n  plan_name: {attribute: plan}\n  tools: {count: tool_connected}"
    share = "\n  share_of_tools: {share: tools, of: plan_seats}" if "share_of_tools" in str(use) else ""
    score = "{fit: [{signal: plan_name, points: 5}]}"
    (problem,) = lint(small(signals=kept, score=score))
    assert problem.message == "signal `tools` is never used: no stage, criterion, point or play asks for it"
    assert problem.line == 10
    messages = [problem.message for problem in lint(small(**{"signals": kept + share, "score": score} | use))]
    assert not [message for message in messages if "`tools`" in message]


def test_a_digest_of_nothing_and_hours_that_nobody_named_are_warned_about(small: Small) -> None:
    """PRODUCT-A1: only Slack messages wait, and only for hours that the settings know."""
    definition = small(
        plays="""
  - {play: Nudge, on: left, how: digest, do: [{webhook: nudge}]}
  - {play: Ping, on: newly_qualified, how: digest, hours: working, do: [{slack: {channel: "#a"}}]}"""
    )
    digest = "play `Nudge` has no `slack` action: nothing of it waits for a digest"
    hours = "play `Ping` waits for working hours, but settings.yaml names none: it speaks at any time"
    slack = {"destinations": {"slack": SlackDestination(kind="slack"), "nudge": {"kind": "webhook", "connection": "n"}}}
    assert told(definition) == [digest]
    assert told(definition, settings=Settings.model_validate(slack))[-2:] == [digest, hours]
    assert hours not in told(definition, settings=Settings.model_validate(slack | {"working_hours": {}}))
