"""Points, limits, grades, activation, size, entry: one rule a test."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pql.scoring import reasons, score

BASIC = """
signals:
  messages: {count: message_sent}
  employees: {attribute: employees}
  saw_pricing: {count: pricing_viewed, last: 14d}
  momentum: {change: message_sent, last: 7d}
criteria: {value: {messages: {min: 1}}}
"""


def points(scored, line: str, value: float | None, **more: object) -> int:
    text = BASIC + f"score:\n  value:\n    - {line}\n"
    signal = line.split("signal: ")[1].split(",")[0]
    known = {"signal.messages": 1.0, "signal.employees": 1.0, "signal.saw_pricing": 1.0, "signal.momentum": 0.0}
    return int(scored(text, known | {f"signal.{signal}": value} | more)["line.0"][0])


@pytest.mark.parametrize(
    ("line", "value", "expected"),
    [
        ("{signal: messages, points: 1, per: 100, max: 25}", 250.0, 2),
        ("{signal: messages, points: 1, per: 100, max: 25}", 99999.0, 25),
        ("{signal: messages, points: -2, per: 10, max: 5}", 100.0, -5),
        ("{signal: messages, points: 2.5, per: 1}", 1.0, 3),
        ("{signal: messages, points: -2.5, per: 1}", 1.0, -2),
        ("{signal: messages, points: 1, per: 0.1}", 0.3, 3),
        ("{signal: momentum, points: 1, per: 10}", -25.0, -2),
        ("{signal: messages, points: 7}", 3.0, 7),
        ("{signal: messages, points: 7}", 0.0, 0),
        ("{signal: employees, between: [50, 1000], points: 20}", 1000.0, 20),
        ("{signal: employees, between: [50, 1000], points: 20}", 1001.0, 0),
        ("{signal: employees, min: 10, points: 20}", None, 0),
    ],
)
def test_a_line_gives_points_by_whole_units_held_to_its_max(scored, line, value, expected):
    """SEM-S1, SEM-M4: points × whole units, held to ±max, rounded half up; an unknown signal gives 0 points."""
    assert points(scored, line, value) == expected


@pytest.mark.parametrize(("seen", "expected"), [("2026-03-09 23:00", 10), ("2026-03-03", 5), ("2026-03-02 23:00", 5)])
def test_a_line_fades_by_its_half_life(scored, seen, expected):
    """SEM-S1: × 0.5^(whole days since the signal's newest event ÷ half_life)."""
    line = "{signal: saw_pricing, min: 1, points: 10, half_life: 7d}"
    assert points(scored, line, 1.0, **{"signal_at.saw_pricing": pd.Timestamp(seen)}) == expected


CAPPED = (
    BASIC
    + """
score:
  fit:
    - {signal: employees, min: 50, points: 90}
  value:
    max: 50
    lines:
      - {signal: messages, points: 1, per: 1}
      - {signal: saw_pricing, points: -5}
"""
)


def test_caps_and_the_scale_are_lines_of_their_own(scored, define):
    """SEM-S1: group cap and clamp are reason lines, so the lines add up to the score."""
    frame = scored(CAPPED, {"signal.messages": 67.0, "signal.employees": 60.0, "signal.saw_pricing": 1.0})
    row = frame.iloc[0]
    assert (row["line.0"], row["line.1"], row["line.2"]) == (90, 67, -5)
    assert (row["limit.fit"], row["limit.value"], row["limit.scale"], row["score"]) == (0, -12, -40, 100)
    assert [(r.points, r.text) for r in reasons(define(CAPPED), row)] == [
        (90, "60 employees"),
        (67, "67 messages sent"),
        (-40, "limit of the scale (0–100)"),
        (-12, "value counts 50 at most"),
        (-5, "pricing viewed once in the last 14 days"),
    ]


amounts = st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False), st.integers(0, 500).map(float))
lines = st.fixed_dictionaries(
    {"points": st.floats(-30, 30).map(lambda p: round(p, 2) or 1.0)},
    optional={
        "per": st.sampled_from([0.1, 1, 3, 100]),
        "max": st.integers(1, 40),
        "half_life": st.sampled_from(["1d", "7d"]),
    },
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(st.tuples(st.sampled_from(["fit", "value", "intent"]), lines), min_size=1, max_size=6),
    cap=st.none() | st.integers(1, 60),
    scale=st.sampled_from([(0, 100), (-1, 4), (0, 10)]),
    values=st.lists(amounts, min_size=1, max_size=5),
)
def test_lines_add_up_to_the_score_exactly(define, rows, written, cap, scale, values):
    """SEM-S1, SEM-S2: the score is the sum of its lines and limits, reasons sum to it, and grades stay in range."""
    groups = ""
    for group in dict.fromkeys(g for g, _ in written):
        own = [{k: v for k, v in line.items() if k != "max" or "per" in line} for g, line in written if g == group]
        shown = [", ".join(["signal: messages", *(f"{k}: {v}" for k, v in line.items())]) for line in own]
        groups += f"  {group}:\n" + (f"    max: {cap}\n" if cap else "")
        groups += "    lines:\n" + "".join(f"      - {{{text}}}\n" for text in shown)
    text = BASIC + f"score:\n  scale: [{scale[0]}, {scale[1]}]\n" + groups
    definition = define(text)
    known = {"signal.employees": None, "signal.saw_pricing": 0.0, "signal.momentum": None}
    seen = pd.Timestamp("2026-03-01")
    frame = score(
        definition,
        rows(*[known | {"signal.messages": v, "signal_at.messages": seen} for v in values]),
        timezone="UTC",
    )
    parts = [c for c in frame.columns if c.startswith(("line.", "limit."))]
    assert (frame[parts].sum(axis=1) == frame["score"]).all()
    assert frame["score"].between(*scale).all()
    assert frame["grade_10"].between(1, 10).all()
    assert frame["grade"].str.fullmatch(r"[A-D?][1-4?]").all()
    for _, row in frame.iterrows():
        assert sum(r.points for r in reasons(definition, row)) == row["score"]
        assert sum(r.points for r in reasons(definition, row, zeros=True)) == row["score"]


