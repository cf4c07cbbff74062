"""What a decision takes from other moments: which ones, filled how, and which triggers held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pql.definition.model import Exclude
from pql.qualification import days_before, fill_unknown, moments_needed, with_past, would_have_announced
from pql.scoring import score

T = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
PLAYS = """
  - {play: Up, on: {score_up: 20, in: 3d}, do: [{slack: {channel: '#pql'}}]}
  - {play: Down, on: {score_down: 20, in: 3d}, do: [{slack: {channel: '#pql'}}]}
  - {play: Second, on: {stage: Second}, if: {size: [mid]}, do: [{slack: {channel: '#pql'}}]}
  - {play: Limit, on: {near_limit: seats_used_pct, min: 80}, do: [{slack: {channel: '#pql'}}]}
  - {play: Quiet, on: gone_quiet, do: [{slack: {channel: '#pql'}}]}
  - {play: Stuck, on: {stuck: 5d}, do: [{slack: {channel: '#pql'}}]}
"""
SIZE = "size: {by: employees, from: {small: 0, mid: 50}, unknown: small}\n"


def naive(at: datetime) -> pd.Timestamp:
    return pd.Timestamp(at).tz_localize(None)


def feature(at: datetime, subject: str = "org:a", **said: object) -> dict[str, object]:
    return {
        "as_of": naive(at),
        "subject_key": subject,
        "account_key": subject,
        "signup_at": naive(T - 60 * DAY),
        "last_active_at": naive(at - timedelta(hours=2)),
        "attr.plan": "free",
        "attr.employees": 100.0,
        "attr.plan_seats": 10.0,
        "signal.messages": 6.0,
        "signal.employees": 100.0,
        "signal.seats": 4.0,
        "signal.seats_used_pct": 40.0,
        "stage_at.0": naive(T - 50 * DAY),
        "stage_at.1": pd.NaT,
    } | said


def scored(definition, *rows):
    return score(definition, pd.DataFrame(list(rows)), timezone="UTC")


@pytest.fixture
def look(define):
    """The snapshot at T of one account, given its features at T and what differs at earlier moments (days ago)."""

    def run(now: dict[str, object], past: dict[int, dict[str, object] | None], plays: str = PLAYS) -> pd.Series:
        definition = define(plays + SIZE)
        frames = {}
        for at in moments_needed(definition, T, DAY):
            said = now if at == T else past.get((T - at).days, past.get(-1, {}))
            rows = [feature(at, **said)] if said is not None else [feature(at, "org:other")]
            frames[at] = scored(definition, *rows)
        return with_past(definition, frames, T).iloc[0]

    return run


def test_the_moments_a_decision_needs(define):
    """SEM-D3, D4, D6: T, T − 7 d, T − one period, and for score plays each of the first two minus their span."""
    moments = moments_needed(define(PLAYS + SIZE), T, timedelta(hours=1))
    assert [T - m for m in moments] == [10 * DAY, 7 * DAY, 3 * DAY, timedelta(hours=1), timedelta(0)]
    assert len(moments_needed(define(), T, DAY)) == 3


def test_a_week_ago_is_the_same_local_time(define):
    """SEM-T1: over a change of clocks, midnight in Berlin stays midnight in Berlin."""
    midnight = datetime(2026, 3, 30, 22, tzinfo=UTC)
    assert days_before(midnight, 7, "Europe/Berlin") == datetime(2026, 3, 23, 23, tzinfo=UTC)
    assert days_before(midnight, 7) == midnight - 7 * DAY


def test_was_it_qualified_a_week_ago(look):
    """SEM-D3 (b): `was_qualified` is what today's rules say about T − 7 d; a subject unknown then was not."""
    assert look({}, {})["was_qualified"]
    assert not look({}, {7: {"signal.messages": 1.0}})["was_qualified"]
    assert not look({}, {7: None})["was_qualified"]


def test_the_end_of_an_exclusion_is_fresh_news(look):
    """SEM-D3: who was snoozed, not a fit or excluded by its data at T − 7 d did not count as qualified then."""
    assert not look({}, {7: {"attr.not_a_fit": True}})["was_qualified"]
    assert not look({}, {7: {"attr.snooze_until": naive(T - 6 * DAY)}})["was_qualified"]
    assert look({}, {7: {"attr.snooze_until": naive(T - 8 * DAY)}})["was_qualified"]
    assert not look({}, {7: {"attr.plan": "pro"}})["was_qualified"]


def test_removing_an_exclusion_from_the_definition_is_no_news(define):
    """SEM-D3: today's rules judge the past, so who was only kept out by a rule that is gone qualified then."""
    excluding = define(exclude=Exclude(attributes=(("plan_seats", (10,)),)))
    for definition, was in [(excluding, False), (define(), True)]:
        frames = {at: scored(definition, feature(at)) for at in moments_needed(definition, T, DAY)}
        assert with_past(definition, frames, T)["was_qualified"].tolist() == [was]


