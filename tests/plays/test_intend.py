"""From decisions to what is to be done and said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.plays.conftest import HEAD, PING

from pql.definition import parse
from pql.plays import dump, intend, load
from pql.types import Champion


def test_a_ping_says_why_in_ten_seconds(define, snapshot, opened):
    """PRODUCT-A2: the alert holds everything the example message shows, in its words."""
    definition = define()
    frame = snapshot(definition, score_delta_night=31.0, score_delta_week=float("nan"))
    champions = {"org:acme": (Champion("Mia Chen", 412, 7),)}
    alert = intend(definition, opened(definition), frame, champions=champions)[0].alert
    assert (alert.account_name, alert.headline, alert.titles) == ("Acme Inc", "just qualified", ("New business",))
    assert (alert.size, alert.employees, alert.trial_day, alert.owner_email) == ("mid", 240, 9, "dana@x.com")
    assert (alert.activation_pct, alert.score, alert.grade) == (75, 55, "?1")
    assert (alert.score_delta_night, alert.score_delta_week) == (31, None)
    assert [(r.points, r.text) for r in alert.reasons] == [
        (25, "turned on self-serve billing"),
        (20, "messages on 6 of the last 7 days"),
        (15, "12 teammates invited"),
        (-5, "admin on free mail"),
    ]
    assert sum(r.points for r in alert.reasons) == alert.score
    assert alert.champions == champions["org:acme"]
    assert alert.next_step == "They use 80 % of their seats: offer the team plan"
    assert (alert.crm_kind, alert.crm_id, alert.flags) == ("company", "991", ())
    assert alert.as_of == "2026-03-10T00:00:00+00:00"


def test_actions_are_rendered_with_the_account_s_values(define, snapshot, opened):
    """PRODUCT-A1, A3: one intent per action, with its own cause, lane and rendered options."""
    definition = define()
    slack, task, update = intend(definition, opened(definition), snapshot(definition))
    assert (slack.lane, slack.options) == ("slack:#pql-mid", {"channel": "#pql-mid", "mention": "owner"})
    assert task.lane == "crm_task"
    assert task.options["subject"] == "Call Acme Inc: turned on self-serve billing"
    assert (task.options["due"], task.options["fallback_owner"]) == ("1 business day", "sdr@x.com")
    assert update.lane == "crm_update:company:991"
    assert update.options == {
        "pql_score": 55,
        "pql_reasons": "+25 turned on self-serve billing · +20 messages on 6 of the last 7 days"
        " · +15 12 teammates invited · −5 admin on free mail",
        "pql_plan": "trial",
        "pql_flag": True,
        "pql_at": "2026-03-10T00:00:00+00:00",
    }
    assert [i.cause.action for i in (slack, task, update)] == ["0:slack", "1:crm_task", "2:crm_update"]
    assert {(i.cause.of, i.cause.play, i.destination) for i in (slack, task)} == {
        ("episode", "ping-the-owner", "slack"),
        ("episode", "ping-the-owner", "hubspot"),
    }


def test_what_they_did_comes_before_who_they_are(snapshot, opened):
    """`top_reason` is why to call now: points of fit only where there are no others."""
    text = (HEAD + PING).replace("points: -5, title: admin on free mail", "points: 60, title: a big company")
    definition, _ = parse(text, "test.yaml")
    task = intend(definition, opened(definition), snapshot(definition))[1]
    assert task.alert.reasons[0].text == "a big company"
    assert task.options["subject"] == "Call Acme Inc: turned on self-serve billing"


def test_a_definition_without_stages_has_no_activation(define, snapshot, opened):
    """None, not 0 %: nobody asked how far they have come."""
    definition = define()
    unstaged = replace(definition, stages=())
    assert intend(unstaged, opened(unstaged), snapshot(unstaged))[0].alert.activation_pct is None


def test_an_intent_survives_json(define, snapshot, opened):
    """What opened silently is kept as JSON until a human releases it, and reads back equal."""
    definition = define()
    frame = snapshot(definition, score_delta_night=31.0)
    for intent in intend(definition, opened(definition, silent="baseline"), frame):
        assert not intent.announced
        assert load(json.loads(json.dumps(dump(intent)))) == intent


def test_the_filter_decides_who_is_told(define, snapshot, opened):
    """PRODUCT-A1: trigger → filter → actions; a filter on something unknown lets nobody through (SEM-M4)."""
    definition = define(PLAY.format(when="{plan: [trial]}"))
    subjects = [{"subject": f"org:{p}", "attr.plan": p} for p in ("trial", "pro")] + [
        {"subject": "org:x", "attr.plan": None}
    ]
    frame = snapshot(definition, *subjects)
    told = intend(definition, opened(definition, "org:trial", "org:pro", "org:x"), frame)
    assert [i.subject_key for i in told] == ["org:trial"]


PLAY = "  - {{play: Tell, on: newly_qualified, if: {when}, do: [{{slack: {{channel: '#pql'}}}}]}}\n"


def test_an_unknown_size_is_said(define, snapshot, opened):
    """SEM-Q2: messages say "size unknown, treated as small"."""
    definition = define()
    slack = intend(definition, opened(definition), snapshot(definition, {"attr.employees": None}))[0]
    assert (slack.alert.size_unknown, slack.lane) == (True, "slack:#pql-small")
    assert slack.alert.flags == ("size unknown, treated as small",)
    assert slack.alert.employees is None


def test_what_is_not_as_it_seems_is_flagged(define, snapshot, opened):
    """SEM-C1, SEM-T5: attributes of a later date, and windows that reach before the loaded history, are said."""
    definition = define()
    frame = snapshot(definition, {"crm_backdated": True, "short.habit": True, "short.invites": False})
    alert = intend(definition, opened(definition), frame)[0].alert
    assert alert.flags == ("CRM attributes are of a later date", "history too short for habit")


DM = "  - {{play: Tell, on: newly_qualified, do: [{{slack: {options}}}]}}\n"


@pytest.mark.parametrize(
    ("options", "owner", "lane"),
    [
        ("{dm: owner}", "dana@x.com", "slack:dm:dana@x.com"),
        ("{dm: owner, channel: '#unowned'}", "dana@x.com", "slack:dm:dana@x.com"),
        ("{dm: owner, channel: '#unowned'}", None, "slack:#unowned"),
        ("{dm: owner}", None, "slack:dm:owner"),
        ("{dm: boss@x.com}", "dana@x.com", "slack:dm:boss@x.com"),
    ],
)
def test_a_direct_message_is_a_lane_of_its_person(define, snapshot, opened, options, owner, lane):
    """PRODUCT-A2: direct messages go to the owner; an account without one falls back to the channel."""
    definition = define(DM.format(options=options))
    frame = snapshot(definition, {"attr.owner_email": owner})
    assert [i.lane for i in intend(definition, opened(definition), frame)] == [lane]


@pytest.mark.parametrize(
    ("on", "columns", "headline"),
    [
        ("{score_up: 20, in: 7d}", {"trigger_by.tell": 24.0}, "score up 24 in 7 days"),
        ("{score_down: 20, in: 1d}", {"trigger_by.tell": -30.0}, "score down 30 in a day"),
        ("{stage: Second}", {}, "reached “Second”"),
        ("{near_limit: seats_used_pct, min: 80}", {}, "is near a limit: seats used 80 %"),
        ("gone_quiet", {}, "has gone quiet"),
        ("stuck", {}, "is stuck in onboarding"),
        ("left", {}, "no longer qualifies"),
    ],
)
def test_every_trigger_has_its_headline(define, snapshot, occurred, on, columns, headline):
    """SEM-D4: what an occurrence causes names it, and says what happened."""
    definition = define(f"  - {{play: Tell, on: {on}, do: [{{slack: {{channel: '#pql'}}}}]}}\n")
    told = intend(definition, occurred(definition, "tell"), snapshot(definition, **columns))
    assert [(i.cause.of, i.cause.play, i.alert.headline) for i in told] == [("occurrence", "tell", headline)]
    assert intend(definition, occurred(definition, "tell", silent="stale"), snapshot(definition, **columns)) == ()


def test_an_unknown_value_is_not_written_to_the_crm(define, snapshot, occurred):
    """PRODUCT-A3: a write-back never overwrites with nothing: the qualified date is written when there is one."""
    play = (
        "  - {play: Tell, on: gone_quiet, do: [{crm_update: {a: qualified_at, b: qualified, c: score_delta_week}}]}\n"
    )
    definition = define(play)
    told = intend(definition, occurred(definition, "tell"), snapshot(definition))
    assert told[0].options == {"b": True}


def test_hostile_names_are_data_not_templates(define, snapshot, opened):
    """A company's name is never read as a template; escaping is each destination's own."""
    definition = define()
    name = '<!channel> & "Söhne" 😀 {{ score }} {% raw %}'
    task = intend(definition, opened(definition), snapshot(definition, {"attr.name": name}))[1]
    assert task.options["subject"] == f"Call {name}: turned on self-serve billing"


def test_a_template_that_cannot_be_filled_says_nothing(define, snapshot, opened):
    """A filter on an unknown number gives no next step instead of failing the run."""
    definition = define(PING_ROUND)
    known, unknown = {"subject": "org:a"}, {"subject": "org:b", "signal.seats_used_pct": float("nan")}
    told = intend(definition, opened(definition, "org:a", "org:b"), snapshot(definition, known, unknown))
    assert [i.alert.next_step for i in told] == ["at 80 %", ""]


PING_ROUND = """
  - play: Tell
    on: newly_qualified
    next: "at {{ seats_used_pct|round }} %"
    do: [{slack: {channel: "#pql"}}]
"""


def test_a_user_is_named_with_the_account(define, snapshot, opened):
    """SEM-W1: for `subject: user` the message names the person and the company; a person alone is just that."""
    definition = define(subject="user")
    users = [
        {"subject": "user:7", "account_key": "org:acme", "attr.user.name": "Mia Chen"},
        {"subject": "user:8", "attr.name": None, "attr.domain": None, "attr.user.email": "tom@free.example"},
    ]
    told = intend(definition, opened(definition, "user:7", "user:8"), snapshot(definition, *users))
    names = [i.alert.account_name for i in told if i.kind == "slack"]
    assert names == ["Mia Chen (Acme Inc)", "tom@free.example"]