def test_the_letter_grid_is_fit_by_engagement(scored):
    """SEM-S2: fit A–D by share of attainable fit points, engagement 1–4 by share of value and intent points."""
    text = (
        BASIC
        + """
score:
  fit: [{signal: employees, points: 1, per: 1, max: 20}]
  value: [{signal: messages, points: 1, per: 1, max: 30}]
  intent: [{signal: saw_pricing, points: 10}]
"""
    )
    base = {"signal.momentum": None}
    given = [(20.0, 30.0, 1.0), (15.0, 20.0, 1.0), (10.0, 20.0, 0.0), (5.0, 10.0, 0.0), (0.0, 0.0, 0.0)]
    cases = [base | {"signal.employees": e, "signal.messages": m, "signal.saw_pricing": p} for e, m, p in given]
    assert scored(text, *cases)["grade"].tolist() == ["A1", "A1", "B2", "C3", "D4"]


STAGES = """
signals:
  messages: {count: message_sent}
  invites: {count: teammate_invited}
activation:
  - {stage: First, when: {messages: {min: 1}}}
  - {stage: Second, when: {invites: {min: 2}}}
  - {stage: Third, when: {messages: {min: 100}}, weight: 2}
  - {stage: Fourth, when: {messages: {min: 500}}, weight: 4}
criteria: {value: {messages: {min: 1}}}
"""


@pytest.mark.parametrize(
    ("reached", "expected"), [((), 0), ((0,), 13), ((0, 1), 25), ((0, 1, 2), 50), ((0, 1, 2, 3), 100)]
)
def test_activation_is_the_weight_reached(scored, reached, expected):
    """SEM-A1: weight reached ÷ all weight × 100, rounded half up: one of eight is 13 %."""
    known = {"signal.messages": 1.0, "signal.invites": 0.0}
    stages = {f"stage_at.{i}": pd.Timestamp("2026-03-02") if i in reached else pd.NaT for i in range(4)}
    row = scored(STAGES, known | stages).iloc[0]
    assert row["activation_pct"] == expected
    assert [bool(row[f"stage.{i}"]) for i in range(4)] == [i in reached for i in range(4)]


SIZED = (
    STAGES
    + """
size: {by: employees, from: {small: 0, mid: 50, large: 500}, unknown: small}
qualify: {activation_pct: {min: by_size}}
"""
)


def test_the_threshold_depends_on_the_size(scored):
    """SEM-Q2: simple product: small 75 %, mid 60 %, large 25 %; sizes are lower bounds; unknown counts as said."""
    reached = {f"stage_at.{i}": pd.Timestamp("2026-03-02") if i in (0, 1, 2) else pd.NaT for i in range(4)}
    known = {"signal.messages": 1.0, "signal.invites": 0.0} | reached
    frame = scored(SIZED, *[known | {"attr.employees": e} for e in (10, 50, 499, 500, None)])
    assert frame["size"].tolist() == ["small", "mid", "mid", "large", "small"]
    assert frame["size_unknown"].tolist() == [False, False, False, False, True]
    assert frame["activation_pct"].tolist() == [50] * 5
    assert frame["qualified"].tolist() == [False, False, False, True, False]


