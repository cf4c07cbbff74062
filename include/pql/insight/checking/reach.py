"""Thresholds nobody reaches: a definition and everybody's newest scores in, what is out of everybody's reach out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import duckdb
import numpy as np
import pandas as pd

from pql.definition.model import Compare, Definition
from pql.definition.used import compares, conditions
from pql.pipeline.project import Project
from pql.pipeline.snapshots import panel
from pql.scoring.conditions import evaluate
from pql.scoring.entry import only
from pql.scoring.values import column, known, numbers
from pql.scoring.wording import number

Found = tuple[str, str]  # (place, message)


def unreached(
    project: Project, lake: duckdb.DuckDBPyConnection, definition: Definition, at: datetime
) -> Iterator[Found]:
    """(place, message) for each threshold or value that nobody meets; `at` is the moment up to which the data reaches.

    Everybody is read from the newest nightly snapshot, if it is of these very rules, or computed.
    """
    frame = newest_scores(project, lake, definition, at)
    if frame.empty:
        return
    moment = pd.Timestamp(frame["as_of"].iloc[0])
    told: set[tuple[str, str]] = set()
    for place, condition in conditions(definition):
        for compare in compares(condition):
            message = _message(compare, frame, definition)
            if message and (place, message) not in told:
                told.add((place, message))
                yield place, f"{message} (as of {moment:%Y-%m-%d %H:%M} UTC)"
    for attribute, allowed in definition.only:
        if not only(_one(definition, attribute), frame).yes.any():
            yield "only", f"nobody can enter: {_values(column(frame, f'attr.{attribute}'), attribute, allowed)}"


def newest_scores(
    project: Project, lake: duckdb.DuckDBPyConnection, definition: Definition, at: datetime
) -> pd.DataFrame:
    """Everybody by these rules: the newest nightly snapshot that was made with them, else computed."""
    nights = [night for night in project.lake.list_scores(definition.id, "nightly") if night <= at]
    stored = project.lake.read_scores(definition.id, "nightly", nights[-1]) if nights else None
    if stored is not None and len(stored) and set(stored["rules_hash"]) == {definition.rules_hash}:
        return stored
    return panel(project, lake, definition, [at])


def _one(definition: Definition, attribute: str) -> Definition:
    return replace(definition, only=tuple((name, allowed) for name, allowed in definition.only if name == attribute))


def _message(compare: Compare, frame: pd.DataFrame, definition: Definition) -> str:
    """What is out of reach about it; "" if somebody meets it, or if it is no threshold."""
    if compare.exists is not None or compare.operand in ("criterion", "score_delta_night", "score_delta_week"):
        return ""
    if evaluate(compare, frame, definition).yes.any():
        return ""
    if compare.operand == "stage":
        return f"nobody has reached the stage `{compare.name}`"
    if compare.by_size is not None:
        highest = number(float(frame["activation_pct"].max()))
        return f"nobody's activation is enough for their size: the highest anybody has is {highest} %"
    values = column(frame, _column(compare))
    name = compare.name or compare.operand
    if not known(values).any():
        return f"`{name}` is known of nobody"
    if compare.one_of is not None:
        return "nobody has it: " + _values(values, name, compare.one_of)
    return _interval(compare, name, numbers(values))


def _column(compare: Compare) -> str:
    if compare.operand == "grade":
        return "grade" if compare.one_of is not None else "grade_10"
    prefix = {"signal": "signal.", "attribute": "attr."}.get(compare.operand, "")
    return f"{prefix}{compare.name}" if prefix else compare.operand


def _interval(compare: Compare, name: str, values: np.ndarray) -> str:
    lowest, highest = np.nanmin(values), np.nanmax(values)
    if compare.min is not None and highest < compare.min:
        return (
            f"nobody reaches `{name}` of at least {number(compare.min)}: the highest anybody has is {number(highest)}"
        )
    if compare.max is not None and lowest > compare.max:
        return f"nobody has `{name}` of at most {number(compare.max)}: the lowest anybody has is {number(lowest)}"
    bounds = f"{number(compare.min or 0)} and {number(compare.max or 0)}"
    return f"nobody has `{name}` between {bounds}: they have from {number(lowest)} to {number(highest)}"


def _values(values: pd.Series, name: str, wanted: tuple[object, ...]) -> str:
    there = ", ".join(f"`{value}`" for value in values.dropna().astype(str).value_counts().index[:5]) or "unknown"
    return f"`{name}` is never {' or '.join(f'`{value}`' for value in wanted)}, it is {there}"
