"""Why is this row (not) qualified? The path through `qualify`, each step true, false, unknown or not yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from pql.definition.model import All, Any, Compare, Condition, Definition, Not
from pql.scoring.conditions import evaluate
from pql.scoring.reasons import words
from pql.scoring.wording import humanise, number

Verdict = Literal["true", "false", "unknown", "not yet"]


@dataclass(frozen=True)
class Step:
    """One condition, its verdict on the row, and what it consists of."""

    text: str
    verdict: Verdict
    parts: tuple[Step, ...] = ()


def condition_tree(definition: Definition, row: pd.Series) -> Step:
    """The row's path through entry and `qualify`: what must hold to be qualified, and what does.

    `row` is one row of `score(…)`. The root is true exactly when the row is qualified.
    """
    frame = row.to_frame().T.infer_objects().reset_index(drop=True)
    entry = (
        Step(f"active within {definition.alive_days} days", _flag(bool(row["alive"]))),
        Step("allowed by `only`", _verdict(row["only_ok"])),
        Step("not excluded", _flag(not row["excluded"])),
    )
    path = _step(definition, definition.qualify, frame)
    return Step("qualified", _flag(bool(row["qualified"])), (*entry, path))


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
            return Step(name, verdict, (_step(definition, dict(definition.criteria)[name], frame),))
        case Compare():
            return _comparison(definition, condition, frame, verdict)


def _comparison(definition: Definition, condition: Compare, frame: pd.DataFrame, verdict: Verdict) -> Step:
    row = frame.iloc[0]
    wanted = _wanted(condition, str(row["size"]))
    if condition.operand == "signal":
        if verdict == "unknown" and bool(row.get(f"not_yet.{condition.name}", False)):
            verdict = "not yet"
        found = words(definition, condition.name, row[f"signal.{condition.name}"])
        return Step(f"{condition.name} {wanted} ({found})".replace("  ", " "), verdict)
    if condition.operand == "stage":
        return Step(f"stage “{condition.name}” reached", verdict)
    column = f"attr.{condition.name}" if condition.operand == "attribute" else condition.operand
    value = row.get(column)
    found = "unknown" if pd.isna(value) else str(value)
    return Step(f"{humanise(condition.name or condition.operand)} {wanted} ({found})", verdict)


def _wanted(condition: Compare, size: str) -> str:
    if condition.by_size is not None:
        return f"at least {number(dict(condition.by_size).get(size, float('nan')))} for size {size}"
    if condition.exists is not None:
        return "known" if condition.exists else "not known"
    if condition.one_of is not None:
        return "is " + " or ".join(str(v) for v in condition.one_of)
    bounds = (("at least", condition.min), ("at most", condition.max))
    return " and ".join(f"{word} {number(bound)}" for word, bound in bounds if bound is not None)
