"""What a condition can come out as for somebody who has only just signed up, whatever the attributes (for SEM-A2)."""

from __future__ import annotations

from dataclasses import dataclass

from pql.definition.model import All, Any, Compare, Condition, Definition, Not, ScoreLine, Signal
from pql.definition.names import USAGE


@dataclass(frozen=True)
class Possible:
    """Whether the condition can be true and whether it can be false; neither: it is unknown."""

    true: bool
    false: bool

    @staticmethod
    def certain(value: bool) -> Possible:
        """One outcome only."""
        return Possible(value, not value)


EITHER = Possible(true=True, false=True)
UNKNOWN = Possible(true=False, false=False)


def after_signup(condition: Condition, definition: Definition) -> Possible:
    """What the condition can be for an account of one user with a sign-up and nothing else.

    Attributes can be anything; signals that count the sign-up are 1, others 0.
    """
    match condition:
        case All(of):
            parts = [after_signup(part, definition) for part in of]
            return Possible(all(p.true for p in parts), any(p.false for p in parts))
        case Any(of):
            parts = [after_signup(part, definition) for part in of]
            return Possible(any(p.true for p in parts), all(p.false for p in parts))
        case Not(of):
            inner = after_signup(of, definition)
            return Possible(inner.false, inner.true)
        case Compare():
            return _compare(condition, definition)


def _compare(compare: Compare, definition: Definition) -> Possible:
    match compare.operand:
        case "signal":
            return _signal(compare, definition.signal(compare.name))
        case "criterion":
            return after_signup(dict(definition.criteria)[compare.name], definition)
        case "stage":
            stage = next(stage for stage in definition.stages if stage.name == compare.name)
            return after_signup(stage.when, definition)
        case "activation_pct":
            return _activation(compare, definition)
        case "score":
            return _between(compare, 0, _points(definition, just_signed_up=True))
        case _:  # attribute, size, grade, deltas
            return EITHER


def _signal(compare: Compare, signal: Signal) -> Possible:
    if compare.exists is not None:
        known = EITHER if signal.measure in ("attribute", "share") else Possible.certain(signal.measure in USAGE)
        return known if compare.exists else Possible(known.false, known.true)
    if signal.measure in ("attribute", "share"):
        return EITHER
    if signal.measure in ("change", "average", "time_to"):  # too little has happened for a value
        return UNKNOWN if "signed_up" not in signal.events else EITHER
    return Possible.certain(_holds(compare, _value(signal)))


def _value(signal: Signal) -> float:
    """A usage signal of somebody with nothing but a sign-up."""
    if "signed_up" not in signal.events or signal.measure in ("sum", "minutes", "days_since"):
        return 0
    if signal.per_user is not None:
        low, high = signal.per_user.min, signal.per_user.max
        return float((low is None or low <= 1) and (high is None or high >= 1))
    return 1


def _holds(compare: Compare, value: float) -> bool:
    if compare.one_of is not None:
        return value in compare.one_of
    return (compare.min is None or value >= compare.min) and (compare.max is None or value <= compare.max)


def _activation(compare: Compare, definition: Definition) -> Possible:
    reached = sum(s.weight for s in definition.stages if after_signup(s.when, definition).true)
    pct = 100 * reached / (sum(s.weight for s in definition.stages) or 1)
    least = min(pct for _, pct in compare.by_size) if compare.by_size else compare.min
    return _between(Compare("activation_pct", min=least, max=compare.max), pct, pct)


def _between(compare: Compare, low: float, high: float) -> Possible:
    """A value somewhere in [low, high] compared with an interval."""
    least = compare.min if compare.min is not None else float("-inf")
    most = compare.max if compare.max is not None else float("inf")
    return Possible(true=high >= least and low <= most, false=low < least or high > most)


# --- points ---


def reachable_points(definition: Definition) -> float:
    """The most points anybody can have, caps and scale included."""
    return _points(definition, just_signed_up=False)


def _points(definition: Definition, *, just_signed_up: bool) -> float:
    total = 0.0
    for group in definition.score.groups:
        points = sum(_best(line, definition, just_signed_up) for line in group.lines)
        total += points if group.max is None else min(points, group.max)
    low, high = definition.score.scale
    return min(max(total, low), high)


def _best(line: ScoreLine, definition: Definition, just_signed_up: bool) -> float:
    if line.points < 0:
        return 0
    signal = definition.signal(line.signal)
    limit = line.points if line.per is None else (line.max if line.max is not None else float("inf"))
    if not just_signed_up:
        return limit
    when = line.when if isinstance(line.when, Compare) else Compare("signal", line.signal, min=line.per or 1e-9)
    if not _signal(when, signal).true:
        return 0
    if line.per is not None and signal.measure not in ("attribute", "share"):
        limit = min(limit, line.points * (_value(signal) // line.per))
    return limit
