"""One scored row in, its score in a sales rep's words out; the points add up to the score exactly (SEM-S1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from pql.definition.model import Definition, ScoreGroup, ScoreLine
from pql.scoring.values import is_one_of
from pql.scoring.wording import humanise, number, phrase, titled
from pql.types import LIMIT, Reason

Row = Mapping[str, Any] | pd.Series


def reasons(definition: Definition, row: Row, *, zeros: bool = False) -> tuple[Reason, ...]:
    """The score as reasons: gains first, then losses and limits, each strongest first, then what is unknown.

    `row` is one row of `score(…)`. Lines known to give nothing are left out unless `zeros`; an unknown signal gives 0
    points and is always named (SEM-M4). The points of all reasons sum to the score.
    """
    found: list[Reason] = []
    index = 0
    for group in definition.score.groups:
        for line in group.lines:
            reason = line_reason(definition, line, row, int(row[f"line.{index}"]))
            if reason.points or zeros or is_unknown(row.get(f"signal.{line.signal}")):
                found.append(replace(reason, group=group.name))
            index += 1
        found += _limit(int(row[f"limit.{group.name}"]), limit_of(group))
    low, high = definition.score.scale
    found += _limit(int(row["limit.scale"]), f"limit of the scale ({low}–{high})")
    return tuple(sorted(found, key=lambda r: (r.points <= 0, r.points == 0, -abs(r.points))))


def limit_of(group: ScoreGroup) -> str:
    """Why points of a group do not count.

    >>> limit_of(ScoreGroup("value", (), max=50))
    'value counts 50 at most'
    """
    return f"{group.name} counts {number(group.max)} at most" if group.max is not None else f"no limit of {group.name}"


def _limit(points: int, text: str) -> list[Reason]:
    return [Reason(points, text, LIMIT)] if points else []


def line_reason(definition: Definition, line: ScoreLine, row: Row, points: int) -> Reason:
    """One line's points with the words for what its signal is in that row."""
    value = row.get(f"signal.{line.signal}")
    name = definition.signal(line.signal).title or humanise(line.signal)
    if is_unknown(value):
        return Reason(points, f"{name} unknown")
    text = line.title or ""
    if text:
        text = titled(text, float(str(value)), text) if _is_number(value) else text
    else:
        text = words(definition, line.signal, value)
    if points == 0 and bool(row.get(f"not_yet.{line.signal}", False)):
        text += " (not yet)"
    return Reason(points, text)


def words(definition: Definition, signal_name: str, value: object) -> str:
    """The signal's value in words; "… unknown" where there is none."""
    signal = definition.signal(signal_name)
    name = signal.title or humanise(signal_name)
    if is_unknown(value):
        return f"{name} unknown"
    if _is_number(value):
        return phrase(definition, signal, float(str(value)))
    if _is_flag(value):
        return name if _is_true(value) else f"not {name}"
    return f"{name}: {value}"


def is_unknown(value: object) -> bool:
    """Whether there is no value: None, NaN, NA, NaT."""
    return value is None or bool(pd.isna(value))  # type: ignore[call-overload]  # scalars of any kind


def _is_number(value: object) -> bool:
    return pd.api.types.is_number(value) and not pd.api.types.is_bool(value)


def _is_flag(value: object) -> bool:
    return pd.api.types.is_bool(value) or str(value).strip().casefold() in ("true", "false")


def _is_true(value: object) -> bool:
    return bool(is_one_of(pd.Series([value], dtype=object), (True,))[0][0])
