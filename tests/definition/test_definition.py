"""The whole of a definition: head, entry, score, plays, durations, attributes, version."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from pql.definition.attributes import attributes_of
from pql.definition.model import Action, Compare, Definition, EventMatch, Exclude, Play, Score, Trigger, Where

Small = Callable[..., Definition]


def test_what_is_not_written_has_the_settled_defaults(small: Small) -> None:
    """SEM-Q3, SEM-Q4, SEM-D3, SEM-W1: alive 14 days, leave 14, return 90, stale 7, account; a draft until made live."""
    definition = small()
    assert (definition.alive_days, definition.leave_after_days, definition.return_after_days) == (14, 14, 90)
    assert definition.stale_after_days == 7
    assert (definition.subject, definition.status, definition.priority) == ("account", "draft", 100)
    assert (definition.title, definition.reviewed, definition.complexity) == ("Small", None, "simple")


def test_what_is_written_holds(small: Small) -> None:
    """Head, entry rules and durations are read as written (SEM-W4)."""
    definition = small(
        title="Small but mine",
        status="live",
        priority="3",
        subject="user",
        reviewed="2026-01-31",
        only="{plan: [free, trial], vip: true}",
        exclude="{domains: [Acme.test], attributes: {lifecycle_stage: customer}, accounts: ['org:7']}",
        alive="3w",
        leave="{after: 12h}",
        **{"return": "{after: 0d}"},
        stale="{after: 2d}",
    )
    assert (definition.title, definition.status, definition.priority) == ("Small but mine", "live", 3)
    assert (definition.subject, definition.reviewed) == ("user", date(2026, 1, 31))
    assert definition.only == (("plan", ("free", "trial")), ("vip", (True,)))
    assert definition.exclude == Exclude(("acme.test",), (("lifecycle_stage", ("customer",)),), ("org:7",))
    assert (definition.alive_days, definition.leave_after_days, definition.return_after_days) == (21, 0.5, 0)
    assert definition.stale_after_days == 2


def test_score_lines_keep_points_units_caps_and_half_life(small: Small) -> None:
    """SEM-S1: a line has points, units, a cap and a half-life; a group has a cap; the scale is configurable."""
    score = small(
        score="""
  scale: [-50, 200]
  grades: {fit: [80, 60, 40]}
  fit: [{signal: plan_name, is: pro, points: 5, title: on the pro plan}]
  value:
    max: 50
    lines:
      - {signal: messages, points: 1, per: 100, max: 25, half_life: 7d}
      - {signal: messages, when: {max: 3}, points: -5}"""
    ).score
    fit, value = score.groups
    assert (score.scale, score.fit_cuts, score.engagement_cuts) == ((-50, 200), (80, 60, 40), Score().engagement_cuts)
    assert fit.lines[0].when == Compare("signal", "plan_name", one_of=("pro",))
    assert (fit.max, fit.lines[0].title) == (None, "on the pro plan")
    counted, few = value.lines
    assert (value.max, counted.points, counted.per, counted.max, counted.half_life_days) == (50, 1, 100, 25, 7)
    assert counted.when is None
    assert (few.points, few.when) == (-5, Compare("signal", "messages", max=3))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("newly_qualified", Trigger("newly_qualified")),
        ("left", Trigger("left")),
        ("gone_quiet", Trigger("gone_quiet", in_days=7)),
        ("{gone_quiet: 2w}", Trigger("gone_quiet", in_days=14)),
        ("{stuck: 7d}", Trigger("stuck", in_days=7)),
        ("{score_up: 20, in: 7d}", Trigger("score_up", by=20, in_days=7)),
        ("{score_down: 10, in: 1d}", Trigger("score_down", by=10, in_days=1)),
        ("{stage: A habit}", Trigger("stage", stage="A habit")),
        ("{near_limit: messages, min: 80}", Trigger("near_limit", signal="messages", min=80)),
    ],
)
def test_every_trigger_is_read(small: Small, written: str, read: Trigger) -> None:
    """Each trigger of PRODUCT-A1 is read with its numbers; a play on it re-arms after a day (SEM-D4)."""
    (play,) = small(plays=f"[{{play: P, on: {written}, do: [{{webhook: nudge}}]}}]").plays
    assert (play.on, play.rearm_days, play.at_most_every_days) == (read, 1.0, None)


def test_every_action_is_read(small: Small) -> None:
    """Actions keep their options as written and name the destination they go to."""
    (play,) = small(
        plays="""
  - play: Ping the owner!
    on: left
    if: {size: [mid]}
    next: "They sent {{ messages }}"
    rearm: 12h
    at_most_every: 7d
    do:
      - slack: {channel: "#pql-{{ size }}", mention: owner}
      - slack: {dm: owner, channel: C123, destination: slack_emea}
      - crm_task:
          {due: 1 business day, subject: "Call {{ account.name }}", body: "{{ reasons }}", fallback_owner: a@b.example}
      - crm_update: {pql_score: score, n: messages, text: "{{ 'x' }}", flag: true, count: 3}
      - webhook: zapier_nudge"""
    ).plays
    assert play == Play(
        id="ping-the-owner",
        title="Ping the owner!",
        on=Trigger("left"),
        actions=play.actions,
        filter=Compare("size", one_of=("mid",)),
        next="They sent {{ messages }}",
        rearm_days=0.5,
        at_most_every_days=7,
    )
    assert play.actions == (
        Action("slack", "slack", {"channel": "#pql-{{ size }}", "mention": "owner"}),
        Action("slack", "slack_emea", {"dm": "owner", "channel": "C123"}),
        Action(
            "crm_task",
            "hubspot",
            {
                "due": "1 business day",
                "subject": "Call {{ account.name }}",
                "body": "{{ reasons }}",
                "fallback_owner": "a@b.example",
            },
        ),
        Action(
            "crm_update",
            "hubspot",
            {"pql_score": "score", "n": "messages", "text": "{{ 'x' }}", "flag": True, "count": 3},
        ),
        Action("webhook", "zapier_nudge", {}),
    )


def test_every_attribute_that_is_read_is_known(small: Small) -> None:
    """The attributes of signals, limits, sizes, entry, conditions, filters and templates are all listed, sorted."""
    definition = small(
        signals="{messages: {count: message_sent}, plan_name: {attribute: plan}, p: {share: messages, of: seats}}",
        only="{region: eu}",
        exclude="{attributes: {partner: true}}",
        criteria="{fit: {not: {user.role: [guest]}}}",
        qualify="{all: [fit, {any: [{domain: {exists: true}}]}]}",
        plays="""
  - play: P
    on: left
    if: {owner_email: {exists: true}}
    next: "{{ account.industry }} {{ user.name }}"
    do: [{crm_task: {subject: "{{ account.city|upper }}"}}]""",
    )
    own = ["plan", "seats", "region", "partner", "user.role", "domain", "employees"]
    assert attributes_of(definition) == tuple(sorted([*own, "owner_email", "industry", "user.name", "city"]))


# --- versions ---


def test_titles_plays_comments_and_order_do_not_change_the_version(small: Small) -> None:
    """SEM-Q5: the rules' hash names the rules, not their words."""
    base = small(score="{value: [{signal: messages, points: 1}]}")
    reworded = small(
        score="{value: [{signal: messages, points: 1, title: chatter}]}",
        title="Another title",
        reviewed="2026-01-31",
        signals="{plan_name: {attribute: plan, title: on}, messages: {count: message_sent, title: messages}} # why",
        plays="[{play: P, on: left, do: [{webhook: nudge}]}]",
    )
    assert base.rules_hash == reworded.rules_hash
    assert len(base.rules_hash) == 12


