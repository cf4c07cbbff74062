"""Why is this row (not) qualified, and of what does its score consist? The path through `qualify`, and every line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from pql.definition.model import All, Any, Compare, Condition, Definition, Not
from pql.scoring.conditions import evaluate
from pql.scoring.entry import is_under
from pql.scoring.reasons import Row, is_unknown, limit_of, line_reason, words
from pql.scoring.values import column, is_one_of
from pql.scoring.wording import humanise, number

Verdict = Literal["true", "false", "unknown", "not yet"]


@dataclass(frozen=True)
class Step:
    """One condition, its verdict on the row, and what it consists of.

    A comparison has `name` (what is compared), `wanted` ("at least 3") and `actual` ("messages on 2 of the last 7
    days"); its `text` holds all three.
    """

    text: str
    verdict: Verdict
    parts: tuple[Step, ...] = ()
    name: str = ""
    wanted: str = ""
    actual: str = ""


@dataclass(frozen=True)
class Line:
    """One addend of the score: `name` is its column ("line.3", "limit.value"), all points of a row add up to it."""

    name: str
    points: int
    text: str


def score_lines(definition: Definition, row: Row) -> tuple[Line, ...]:
    """Every addend of the row's score in the definition's order, also those of 0 points."""
    found: list[Line] = []
    index = 0
    for group in definition.score.groups:
        for line in group.lines:
            name = f"line.{index}"
            points = int(row[name])
            found.append(Line(name, points, line_reason(definition, line, row, points).text))
            index += 1
        found.append(Line(f"limit.{group.name}", int(row[f"limit.{group.name}"]), limit_of(group)))
    low, high = definition.score.scale
    found.append(Line("limit.scale", int(row["limit.scale"]), f"limit of the scale ({low}–{high})"))
    return tuple(found)


def condition_tree(definition: Definition, row: pd.Series) -> Step:
    """The row's path through entry and `qualify`: what must hold to be qualified, and what does.

    `row` is one row of `score(…)`. The root is true exactly when the row is qualified.
    """
    frame = row.to_frame().T.infer_objects().reset_index(drop=True)
    entry = (
        Step(f"active within {definition.alive_days} days", _flag(bool(row["alive"])), name="alive"),
        Step("allowed by `only`", _verdict(row["only_ok"]), _only(definition, row), name="only"),
        Step("not excluded", _flag(not row["excluded"]), exclusions(definition, row), name="excluded"),
    )
    path = _step(definition, definition.qualify, frame)
    return Step("qualified", _flag(bool(row["qualified"])), (*entry, path))


def _only(definition: Definition, row: pd.Series) -> tuple[Step, ...]:
    """The attributes of `only:` that do not, or not surely, let the row in."""
    if _verdict(row["only_ok"]) == "true":
        return ()
    frame = row.to_frame().T.infer_objects().reset_index(drop=True)
    asked = [Compare("attribute", attribute, one_of=allowed) for attribute, allowed in definition.only]
    steps = [_step(definition, compare, frame) for compare in asked]
    return tuple(step for step in steps if step.verdict != "true")


def exclusions(definition: Definition, row: pd.Series) -> tuple[Step, ...]:
    """What keeps an excluded row out: its domain, an attribute, its key; an own domain if it is none of `exclude:`."""
    if not row["excluded"]:
        return ()
    rule, frame = definition.exclude, row.to_frame().T.infer_objects().reset_index(drop=True)
    found = []
    domain = next((row[c] for c in ("domain", "attr.domain") if is_under(column(frame, c), rule.domains)[0]), None)
    if domain is not None:
        found.append(_kept_out("domain", rule.domains, domain))
    for attribute, values in rule.attributes:
        if is_one_of(column(frame, f"attr.{attribute}"), values)[0][0]:
            found.append(_kept_out(humanise(attribute), values, row[f"attr.{attribute}"]))
    if is_one_of(frame["account_key"], rule.accounts)[0][0]:
        found.append(_kept_out("account", rule.accounts, row["account_key"]))
    if not found:
        own = next((row.get(c) for c in ("domain", "attr.domain") if not is_unknown(row.get(c))), "unknown")
        found.append(_kept_out("domain", ("one of our own",), own))
    return tuple(found)


def _kept_out(name: str, unwanted: Iterable[object], actual: object) -> Step:
    wanted = "is not " + " or ".join(str(value) for value in unwanted)
    return Step(f"{name} {wanted} ({actual})", "false", (), name, wanted, str(actual))


def _flag(holds: bool) -> Verdict:
    return "true" if holds else "false"


def _verdict(value: object) -> Verdict:
    return "unknown" if pd.isna(value) else _flag(bool(value))  # type: ignore[call-overload]  # True, False or NA


def _step(definition: Definition, condition: Condition, frame: pd.DataFrame) -> Step:
    verdict = _verdict(evaluate(condition, frame, definition).column()[0])
    match condition:
        case All(of):
            return Step("all of", verdict, tuple(_step(definition, c, frame) for c in of))
        case Any(of):
            return Step("any of", verdict, tuple(_step(definition, c, frame) for c in of))
        case Not(of):
            return Step("not", verdict, (_step(definition, of, frame),))
        case Compare(operand="criterion", name=name):
            return Step(name, verdict, (_step(definition, dict(definition.criteria)[name], frame),), name=name)
        case Compare():
            return _comparison(definition, condition, frame, verdict)


def _comparison(definition: Definition, condition: Compare, frame: pd.DataFrame, verdict: Verdict) -> Step:
    row = frame.iloc[0]
    wanted = _wanted(condition, str(row["size"]))
    if condition.operand == "stage":
        return Step(f"stage “{condition.name}” reached", verdict, name=condition.name)
    if condition.operand == "signal":
        if verdict == "unknown" and bool(row.get(f"not_yet.{condition.name}", False)):
            verdict = "not yet"
        name, actual = condition.name, words(definition, condition.name, row[f"signal.{condition.name}"])
    else:
        value = row.get(_column(condition))
        name, actual = humanise(condition.name or condition.operand), "unknown" if is_unknown(value) else str(value)
    return Step(f"{name} {wanted} ({actual})".replace("  ", " "), verdict, (), name, wanted, actual)


def _column(condition: Compare) -> str:
    if condition.operand == "attribute":
        return f"attr.{condition.name}"
    return "grade_10" if condition.operand == "grade" and condition.one_of is None else condition.operand


def _wanted(condition: Compare, size: str) -> str:
    if condition.by_size is not None:
        return f"at least {number(dict(condition.by_size).get(size, float('nan')))} for size {size}"
    if condition.exists is not None:
        return "known" if condition.exists else "not known"
    if condition.one_of is not None:
        return "is " + " or ".join(str(v).lower() if isinstance(v, bool) else str(v) for v in condition.one_of)
    bounds = (("at least", condition.min), ("at most", condition.max))
    return " and ".join(f"{word} {number(bound)}" for word, bound in bounds if bound is not None)
