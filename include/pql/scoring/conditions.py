"""Conditions of a definition evaluated over a frame of features, three-valued (SEM-M4).

Two things make a comparison *unsettled*: a `first:` window that is not over yet (SEM-T4), and, on demand, sources that
are not complete (SEM-D2, what rests on absence). Then only what later events cannot undo counts: of a measure that
only grows, a minimum already met or a maximum already passed; of one that only shrinks, the reverse.
"""

from __future__ import annotations

from functools import reduce
from operator import and_, or_

import numpy as np
import pandas as pd

from pql.definition.model import All, Any, Compare, Condition, Definition, Not
from pql.scoring.truth import Flags, Truth
from pql.scoring.values import column, is_one_of, known, numbers

GROWS = frozenset({"count", "active_days", "users", "sum", "distinct", "sessions", "minutes", "share", "change"})
SHRINKS = frozenset({"days_since", "time_to"})


def evaluate(condition: Condition, frame: pd.DataFrame, definition: Definition, *, settled: bool = True) -> Truth:
    """Whether the condition holds, per row of `frame` (feature columns and what scoring has added so far).

    `settled=False` evaluates as if more events could still come: what rests on their absence becomes unknown.
    """
    match condition:
        case All(of):
            parts = (evaluate(c, frame, definition, settled=settled) for c in of)
            return reduce(and_, parts, Truth.everywhere(True, len(frame)))
        case Any(of):
            parts = (evaluate(c, frame, definition, settled=settled) for c in of)
            return reduce(or_, parts, Truth.everywhere(False, len(frame)))
        case Not(of):
            return ~evaluate(of, frame, definition, settled=settled)
        case Compare():
            return _compare(condition, frame, definition, settled)


def _compare(condition: Compare, frame: pd.DataFrame, definition: Definition, settled: bool) -> Truth:
    match condition.operand:
        case "criterion":
            return evaluate(dict(definition.criteria)[condition.name], frame, definition, settled=settled)
        case "stage":
            return _stage(condition.name, frame, definition, settled)
        case "activation_pct" if condition.by_size is not None:
            needed = frame["size"].map(dict(condition.by_size)).to_numpy(dtype="float64")
            return Truth.of(frame["activation_pct"].to_numpy() >= needed, ~np.isnan(needed))
        case "signal":
            return _signal(condition, frame, definition, settled)
        case "activation_pct":
            unsettled = np.full(len(frame), not settled)
            return _bounded(condition, frame["activation_pct"], unsettled, "count")
        case _:
            return _plain(condition, column(frame, _column_name(condition)))


def _column_name(condition: Compare) -> str:
    if condition.operand == "attribute":
        return f"attr.{condition.name}"
    if condition.operand == "grade":
        return "grade" if condition.one_of and any(isinstance(g, str) for g in condition.one_of) else "grade_10"
    return condition.operand


def _stage(name: str, frame: pd.DataFrame, definition: Definition, settled: bool) -> Truth:
    index = next(i for i, stage in enumerate(definition.stages) if stage.name == name)
    reached = known(column(frame, f"stage_at.{index}"))
    return Truth(reached, ~reached & settled)


def _signal(condition: Compare, frame: pd.DataFrame, definition: Definition, settled: bool) -> Truth:
    signal = definition.signal(condition.name)
    values = frame[f"signal.{signal.name}"]
    if condition.exists is not None:
        return _plain(condition, values)
    unsettled = np.full(len(frame), not settled)
    if f"not_yet.{signal.name}" in frame.columns:
        unsettled |= frame[f"not_yet.{signal.name}"].fillna(False).to_numpy(dtype=bool)
    return _bounded(condition, values, unsettled, signal.measure)


def _plain(condition: Compare, values: pd.Series) -> Truth:
    """A comparison with nothing unsettled about it. `exists` is the one question an unknown value answers."""
    if condition.exists is not None:
        return Truth.of(known(values) == condition.exists)
    if condition.one_of is not None:
        return Truth.of(*is_one_of(values, condition.one_of))
    value = numbers(values)
    return Truth.of(_above(value, condition.min) & _below(value, condition.max), ~np.isnan(value))


def _bounded(
    condition: Compare,
    values: pd.Series,
    unsettled: Flags,
    measure: str,
) -> Truth:
    plain = _plain(condition, values)
    if not unsettled.any() or measure not in GROWS | SHRINKS:
        return plain
    value = numbers(values)
    stays, passed = condition.max is None, ~_below(value, condition.max)
    if measure in SHRINKS:
        stays, passed = condition.min is None, ~_above(value, condition.min)
    stays = stays and condition.one_of is None
    return Truth(plain.yes & (~unsettled | stays), plain.no & (~unsettled | passed))


def _above(value: np.ndarray, bound: float | None) -> Flags:
    return np.ones(len(value), dtype=bool) if bound is None else np.asarray(value >= bound)


def _below(value: np.ndarray, bound: float | None) -> Flags:
    return np.ones(len(value), dtype=bool) if bound is None else np.asarray(value <= bound)