@pytest.mark.parametrize(
    "changed",
    [
        {"qualify": "{messages: {min: 2}}"},
        {"signals": "{messages: {count: call_ended}, plan_name: {attribute: plan}}"},
        {"signals": "{messages: {count: message_sent, last: 7d}, plan_name: {attribute: plan}}"},
        {"alive": "7d"},
        {"leave": "{after: 7d}"},
        {"only": "{plan: [free]}"},
        {"activation": "[{stage: A habit, when: {messages: {min: 4}}}]"},
        {"score": "{value: [{signal: messages, points: 1}]}"},
        {"size": "{by: employees, from: {small: 0, mid: 51, large: 500}, unknown: small}"},
    ],
)
def test_every_rule_changes_the_version(small: Small, changed: dict[str, str]) -> None:
    """SEM-Q5: whatever decides is in the hash."""
    assert small(**changed).rules_hash != small().rules_hash


def test_a_match_is_keyed_by_event_conditions_and_value_alone() -> None:
    """SEM-M3: the key depends on exactly the three fields, not on the order they are written in."""
    where = (Where("a", "in", ("x", "y")), Where("b", "min", (1,)))
    match = EventMatch(("A", "B"), where, "minutes")
    assert match.key == EventMatch(("B", "A"), where[::-1], "minutes").key
    others = [
        EventMatch(("A",), where, "minutes"),
        EventMatch(("A", "B"), where[:1], "minutes"),
        EventMatch(("A", "B"), (Where("a", "not_in", ("x", "y")), where[1]), "minutes"),
        EventMatch(("A", "B"), (Where("a", "in", ("x",)), where[1]), "minutes"),
        EventMatch(("A", "B"), where, None),
        EventMatch(("A", "B"), (Where("a", "in", ("x", "y")), Where("b", "min", ("1",))), "minutes"),
    ]
    assert len({match.key, *(other.key for other in others)}) == 7
    assert len(match.key) == 16


def test_the_key_of_a_match_never_changes() -> None:
    """SEM-M3: stored usage is found again by a later version of the code."""
    assert EventMatch(("Invite Sent",), (Where("status", "in", ("accepted",)),), "n").key == "11ba3f238e240b42"


def test_how_and_hours_are_of_a_play_or_of_one_of_its_messages(small: Small) -> None:
    """PRODUCT-A1: what a message says of itself goes before what its play says; nothing but messages waits."""
    (play,) = small(
        plays="""
  - play: P
    on: left
    how: digest
    hours: any
    do:
      - slack: {channel: "#a"}
      - slack: {dm: owner, how: instant, hours: working}
      - webhook: nudge"""
    ).plays
    assert (play.how, play.hours) == ("digest", "any")
    assert [action.options for action in play.actions] == [
        {"channel": "#a", "how": "digest", "hours": "any"},
        {"dm": "owner", "hours": "working"},
        {},
    ]