def test_an_unknown_attribute_takes_its_later_value(define):
    """SEM-D3 (b): connecting a CRM makes nobody news: what was unknown then counts as it is at T."""
    definition = define(SIZE)
    unknown = {"attr.plan": None, "attr.employees": None, "signal.employees": None}
    share = {"attr.plan_seats": None, "signal.seats_used_pct": None, "signal.seats": 9.0}
    past = pd.DataFrame([feature(T - 7 * DAY, **unknown, **share), feature(T - 7 * DAY, "org:b", **unknown)])
    now = pd.DataFrame([feature(T, **{"attr.not_a_fit": True, "attr.snooze_until": naive(T + DAY)})])
    filled = fill_unknown(definition, past, now)
    first = filled.iloc[0]
    assert (first["attr.plan"], first["attr.employees"], first["signal.employees"]) == ("free", 100, 100)
    assert first["signal.seats_used_pct"] == 90
    assert "attr.not_a_fit" not in filled.columns
    assert pd.isna(filled.iloc[1]["attr.plan"]), "unknown at T, too"
    assert pd.isna(past.iloc[0]["signal.employees"]), "the past itself is left alone"
    assert scored(definition, *filled.to_dict("records"))["qualified"].tolist() == [True, False]


def test_a_known_attribute_keeps_its_own_value(define):
    """SEM-D3 (b): only the unknown is filled; a plan that changed is news."""
    past = pd.DataFrame([feature(T - 7 * DAY, **{"attr.plan": "pro"})])
    filled = fill_unknown(define(), past, pd.DataFrame([feature(T)]))
    assert filled["attr.plan"].tolist() == ["pro"]


def test_score_triggers_compare_two_scores_of_this_run(look):
    """SEM-D4: up or down by n within d days; at T − 7 d against the score d days before that."""
    up = look({"signal.messages": 40.0}, {3: {"signal.messages": 20.0}})
    assert (up["trigger.up"], up["trigger_was.up"], up["trigger_by.up"], up["trigger.down"]) == (True, False, 20, False)
    assert not look({"signal.messages": 40.0}, {3: {"signal.messages": 21.0}})["trigger.up"]
    down = look({}, {3: {"signal.messages": 30.0}, 10: {"signal.messages": 30.0}})
    assert (down["trigger.down"], down["trigger_was.down"]) == (True, True)
    earlier = look({}, {10: {"signal.messages": 30.0}})
    assert (earlier["trigger.down"], earlier["trigger_was.down"]) == (False, True)


def test_a_new_subject_rises_from_nothing(look):
    """SEM-D4: an account that was not there had no points."""
    new = look({"signal.messages": 40.0}, {3: None})
    assert (new["trigger.up"], new["trigger_by.up"], new["trigger.down"]) == (True, 40, False)


def test_a_stage_holds_from_when_it_was_reached_and_the_filter_counts(look):
    """SEM-D4, SEM-A1: reached stays reached; a play's filter is part of its condition, and unknown does not pass."""
    reached = {"stage_at.1": naive(T - DAY)}
    row = look(reached, {})
    assert (row["trigger.second"], row["trigger_was.second"]) == (True, False)
    long_ago = {"stage_at.1": naive(T - 30 * DAY)}
    assert look(long_ago, {-1: long_ago})["trigger_was.second"]
    assert not look(reached | {"signal.employees": 10.0}, {})["trigger.second"]
    assert not look(reached | {"signal.employees": None}, {})["trigger.second"], "unknown counts as small"


def test_near_a_limit(look):
    """SEM-D4: the limit trigger holds from its minimum on; unknown is not near."""
    assert look({"signal.seats_used_pct": 80.0}, {})["trigger.limit"]
    assert not look({"signal.seats_used_pct": 79.9}, {})["trigger.limit"]
    assert not look({"signal.seats_used_pct": None}, {})["trigger.limit"]


def test_gone_quiet_counts_whole_local_days(look):
    """SEM-D4, SEM-T3: quiet for the seven local days that end at T; who never acted is not quiet."""
    assert look({"last_active_at": naive(T - 7 * DAY - timedelta(minutes=1))}, {})["trigger.quiet"]
    assert not look({"last_active_at": naive(T - 7 * DAY)}, {})["trigger.quiet"]
    assert not look({"last_active_at": pd.NaT}, {})["trigger.quiet"]


def test_stuck_is_no_step_for_so_long_and_not_done(look):
    """SEM-D4: stuck = signed up, not fully activated, and neither signup nor a stage in the last n days."""
    row = look({}, {})
    assert (row["trigger.stuck"], row["trigger_was.stuck"]) == (True, True)
    assert not look({"stage_at.0": naive(T - 5 * DAY)}, {})["trigger.stuck"]
    assert not look({"stage_at.1": naive(T - 20 * DAY)}, {})["trigger.stuck"], "all stages reached"


def test_would_have_announced_looks_one_period_back(define):
    """SEM-D6: qualified at T and not at T − one period, hottest first."""
    definition = define()
    at = scored(
        definition,
        feature(T, "org:warm", **{"signal.messages": 20.0}),
        feature(T, "org:hot", **{"signal.messages": 90.0}),
        feature(T, "org:old"),
        feature(T, "org:no", **{"signal.messages": 1.0}),
    )
    before = scored(definition, feature(T - DAY, "org:old"), feature(T - DAY, "org:hot", **{"signal.messages": 1.0}))
    assert would_have_announced(at, before) == ("org:hot", "org:warm")
