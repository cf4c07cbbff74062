"""Signals in, whole points per line out, with every cap as a line of its own, so that lines add up (SEM-S1, S2)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from pql.definition.model import Definition, ScoreGroup, ScoreLine
from pql.scoring.conditions import evaluate
from pql.scoring.values import column, is_one_of, known, numbers

Ints = npt.NDArray[np.int64]
_DAY = np.timedelta64(1, "D")
_EPSILON = 1e-9  # 0.3 / 0.1 is 2.999…96 in floating point and three whole units to a reader
ENGAGEMENT = ("value", "intent")


def round_half_up(values: npt.NDArray[np.float64]) -> Ints:
    """The nearest whole numbers; halves go up.

    >>> round_half_up(np.array([0.5, 1.49, -2.5])).tolist()
    [1, 1, -2]
    """
    return np.floor(values + 0.5 + _EPSILON).astype("int64")


def flat_lines(definition: Definition) -> tuple[ScoreLine, ...]:
    """All lines in order; `line.<i>` is the i-th."""
    return tuple(line for group in definition.score.groups for line in group.lines)


def line_points(line: ScoreLine, frame: pd.DataFrame, definition: Definition) -> Ints:
    """Points × whole units, held to ±max, × 0.5^(whole days ÷ half-life), rounded half up; 0 where unknown.

    Of a negative value (a fall of 25 % at `per: 10`) the whole units are −2: units are cut, not stretched.
    """
    values = column(frame, f"signal.{line.signal}")
    counts = evaluate(line.when, frame, definition).yes if line.when is not None else _is_something(values)
    raw = np.where(counts, line.points, 0.0)
    if line.per is not None:
        units = np.nan_to_num(numbers(values)) / line.per
        raw = raw * np.trunc(units + np.sign(units) * _EPSILON)
    if line.max is not None:
        raw = np.clip(raw, -line.max, line.max)
    return round_half_up(raw * _decay(line, frame))


def _is_something(values: pd.Series) -> npt.NDArray[np.bool_]:
    nothing, _ = is_one_of(values, (False, 0, "", "no"))
    return known(values) & ~nothing


def _decay(line: ScoreLine, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    if line.half_life_days is None or f"signal_at.{line.signal}" not in frame.columns:
        return np.ones(len(frame))
    age = (frame["as_of"] - frame[f"signal_at.{line.signal}"]).to_numpy(dtype="timedelta64[us]")
    days = np.where(np.isnat(age), np.timedelta64(0, "us"), age) // _DAY
    return np.asarray(0.5 ** (np.maximum(days, 0) / line.half_life_days))


def points(definition: Definition, frame: pd.DataFrame) -> dict[str, Ints]:
    """`line.<i>`, `limit.<group>`, `limit.scale` and `score`: the score is the exact sum of all the others."""
    result: dict[str, Ints] = {}
    total = np.zeros(len(frame), dtype="int64")
    index = 0
    for group in definition.score.groups:
        subtotal = np.zeros(len(frame), dtype="int64")
        for line in group.lines:
            result[f"line.{index}"] = line_points(line, frame, definition)
            subtotal = subtotal + result[f"line.{index}"]
            index += 1
        held = subtotal if group.max is None else np.clip(subtotal, -int(group.max), int(group.max))
        result[f"limit.{group.name}"] = held - subtotal
        total = total + held
    low, high = definition.score.scale
    result["score"] = np.clip(total, low, high)
    result["limit.scale"] = result["score"] - total
    return result


def grade_10(score: Ints, scale: tuple[int, int]) -> Ints:
    """Score ÷ 10 rounded up, at least 1; another scale is first stretched to 0–100 (SEM-S2).

    >>> grade_10(np.array([0, 1, 10, 11, 100]), (0, 100)).tolist()
    [1, 1, 1, 2, 10]
    >>> grade_10(np.array([-1, 3]), (-1, 3)).tolist()
    [1, 10]
    """
    low, high = scale
    return np.clip(-((low - score) * 10 // max(high - low, 1)), 1, 10)


def attainable(group: ScoreGroup, ceiling: float) -> float:
    """The most points the group can give: its lines' best, held to its cap and to the scale's width."""
    best = sum(math.inf if line.per is not None and line.max is None else _best(line) for line in group.lines)
    return min(best, group.max if group.max is not None else math.inf, ceiling)


def _best(line: ScoreLine) -> float:
    best = max(line.points, 0.0) if line.per is None else (line.max or 0.0) * (line.points > 0)
    return min(best, line.max) if line.max is not None else best


def letter_grid(definition: Definition, columns: dict[str, Ints], rows: int) -> npt.NDArray[np.object_]:
    """Fit A–D and engagement 1–4 as one label ("B1"); "?" for a half without points to gain (SEM-S2)."""
    cuts = definition.score
    fit = _grades(_share(definition, ("fit",), columns, rows), cuts.fit_cuts, "ABCD")
    engagement = _grades(_share(definition, ENGAGEMENT, columns, rows), cuts.engagement_cuts, "1234")
    return np.asarray(fit + engagement, dtype=object)


def _share(
    definition: Definition, names: tuple[str, ...], columns: dict[str, Ints], rows: int
) -> npt.NDArray[np.float64]:
    low, high = definition.score.scale
    reached, index, most = np.zeros(rows), 0, 0.0
    for group in definition.score.groups:
        own = range(index, index + len(group.lines))
        index += len(group.lines)
        if group.name in names:
            most += attainable(group, high - low)
            reached = reached + columns[f"limit.{group.name}"] + sum(columns[f"line.{i}"] for i in own)
    return np.clip(100 * reached / most, 0, 100) if most > 0 else np.full(rows, np.nan)


def _grades(share: npt.NDArray[np.float64], cuts: tuple[float, float, float], names: str) -> npt.NDArray[np.object_]:
    best, good, fair = cuts
    steps = [np.isnan(share), share >= best, share >= good, share >= fair]
    return np.asarray(np.select(steps, ["?", *names[:3]], names[3]), dtype=object)
