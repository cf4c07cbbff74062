"""Whatever happened, the room says what a plain reading of the rules says, for one moment as for many."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from unittest import mock
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.conftest import FREE, Event, World, naive, read
from tests.features.oracle import Oracle

from pql.features import build, resolve_marks, rows

START = datetime(2024, 3, 8, tzinfo=UTC)  # clocks change in New York on 10 March
HOURS = 24 * 9
PER_USER = """
  habitual: {active_days: msg, last: 3d, per: user, min: 2}
  rare: {count: msg, per: user, max: 1}
  early_users: {sum: call, first: 2d, per: user, min: 1}
  averagers: {average: call, last: 3d, per: user, min: 2}
  toolers: {distinct: tool.kind, last: 3d, per: user, min: 1}
  tool_users: {distinct: [msg, tool], first: 3d, per: user, max: 1}
  sitters: {minutes: any_event, last: 2d, per: user, min: 5}
"""
TEXT = """
definition: d
title: D
status: live
subject: SUBJECT
events:
  signed_up: {event: Signed Up, passive: true}
  msg: Message
  call: {event: Call, value: minutes}
  tool: Tool
signals:
  messages: {count: msg}
  recent: {count: any_event, last: 2d}
  early: {count: [msg, tool], first: 2d}
  days: {active_days: any_event, last: 3d}
  early_days: {active_days: any_event, first: 3d}
  all_days: {active_days: msg}
  people: {users: any_event, last: 2d}
  early_people: {users: msg, first: 2d}
  people_ever: {users: any_event}
  call_minutes: {sum: call, last: 4d}
  mean_call: {average: call, last: 3d}
  features: {distinct: [msg, call, tool], last: 2d}
  tools: {distinct: tool.kind}
  new_tools: {distinct: tool.kind, last: 2d}
  early_tools: {distinct: tool.kind, first: 2d}
  quiet: {days_since: msg}
  hours_to_call: {time_to: call}
  hours_to_habit: {time_to: Habit}
  momentum: {change: any_event, last: 2d}
  stays: {sessions: any_event, last: 3d}
  stayed: {minutes: any_event}PER_USER
activation:
  - {stage: Said something, when: {messages: {min: 1}}}
  - {stage: Habit, when: {any: [{days: {min: 2}}, {all: [{recent: {min: 3}}, {mean_call: {max: 3}}]}]}}
  - {stage: Calm, when: {all: [{recent: {max: 1}}, {not: {mean_call: {min: 2}}}]}}
  - {stage: Together, when: STAGE}
criteria:
  value: {messages: {min: 1}}
