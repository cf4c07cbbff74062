"""Is a play's condition true at T, and was it at T − stale? Scored frames in, two boolean columns per play out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
import pandas as pd

from pql.definition.model import Definition, Play, Trigger
from pql.qualification.moments import DEFAULT_DAYS, days_before, score_span_days
from pql.scoring.conditions import evaluate
from pql.scoring.truth import Flags
from pql.scoring.values import column, known, local_days, numbers

DEFAULT_LIMIT_PCT = 80.0

ABSENCE = frozenset({"score_down", "gone_quiet", "stuck", "left"})
"""Triggers that rest on nothing having come: decided only when the sources are complete to T (SEM-D2)."""


def align(frame: pd.DataFrame, subject_keys: pd.Series) -> pd.DataFrame:
    """The rows of those subjects in that order and index; all-missing where `frame` does not have the subject."""
    found = frame.set_index("subject_key").reindex(subject_keys)
    found.index = subject_keys.index
    return found


def triggers(
    definition: Definition,
    frames: Mapping[datetime, pd.DataFrame],
    as_of: datetime,
    stale_days: float,
    *,
    timezone: str = "UTC",
) -> dict[str, np.ndarray]:
    """`trigger.<play id>` and `trigger_was.<play id>`: condition and filter at T and at T − stale (SEM-D4).

    Score plays also get `trigger_by.<play id>`, the change of score in points (float).

    Arrays are aligned with `frames[as_of]`; a subject without a row at T − stale was not triggered then. Of a `left`
    play only the filter is looked at: leaving itself is a decision. Plays on `newly_qualified` have no columns.
    """
    now = frames[as_of]
    then = days_before(as_of, stale_days, timezone)
    past = frames[then]
    result: dict[str, np.ndarray] = {}
    for play in definition.plays:
        if play.on.kind == "newly_qualified":
            continue
        span = score_span_days(play.on)
        before = [None if span is None else frames[days_before(moment, span, timezone)] for moment in (as_of, then)]
        if before[0] is not None:
            result[f"trigger_by.{play.id}"] = _score_change(now, before[0], definition)
        result[f"trigger.{play.id}"] = _holds(play, now, before[0], definition, timezone)
        was = _holds(play, past, before[1], definition, timezone) & (play.on.kind != "left")
        held = past.loc[was, "subject_key"]
        result[f"trigger_was.{play.id}"] = now["subject_key"].isin(held).to_numpy(dtype=bool)
    return result


def _holds(
    play: Play, frame: pd.DataFrame, before: pd.DataFrame | None, definition: Definition, timezone: str
) -> Flags:
    holds = passes(play, frame, definition)
    if before is not None:
        return holds & _score_moved(play.on, frame, before, definition)
    return holds & _CONDITIONS[play.on.kind](play.on, frame, definition, timezone)


def passes(play: Play, frame: pd.DataFrame, definition: Definition) -> Flags:
    """Whether the play's filter lets the row through; unknown does not (SEM-M4)."""
    if play.filter is None:
        return np.ones(len(frame), dtype=bool)
    return evaluate(play.filter, frame, definition).yes


def _score_change(frame: pd.DataFrame, before: pd.DataFrame, definition: Definition) -> np.ndarray:
    """Points gained since; a subject that was not there yet had none."""
    low, high = definition.score.scale
    old = align(before, frame["subject_key"])["score"].astype("float64").fillna(min(max(0, low), high))
    return np.asarray(frame["score"].to_numpy(dtype="float64") - old.to_numpy())


def _score_moved(on: Trigger, frame: pd.DataFrame, before: pd.DataFrame, definition: Definition) -> Flags:
    """A subject that was not there before can rise, not fall."""
    change = _score_change(frame, before, definition)
    if on.kind == "score_up":
        return np.asarray(change >= (on.by or 1))
    was_there = frame["subject_key"].isin(before["subject_key"]).to_numpy(dtype=bool)
    return np.asarray(was_there & (change <= -(on.by or 1)))


def _stage(on: Trigger, frame: pd.DataFrame, definition: Definition, timezone: str) -> Flags:
    index = next(i for i, stage in enumerate(definition.stages) if stage.name == on.stage)
    return known(column(frame, f"stage_at.{index}"))


def _near_limit(on: Trigger, frame: pd.DataFrame, definition: Definition, timezone: str) -> Flags:
    return np.asarray(numbers(frame[f"signal.{on.signal}"]) >= (DEFAULT_LIMIT_PCT if on.min is None else on.min))


def _gone_quiet(on: Trigger, frame: pd.DataFrame, definition: Definition, timezone: str) -> Flags:
    return _days_since(frame, frame["last_active_at"], timezone) >= (on.in_days or DEFAULT_DAYS)


def _stuck(on: Trigger, frame: pd.DataFrame, definition: Definition, timezone: str) -> Flags:
    """Signed up, not fully activated, and no step made for so long."""
    steps = pd.DataFrame({"signup": pd.to_datetime(frame["signup_at"])}, index=frame.index)
    for index in range(len(definition.stages)):
        steps[f"{index}"] = pd.to_datetime(column(frame, f"stage_at.{index}"))
    idle = _days_since(frame, steps.max(axis=1), timezone) >= (on.in_days or DEFAULT_DAYS)
    return idle & (frame["activation_pct"].to_numpy() < 100)


def _left(on: Trigger, frame: pd.DataFrame, definition: Definition, timezone: str) -> Flags:
    return np.ones(len(frame), dtype=bool)


def _days_since(frame: pd.DataFrame, instants: pd.Series, timezone: str) -> np.ndarray:
    """Local days from the instant's to the last one seen at T (SEM-T3); NaN, which compares false, if there is none."""
    today = local_days(frame["as_of"] - pd.Timedelta(microseconds=1), timezone)
    return np.asarray(today - local_days(instants, timezone))


_CONDITIONS: dict[str, Callable[[Trigger, pd.DataFrame, Definition, str], Flags]] = {
    "stage": _stage,
    "near_limit": _near_limit,
    "gone_quiet": _gone_quiet,
    "stuck": _stuck,
    "left": _left,
}
