"""Conditions over signals, attributes and stages, three-valued."""

from __future__ import annotations

import pandas as pd
import pytest

from pql.scoring import condition_tree

HABIT = """
signals:
  messages: {count: message_sent}
  early_habit: {active_days: message_sent, first: 14d}
  quiet_days: {days_since: any_event}
  plan: {attribute: plan}
"""


def verdicts(column: pd.Series) -> list[bool | None]:
    return [None if pd.isna(v) else bool(v) for v in column]


def test_unknown_is_neither_true_nor_false(scored):
    """SEM-M4: a condition on a missing attribute is not met, nor is its `not`."""
    frame = scored(
        HABIT + "criteria: {fit: {plan: free}, value: {not: {plan: free}}, intent: {messages: {min: 1}}}",
        {"signal.plan": "free", "signal.messages": 1.0, "signal.early_habit": 0.0, "signal.quiet_days": 0.0},
        {"signal.plan": "pro", "signal.messages": 1.0, "signal.early_habit": 0.0, "signal.quiet_days": 0.0},
        {"signal.plan": None, "signal.messages": 1.0, "signal.early_habit": 0.0, "signal.quiet_days": 0.0},
    )
    assert verdicts(frame["criterion.fit"]) == [True, False, None]
    assert verdicts(frame["criterion.value"]) == [False, True, None]
    assert frame["qualified"].tolist() == [False, False, False]


@pytest.mark.parametrize(
    ("combination", "expected"),
    [
        ("{all: [{plan: free}, {messages: {min: 1}}]}", [None, False]),
        ("{any: [{plan: free}, {messages: {min: 1}}]}", [True, None]),
        ("{not: {all: [{plan: free}, {messages: {min: 1}}]}}", [None, True]),
    ],
)
def test_unknown_spreads_only_where_it_decides(scored, combination, expected):
    """SEM-M4: unknown and false is false, unknown or true is true; otherwise unknown stays."""
    known = {"signal.plan": None, "signal.early_habit": 0.0, "signal.quiet_days": 0.0}
    frame = scored(
        HABIT + f"criteria: {{value: {combination}}}",
        known | {"signal.messages": 5.0},
        known | {"signal.messages": 0.0},
    )
    assert verdicts(frame["criterion.value"]) == expected


def test_existence_is_known_even_when_the_value_is_not(scored):
    """`exists` is the one question a missing attribute answers."""
    frame = scored(HABIT + "criteria: {fit: {plan: {exists: false}}}", {"signal.plan": None}, {"signal.plan": "free"})
    assert verdicts(frame["criterion.fit"]) == [True, False]


def test_a_minimum_can_be_met_early_and_is_not_yet_false(scored, define):
    """SEM-T4: before day 14 is over a minimum that is met counts, one that is not is `not yet`, also under `not`."""
    text = HABIT + "criteria: {value: {early_habit: {min: 3}}, fit: {not: {early_habit: {min: 3}}}}\nqualify: value"
    early = {"not_yet.early_habit": True}
    late = {"not_yet.early_habit": False}
    frame = scored(
        text,
        early | {"signal.early_habit": 3.0},
        early | {"signal.early_habit": 2.0},
        late | {"signal.early_habit": 2.0},
    )
    assert verdicts(frame["criterion.value"]) == [True, None, False]
    assert verdicts(frame["criterion.fit"]) == [False, None, True]
    shown = [condition_tree(define(text), frame.iloc[i]).parts[-1].parts[0].verdict for i in range(3)]
    assert shown == ["true", "not yet", "false"]


def test_what_rests_on_absence_is_told_apart(scored):
    """SEM-D2: `qualified_surely` leaves out what later events could undo: quiet, too few, not reached."""
    base = {"signal.messages": 3.0, "signal.quiet_days": 9.0, "signal.early_habit": 0.0, "signal.plan": "free"}
    for condition, surely in [
        ("{messages: {min: 2}}", True),
        ("{messages: {max: 5}}", False),
        ("{not: {messages: {min: 5}}}", False),
        ("{not: {messages: {max: 2}}}", True),
        ("{quiet_days: {min: 7}}", False),
        ("{quiet_days: {max: 10}}", True),
        ("{not: {quiet_days: {min: 20}}}", True),
        ("{plan: free}", True),
        ("{any: [{quiet_days: {min: 7}}, {messages: {min: 1}}]}", True),
    ]:
        frame = scored(HABIT + f"criteria: {{value: {condition}}}", base)
        assert (frame["qualified"][0], frame["qualified_surely"][0]) == (True, surely), condition


def test_values_compare_by_meaning_not_spelling(scored):
    """`1`, `1.0` and "1" are equal, case does not matter, and a flag may arrive as text."""
    frame = scored(
        HABIT + "criteria: {fit: {plan: [Free, 3]}}",
        *[{"signal.plan": v} for v in ("free", "FREE ", 3, 3.0, "3", "pro", 30)],
    )
    assert verdicts(frame["criterion.fit"]) == [True, True, True, True, True, False, False]