"""


def definition_for(subject: str):
    per_user = subject == "account"
    stage = "{habitual: {min: 1}}" if per_user else "{early_tools: {min: 1}}"
    text = TEXT.replace("SUBJECT", subject).replace("PER_USER", PER_USER if per_user else "").replace("STAGE", stage)
    return read(text)


DEFINITIONS = {subject: definition_for(subject) for subject in ("account", "user")}
INSTANTS = st.integers(0, HOURS * 60).map(lambda minute: START + timedelta(minutes=minute))
USERS = st.sampled_from(["u1", "u2", "u3", "u4"])


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    minutes = draw(st.lists(st.integers(0, HOURS * 12), min_size=1, max_size=25, unique=True))
    return [draw(an_event(START + timedelta(minutes=5 * minute))) for minute in minutes]


@st.composite
def an_event(draw: st.DrawFn, at: datetime) -> Event:
    user = draw(st.none() | USERS)
    anon = draw(st.sampled_from(["a1", "a2"])) if user is None else draw(st.sampled_from([None, None, "a1", "a2"]))
    name = draw(st.sampled_from(["Signed Up", "Message", "Message", "Call", "Tool", "Page"]))
    value = draw(st.sampled_from([None, "0.1", "2.5", "7"])) if name == "Call" else None
    item = draw(st.sampled_from([None, "hammer", "saw"])) if name == "Tool" else None
    return Event(at, name, user, anon, draw(st.sampled_from([None, None, "X", "Y"])), value, item)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World(draw(st.sampled_from(["UTC", "America/New_York"])), draw(events()))
    world.links = draw(st.lists(st.tuples(USERS, USERS, INSTANTS).filter(lambda x: x[0] != x[1]), max_size=2))
    mail = st.sampled_from(['"a@acme.test"', '"b@acme.test"', '"c@gmail.com"', '"d@other.com"']).map(
        lambda v: ("email", v)
    )
    begun = st.sampled_from(['"2024-03-07 12:00:00+00"', '"2024-03-09 12:00:00+00"']).map(lambda v: ("signup_at", v))
    told = draw(st.lists(st.tuples(st.sampled_from(world.events), mail | begun), max_size=5, unique_by=lambda x: x[0]))
    world.traits = [("user", event.raw_id, *trait, event.at) for event, trait in told]
    for kind, columns in draw(st.lists(crm_rows(), max_size=4, unique_by=lambda row: (row[0], row[1]["id"]))):
        since = draw(INSTANTS)
        world.add_crm(kind, since, since + draw(st.integers(1, 200)) * timedelta(hours=1), **columns)
    return world


@st.composite
def crm_rows(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    if draw(st.booleans()):
        account = draw(st.sampled_from([None, "c1", "c2"]))
        email = draw(st.sampled_from(["a@acme.test", "c@gmail.com"]))
        return "contacts", {"id": draw(st.sampled_from(["k1", "k2"])), "email": email, "account_id": account}
    company = {"id": draw(st.sampled_from(["c1", "c2"])), "domain": draw(st.sampled_from([None, "acme.test"]))}
    return "accounts", {**company, "external_account_id": draw(st.sampled_from([None, None, "X"]))}


def a_moment(timezone: str) -> st.SearchStrategy[datetime]:
    midnights = st.integers(0, 9).map(lambda day: datetime(2024, 3, 9 + day, tzinfo=ZoneInfo(timezone)).astimezone(UTC))
    return midnights | INSTANTS


@pytest.mark.parametrize("subject", ["account", "user"])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_features_are_what_the_rules_say(subject: str, data: st.DataObject) -> None:
    """Many moments in one pass give the values that a brute-force reading of SEM-T2…T6, W1–W3, M1–M4 and A1 gives,
    whether all subjects are computed together or each in a block of its own."""
    with mock.patch.object(rows, "CELLS", data.draw(st.sampled_from([1, rows.CELLS]))):
        features_are_what_the_rules_say(subject, data)


def features_are_what_the_rules_say(subject: str, data: st.DataObject) -> None:
    world = data.draw(worlds())
    moments = data.draw(st.lists(a_moment(world.timezone), min_size=1, max_size=4, unique=True))
    definition = DEFINITIONS[subject]
    con = world.tables(definition, moments)
    together = build(con, definition, moments, timezone=world.timezone, free_mail_domains=FREE)
    for moment in moments:
        expected = Oracle(world, definition, moment).rows()
        those = together[together["as_of"] == naive(moment)].set_index("subject_key")
        assert sorted(those.index) == sorted(expected)
        for key, wanted in expected.items():
            found = {name: plain(those.loc[key, name]) for name in wanted}
            assert found == {name: comparable(value) for name, value in wanted.items()}, (key, moment)
        alone = build(con, definition, [moment], timezone=world.timezone, free_mail_domains=FREE)
        same = together[together["as_of"] == naive(moment)].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, same, check_exact=True)


@pytest.mark.parametrize("subject", ["account", "user"])
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_whom_facts_are_about_is_found_in_the_same_pass(subject: str, data: st.DataObject) -> None:
    """SEM-D1: keeping to the accounts behind some facts gives the rows that keeping to those accounts by name gives."""
    world = data.draw(worlds())
    moments = sorted(data.draw(st.lists(a_moment(world.timezone), min_size=1, max_size=3, unique=True)))
    some = data.draw(
        st.sets(st.sampled_from(["user:u1", "user:u2", "anon:a1", "company:c1", "contact:k1"]), min_size=1)
    )
    con = world.tables(DEFINITIONS[subject], moments)
    named = set().union(*resolve_marks(con, moments[-1], sorted(some), free_mail_domains=FREE).values())
    same = {"timezone": world.timezone, "free_mail_domains": FREE}
    by_name = build(con, DEFINITIONS[subject], moments, accounts={*named, "org:X"}, **same)
    by_fact = build(con, DEFINITIONS[subject], moments, accounts={"org:X"}, facts=some, **same)
    pd.testing.assert_frame_equal(by_fact, by_name, check_exact=True)


@pytest.mark.parametrize("subject", ["account", "user"])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_few_accounts_are_what_they_are_among_all(subject: str, data: st.DataObject) -> None:
    """SEM-D1: looking at few accounts only gives their rows of a look at everybody, whatever leads from one person
    to another and whenever it did."""
    world = data.draw(worlds())
    moments = data.draw(st.lists(a_moment(world.timezone), min_size=1, max_size=3, unique=True))
    con = world.tables(DEFINITIONS[subject], moments)
    same = {"timezone": world.timezone, "free_mail_domains": FREE}
    everybody = build(con, DEFINITIONS[subject], moments, **same)
    known = sorted({*everybody["account_key"], "org:X", "crm:c1"})
    wanted = data.draw(st.sets(st.sampled_from(known), max_size=2))
    few = build(con, DEFINITIONS[subject], moments, accounts=wanted, **same)
    theirs = everybody["account_key"].isin(wanted)
    if subject == "user":  # all rows of everybody who ever was in one of them
        theirs = everybody["subject_key"].isin(everybody[theirs]["subject_key"]) | theirs
        few, everybody = (frame.drop(columns="users") for frame in (few, everybody))
        few = few[few["subject_key"].isin(everybody[theirs]["subject_key"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, everybody[theirs].reset_index(drop=True), check_exact=True)


def plain(value: object) -> object:
    """A value of the frame as Python has it; unknown is None."""
    if pd.isna(value):
        return None
    return (
        round(value, 9)
        if isinstance(value, float)
        else value.to_pydatetime()
        if hasattr(value, "to_pydatetime")
        else value
    )


def comparable(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 — a local date, as the frame writes it
    return round(value, 9) if isinstance(value, float) else naive(value)