def test_all_criteria_by_default_and_points_are_not_one(scored):
    """SEM-Q1: `qualify` defaults to all criteria defined; a high score alone qualifies nobody."""
    text = (
        BASIC.replace("criteria: {value: {messages: {min: 1}}}", "")
        + """
criteria: {fit: {employees: {min: 10}}, value: {messages: {min: 1}}}
score:
  value: [{signal: messages, points: 100}]
"""
    )
    known = {"signal.saw_pricing": 0.0, "signal.momentum": None}
    cases = [(20.0, 1.0), (5.0, 1.0), (20.0, 0.0)]
    frame = scored(text, *[known | {"signal.employees": e, "signal.messages": m} for e, m in cases])
    assert frame["qualified"].tolist() == [True, False, False]
    assert frame["score"].tolist() == [100, 100, 0]


def test_score_can_be_what_qualifies(scored):
    """SEM-Q1: points are a criterion when `qualify` says so."""
    text = BASIC + "score:\n  value: [{signal: messages, points: 1, per: 1}]\nqualify: {score: {min: 70}}\n"
    known = {"signal.employees": None, "signal.saw_pricing": 0.0, "signal.momentum": None}
    assert scored(text, known | {"signal.messages": 70.0}, known | {"signal.messages": 69.0})["qualified"].tolist() == [
        True,
        False,
    ]


KNOWN = {"signal.messages": 5.0, "signal.employees": None, "signal.saw_pricing": 0.0, "signal.momentum": None}


@pytest.mark.parametrize(
    ("last", "timezone", "expected"),
    [
        ("2026-02-24 00:00", "UTC", True),
        ("2026-02-23 23:59", "UTC", False),
        ("2026-02-24 00:00", "Europe/Berlin", False),
        ("2026-02-24 23:00", "Europe/Berlin", True),
        (None, "UTC", False),
    ],
)
def test_only_the_living_qualify(scored, last, timezone, expected):
    """SEM-Q3, SEM-T3: active within the 14 local days ending at T, or not qualified, whatever else holds."""
    row = KNOWN | {"last_active_at": pd.Timestamp(last) if last else pd.NaT}
    assert scored(BASIC, row, timezone=timezone)["qualified"].tolist() == [expected]


def test_only_and_exclude_say_who_can_enter(scored):
    """SEM-W4: `only` needs the attribute to be allowed, `exclude` needs it to be known; own staff never qualify."""
    text = (
        BASIC
        + """
only: {plan: [free, trial]}
exclude:
  domains: [rival.example]
  attributes: {lifecycle_stage: [customer]}
  accounts: ["org:7", "crm:42"]
"""
    )
    cases = [
        {"attr.plan": "free"},
        {"attr.plan": "pro"},
        {"attr.plan": None},
        {"attr.plan": "trial", "attr.lifecycle_stage": "Customer"},
        {"attr.plan": "trial", "domain": "eu.rival.example"},
        {"attr.plan": "trial", "domain": "notrival.example"},
        {"attr.plan": "trial", "domain": "us.example"},
        {"attr.plan": "trial"},
        {"attr.plan": "trial", "account_key": "crm:42"},
    ]
    frame = scored(text, *[KNOWN | {"attr.lifecycle_stage": None} | c for c in cases], own_domains=("us.example",))
    assert [None if pd.isna(v) else bool(v) for v in frame["only_ok"]][:3] == [True, False, None]
    assert frame["excluded"].tolist() == [False, False, False, True, True, False, True, True, True]
    assert frame["qualified"].tolist() == [True, False, False, False, False, True, False, False, False]


def test_signing_up_is_not_value(scored):
    """SEM-A2: an account that did nothing but sign up has no progress, no points, and does not qualify."""
    row = {"signal.messages": 0.0, "signal.invites": 0.0, "last_active_at": pd.NaT} | {
        f"stage_at.{i}": pd.NaT for i in range(4)
    }
    scored_row = scored(STAGES, row).iloc[0]
    assert (scored_row["activation_pct"], scored_row["score"], bool(scored_row["qualified"])) == (0, 0, False)


def test_the_snapshot_names_the_rules(scored, define):
    """SEM-Q5: every row carries the hash of the rules, which titles and plays do not change."""
    told = BASIC + "plays:\n  - {play: Tell, on: newly_qualified, do: [{slack: {channel: '#pql'}}]}\n"
    assert scored(BASIC, KNOWN)["rules_hash"].tolist() == [define(told).rules_hash]
    assert define(BASIC.replace("min: 1", "min: 2")).rules_hash != define(told).rules_hash


def test_rows_of_different_moments_do_not_touch(scored, rows, define):
    """Scoring many moments at once gives exactly what scoring them one by one gives."""
    frame = rows(KNOWN | {"last_active_at": pd.Timestamp("2026-02-25")}, KNOWN)
    frame["as_of"] = pd.to_datetime(["2026-03-10", "2026-03-20"])
    together = score(define(BASIC), frame, timezone="UTC")
    alone = pd.concat([score(define(BASIC), frame.iloc[[i]], timezone="UTC") for i in range(2)])
    pd.testing.assert_frame_equal(together, alone)
