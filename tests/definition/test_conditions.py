"""What a condition as written means, and where it may stand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pql.definition import parse
from pql.definition.by_size import ACTIVATION_PCT
from pql.definition.model import All, Any, Compare, Condition, Definition, Not

Small = Callable[..., Definition]

MESSAGES = Compare("signal", "messages", min=1)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{messages: {min: 1}}", MESSAGES),
        ("{messages: {max: 2.5}}", Compare("signal", "messages", max=2.5)),
        ("{messages: {min: 1, max: 5}}", Compare("signal", "messages", min=1, max=5)),
        ("{messages: {between: [1, 5]}}", Compare("signal", "messages", min=1, max=5)),
        ("{messages: 3}", Compare("signal", "messages", one_of=(3,))),
        ("{messages: [3, 4]}", Compare("signal", "messages", one_of=(3, 4))),
        ("{plan_name: pro}", Compare("signal", "plan_name", one_of=("pro",))),
        ("{plan_name: {is: true}}", Compare("signal", "plan_name", one_of=(True,))),
        ("{plan_name: {in: [a, 1]}}", Compare("signal", "plan_name", one_of=("a", 1))),
        ("{plan_name: {exists: false}}", Compare("signal", "plan_name", exists=False)),
        ("{employees: {min: 10}}", Compare("attribute", "employees", min=10)),
        ("{user.role: [admin]}", Compare("attribute", "user.role", one_of=("admin",))),
        ("{stage: A habit}", Compare("stage", "A habit")),
        ("{size: [mid, large]}", Compare("size", one_of=("mid", "large"))),
        ("{size: mid}", Compare("size", one_of=("mid",))),
        ("{score: {min: 70}}", Compare("score", min=70)),
        ("{grade: {min: 7}}", Compare("grade", min=7)),
        ("{grade: [A1, B1]}", Compare("grade", one_of=("A1", "B1"))),
        ("{activation_pct: {min: 40}}", Compare("activation_pct", min=40)),
        ("{messages: {min: 1}, employees: {min: 10}}", All((MESSAGES, Compare("attribute", "employees", min=10)))),
        ("{all: [{messages: {min: 1}}]}", All((MESSAGES,))),
        ("{not: {messages: {min: 1}}}", Not(MESSAGES)),
        (
            "{any: [{all: [{not: {messages: {min: 1}}}, {size: mid}]}, {messages: {min: 1}}]}",
            Any((All((Not(MESSAGES), Compare("size", one_of=("mid",)))), MESSAGES)),
        ),
    ],
)
def test_conditions_nest_and_compare(small: Small, written: str, read: Condition) -> None:
    """Each comparison, and all, any and not in any nesting, mean what they say (PRODUCT-D1)."""
    assert small(qualify=written).qualify == read


def test_an_attribute_is_the_accounts_unless_it_says_user(small: Small) -> None:
    """SEM-W2: `user.plan` is another attribute than `plan`."""
    definition = small(qualify="{all: [{plan: [pro]}, {user.plan: [pro]}]}")
    assert definition.qualify == All(
        (Compare("attribute", "plan", one_of=("pro",)), Compare("attribute", "user.plan", one_of=("pro",)))
    )


@pytest.mark.parametrize(
    ("criteria", "asked"),
    [
        ("{fit: {employees: {min: 1}}}", Compare("criterion", "fit")),
        (
            "{intent: {messages: {min: 1}}, fit: {employees: {min: 1}}, value: {messages: {min: 2}}}",
            All((Compare("criterion", "fit"), Compare("criterion", "value"), Compare("criterion", "intent"))),
        ),
    ],
)
def test_by_default_all_criteria_that_are_defined_must_hold(criteria: str, asked: Condition) -> None:
    """SEM-Q1: without `qualify` every defined criterion is asked for, and points are not."""
    text = f"definition: d\nevents: {{m: M}}\nsignals: {{messages: {{count: m}}}}\ncriteria: {criteria}\n"
    definition, problems = parse(text, "d.yaml")
    assert definition is not None, problems
    assert definition.qualify == asked


@pytest.mark.parametrize(
    ("complexity", "row"),
    [("simple", (75, 60, 25)), ("moderate", (60, 45, 20)), ("complex", (45, 30, 15))],
)
def test_by_size_is_complexity_times_size(small: Small, complexity: str, row: tuple[float, float, float]) -> None:
    """SEM-Q2: small 75, mid 60, large 25 for a simple product; lower rows, ours, for more complex ones."""
    qualify = small(qualify="{activation_pct: {min: by_size}}", complexity=complexity).qualify
    assert isinstance(qualify, Compare)
    assert qualify.by_size == tuple(zip(("small", "mid", "large"), row, strict=True))


def test_more_complex_products_ask_for_less_and_so_do_larger_accounts() -> None:
    """PRODUCT-D5: the threshold falls with complexity and with size."""
    rows = [list(ACTIVATION_PCT[c].values()) for c in ("simple", "moderate", "complex")]
    assert all(row == sorted(row, reverse=True) for row in rows)
    assert all(list(column) == sorted(column, reverse=True) for column in zip(*rows, strict=True))


def test_a_table_of_ones_own_replaces_the_built_in_one(small: Small) -> None:
    """SEM-Q2: own sizes take an own table of thresholds."""
    qualify = small(
        size="{by: messages, from: {tiny: 0, huge: 100}, unknown: tiny}",
        qualify="{activation_pct: {min: {huge: 20, tiny: 80}}}",
    ).qualify
    assert isinstance(qualify, Compare)
    assert qualify.by_size == (("tiny", 80), ("huge", 20))


def test_sizes_are_lower_bounds_on_a_signal_or_an_attribute(small: Small) -> None:
    """SEM-Q2: a size is told by any signal or attribute, and what is unknown counts as the size that is named."""
    by_signal = small(size="{by: messages, from: {small: 0, mid: 10}, unknown: mid}").size
    by_attribute = small(size="{by: plan_seats, from: {small: 0, mid: 10}, unknown: small}").size
    assert by_signal is not None
    assert (by_signal.by_kind, by_signal.bounds, by_signal.unknown) == ("signal", (("small", 0), ("mid", 10)), "mid")
    assert by_attribute is not None
    assert (by_attribute.by, by_attribute.by_kind) == ("plan_seats", "attribute")
