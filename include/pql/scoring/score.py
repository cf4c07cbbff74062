"""Features of subjects at moments in; stages, activation %, points, grades, criteria and `qualified` out."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from pql.definition.model import Definition
from pql.scoring.conditions import evaluate
from pql.scoring.entry import alive, excluded, only, size
from pql.scoring.points import Ints, grade_10, letter_grid, points, round_half_up
from pql.scoring.values import column, known


def score(
    definition: Definition, features: pd.DataFrame, *, timezone: str, own_domains: Collection[str] = ()
) -> pd.DataFrame:
    """The features with everything the definition makes of them, one row per row of `features`, in its order.

    Adds: `size`, `size_unknown`, `stage.<n>` (bool), `activation_pct` (0–100), `line.<i>`, `limit.<group>`,
    `limit.scale`, `score` (their exact sum), `grade_10`, `grade`, `criterion.<name>` and `only_ok` (pandas boolean,
    NA = unknown), `excluded`, `alive`, `qualify` (boolean), `qualified`, `qualified_surely` (bool: it would be so too
    if more events came in: nothing in it rests on absence, SEM-D2), `definition`, `rules_hash`.
    `timezone` is the project's; `own_domains` are own staff's and never qualify.
    """
    frame = features.copy(deep=False)
    frame["size"], frame["size_unknown"] = size(definition, frame)
    for index in range(len(definition.stages)):
        frame[f"stage.{index}"] = known(column(frame, f"stage_at.{index}"))
    frame["activation_pct"] = activation_pct(definition, frame)
    columns = points(definition, frame)
    frame = frame.assign(
        **{f"{name}": values for name, values in columns.items()},
        grade_10=grade_10(columns["score"], definition.score.scale),
        grade=letter_grid(definition, columns, len(frame)),
        excluded=excluded(definition, frame, own_domains),
        alive=alive(definition, frame, timezone),
        only_ok=only(definition, frame).column(),
    )
    for name, condition in definition.criteria:
        frame[f"criterion.{name}"] = evaluate(condition, frame, definition).column()
    qualify = evaluate(definition.qualify, frame, definition)
    surely = evaluate(definition.qualify, frame, definition, settled=False)
    may_enter = (
        frame["alive"].to_numpy() & ~frame["excluded"].to_numpy() & frame["only_ok"].fillna(False).to_numpy(dtype=bool)
    )
    return frame.assign(
        qualify=qualify.column(),
        qualified=qualify.yes & may_enter,
        qualified_surely=surely.yes & may_enter,
        definition=definition.id,
        rules_hash=definition.rules_hash,
    )


def activation_pct(definition: Definition, frame: pd.DataFrame) -> Ints:
    """Weight of the stages reached ÷ all weight × 100, rounded half up; 0 without stages (SEM-A1).

    Two of five stages of equal weight are 40 %, one of three 33 %, one of eight (12.5 %) 13 %.
    """
    weight = sum(stage.weight for stage in definition.stages)
    reached = np.zeros(len(frame))
    for index, stage in enumerate(definition.stages):
        reached += stage.weight * frame[f"stage.{index}"].to_numpy(dtype="float64")
    return round_half_up(100 * reached / weight) if weight > 0 else np.zeros(len(frame), dtype="int64")
