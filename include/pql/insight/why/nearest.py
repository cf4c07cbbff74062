"""The nearest ways to qualify: one row of features in, the smallest changes that really flip it out (PRODUCT-Q5).

Nothing is estimated: every candidate is a changed row that is scored by the same code as all others, and only what
comes out qualified is told. One signal is tried first, then two. What a change brings with it is changed too: stages
that are then reached, a share of a limit, the newest event of what fades, and being alive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from pql.definition.model import Compare, Definition, ScoreLine, Signal
from pql.definition.used import compares
from pql.insight.why.doable import Change, is_doable, is_whole, most, words
from pql.insight.why.follows import is_same, moves_with, values_after
from pql.insight.why.moved import share
from pql.scoring import score
from pql.scoring.conditions import evaluate
from pql.scoring.explain import exclusions
from pql.scoring.values import column, numbers

MOST_WAYS = 5
_MOST_STEPS = 40  # values tried per signal alone
_FEW_STEPS = 6  # and in a pair


@dataclass(frozen=True)
class Rules:
    """What a row is scored with."""

    definition: Definition
    timezone: str
    own_domains: Collection[str] = ()

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """The scored rows."""
        return score(self.definition, features, timezone=self.timezone, own_domains=self.own_domains)


def nearest(rules: Rules, row: pd.DataFrame, *, blocked: str = "") -> dict[str, Any]:
    """The cheapest changes after which `row` (one scored row) qualifies, as plain values.

    Keys: possible (False: no usage would do it), note (why not, or what to know), ways: text, effort, changes
    (signal, before, after), score and activation_pct after it; cheapest first. `blocked` says why nobody may be told of
    the account, "" if nothing stands against it.
    """
    why = blocked or _barred(rules.definition, row)
    if why:
        return {"possible": False, "note": f"no usage would qualify it: {why}", "ways": []}
    if bool(row["qualified"].iloc[0]):
        return {"possible": True, "note": "it qualifies", "ways": []}
    ways = _search(rules, row)
    note = (
        ""
        if bool(row["alive"].iloc[0])
        else f"not active within {rules.definition.alive_days} days: it has to come back first"
    )
    if not ways:
        note = "no change of one or two signals that a customer can bring about would qualify it"
    return {"possible": bool(ways), "note": note, "ways": ways}


def changed(rules: Rules, row: pd.DataFrame, wanted: Sequence[Sequence[Change]]) -> pd.DataFrame:
    """For each set of changes the row as it would be then, scored; no change at all stands for any activity."""
    frame = row.loc[row.index.repeat(len(wanted))].reset_index(drop=True)
    now = _open_now(rules.definition, row)
    after = [values_after(rules.definition, now, changes) for changes in wanted]
    new: dict[str, Any] = {}
    changed_by = {change.signal for changes in wanted for change in changes}
    passive = {name for name in changed_by if _is_passive(rules.definition, rules.definition.signal(name))}
    for name in sorted({name for values in after for name in values}):
        values = numbers(frame[f"signal.{name}"]).copy()
        moved = np.array([name in each for each in after], dtype=bool)
        values[moved] = [each[name] for each in after if name in each]
        new[f"signal.{name}"] = values
        if f"signal_at.{name}" in frame:
            new[f"signal_at.{name}"] = frame[f"signal_at.{name}"].where(~moved, frame["as_of"])
    new |= _last_times(rules.definition, frame, wanted)
    acts = np.array([not changes or any(c.signal not in passive for c in changes) for changes in wanted], dtype=bool)
    new["last_active_at"] = frame["last_active_at"].where(~acts, frame["as_of"] - pd.Timedelta(microseconds=1))
    frame = _with_shares(rules.definition, frame.assign(**new))
    return rules.score(_with_stages(rules.definition, frame))


def _open_now(definition: Definition, row: pd.DataFrame) -> dict[str, float]:
    """The counts, days and people as they are, of windows in which something can still happen."""
    open_ones = (s for s in definition.signals if is_doable(s) and not _is_over(s, row))
    return {s.name: float(numbers(row[f"signal.{s.name}"])[0]) for s in open_ones}


def _last_times(definition: Definition, frame: pd.DataFrame, wanted: Sequence[Sequence[Change]]) -> dict[str, Any]:
    """Days since events that a change consists of: none any more."""
    new = {}
    for signal in definition.signals:
        if signal.measure != "days_since":
            continue
        name = f"signal.{signal.name}"
        events = [{event for c in changes for event in definition.signal(c.signal).events} for changes in wanted]
        again = [bool(done & set(signal.events)) or (not done and signal.any_event) for done in events]
        new[name] = np.where(again, 0.0, numbers(frame[name]))
    return new


def _is_passive(definition: Definition, signal: Signal) -> bool:
    return all(definition.event(name).passive for name in signal.events)


def _with_shares(definition: Definition, frame: pd.DataFrame) -> pd.DataFrame:
    shares = {
        f"signal.{s.name}": share(
            numbers(frame[f"signal.{s.numerator}"]), numbers(column(frame, f"attr.{s.denominator}"))
        )
        for s in definition.signals
        if s.measure == "share"
    }
    return frame.assign(**shares)


def _with_stages(definition: Definition, frame: pd.DataFrame) -> pd.DataFrame:
    """Stages whose condition holds now are reached now; what was reached stays so (SEM-A1)."""
    reached = {}
    for index, stage in enumerate(definition.stages):
        at = pd.to_datetime(column(frame, f"stage_at.{index}"))
        reached[f"stage_at.{index}"] = at.where(
            at.notna() | ~evaluate(stage.when, frame, definition).yes, frame["as_of"]
        )
    return frame.assign(**reached)


def _barred(definition: Definition, row: pd.DataFrame) -> str:
    if bool(row["excluded"].iloc[0]):
        by = " and ".join(f"{step.name} is {step.actual}" for step in exclusions(definition, row.iloc[0]))
        return f"the account is excluded ({by})"
    allowed = row["only_ok"].iloc[0]
    if pd.isna(allowed):
        return "an attribute that `only` asks for is unknown"
    return "" if bool(allowed) else "`only` does not let it in"


# --- the search ----------------------------------------------------------------------------------------------------


def _search(rules: Rules, row: pd.DataFrame) -> list[dict[str, Any]]:
    alive = changed(rules, row, [()])
    if bool(alive["qualified"].iloc[0]):
        return [_way(rules.definition, (), alive.iloc[0])]
    options = dict(_options(rules.definition, row))
    singles = [(change,) for changes in options.values() for change in changes[:_MOST_STEPS]]
    found = _cheapest(rules, row, singles)
    if not found:
        few = {name: _spread(changes) for name, changes in options.items()}
        pairs = [both for one, other in combinations(few, 2) for both in product(few[one], few[other])]
        found = _cheapest(rules, row, pairs)
    return found[:MOST_WAYS]


def _spread(changes: Sequence[Change]) -> Sequence[Change]:
    """A few of many: the nearest, the farthest, and some between."""
    if len(changes) <= _FEW_STEPS:
        return changes
    picked = np.unique(np.linspace(0, len(changes) - 1, _FEW_STEPS).round().astype(int))
    return [changes[i] for i in picked]


def _cheapest(rules: Rules, row: pd.DataFrame, wanted: Sequence[tuple[Change, ...]]) -> list[dict[str, Any]]:
    """Of those that qualify the row the cheapest of each combination of signals, cheapest first."""
    if not wanted:
        return []
    after = changed(rules, row, wanted)
    best: dict[tuple[str, ...], tuple[float, tuple[Change, ...], int]] = {}
    for i in np.flatnonzero(after["qualified"].to_numpy(dtype=bool)).tolist():
        changes = wanted[i]
        cost = sum(change.effort(rules.definition) for change in changes)
        names = tuple(change.signal for change in changes)
        if names not in best or cost < best[names][0]:
            best[names] = (cost, changes, i)
    ordered = sorted(best.values(), key=lambda found: (found[0], _spans(rules.definition, found[1])))
    told: list[tuple[tuple[Change, ...], int]] = []
    for _, changes, i in ordered:
        if not any(_is_no_more_than(other, changes, rules.definition, row) for other, _ in told):
            told.append((changes, i))
    return [_way(rules.definition, changes, after.iloc[i]) for changes, i in told]


def _spans(definition: Definition, changes: Sequence[Change]) -> list[tuple[float, str]]:
    """The windows, the shortest first: what is done in that lies in the longer ones too."""
    return [(definition.signal(c.signal).window.days or float("inf"), c.signal) for c in changes]


def _is_no_more_than(
    told: Sequence[Change], changes: Sequence[Change], definition: Definition, row: pd.DataFrame
) -> bool:
    """Whether who does the one does what was told already, too: as much of the same, or what it brings along."""
    after = values_after(definition, _open_now(definition, row), changes)
    same = {(c.by, d.name) for c in changes for d in definition.signals if is_same(definition.signal(c.signal), d)}
    return all(after.get(c.signal, -np.inf) >= c.after or (c.by, c.signal) in same for c in told)


def _way(definition: Definition, changes: tuple[Change, ...], after: pd.Series) -> dict[str, Any]:
    return {
        "text": " and ".join(words(definition, change) for change in changes) or "any activity",
        "effort": round(sum(change.effort(definition) for change in changes) or 1.0, 1),
        "changes": [{"signal": c.signal, "before": c.before, "after": c.after} for c in changes],
        "score": int(after["score"]),
        "activation_pct": int(after["activation_pct"]),
    }


# --- candidates ----------------------------------------------------------------------------------------------------


def _options(definition: Definition, row: pd.DataFrame) -> Iterator[tuple[str, list[Change]]]:
    """For each signal a customer can move and `qualify` looks at, the values worth trying, nearest first."""
    asked = list(_asked(definition))
    for signal in definition.signals:
        if not is_doable(signal) or _is_over(signal, row):
            continue
        now = float(numbers(row[f"signal.{signal.name}"])[0])
        start = 0.0 if np.isnan(now) else now
        values = {value for compare in asked for value in _bounds(compare, signal, row, definition)}
        values |= {start + more for more in _more_of_others(asked, signal, row, definition)}
        values |= {value for line in _lines(definition) for value in _steps(line, signal, start, row, definition)}
        rounded = {float(np.ceil(v - 1e-9)) if is_whole(signal) else v for v in values}
        better = sorted(v for v in rounded if start < v <= most(signal))
        if signal.measure == "days_since":
            better = [0.0] if start > 0 else []
        if better:
            yield signal.name, [Change(signal.name, None if np.isnan(now) else now, v) for v in better]


def _is_over(signal: Signal, row: pd.DataFrame) -> bool:
    """A `first:` window that is over, or a change that cannot be told, is nothing to be done about."""
    if signal.window.kind == "first":
        return not bool(row[f"not_yet.{signal.name}"].iloc[0])
    return signal.measure in ("average", "change") and bool(row[f"signal.{signal.name}"].isna().iloc[0])


def _asked(definition: Definition) -> Iterator[Compare]:
    """Every comparison that `qualify` comes down to: criteria and stages opened up."""
    criteria = dict(definition.criteria)
    opened = [definition.qualify, *(criteria.values()), *(stage.when for stage in definition.stages)]
    for condition in opened:
        yield from compares(condition)


def _bounds(compare: Compare, signal: Signal, row: pd.DataFrame, definition: Definition) -> Iterator[float]:
    """The values of the signal at which the comparison, or one of a share of it, begins to hold."""
    factor = _factor(definition, compare.name, signal, row) if compare.operand == "signal" else None
    if factor is None:
        return
    wanted = [compare.min, *(v for v in compare.one_of or () if isinstance(v, int | float))]
    wanted += [1.0] if compare.exists else []
    yield from (float(v) * factor for v in wanted if v is not None)


def _more_of_others(
    asked: Sequence[Compare], signal: Signal, row: pd.DataFrame, definition: Definition
) -> Iterator[float]:
    """How much more of what moves with the signal the comparisons ask for."""
    for other in definition.signals:
        if other.name != signal.name and moves_with(signal, other):
            had = float(np.nan_to_num(numbers(row[f"signal.{other.name}"])[0]))
            yield from (value - had for compare in asked for value in _bounds(compare, other, row, definition))


def _factor(definition: Definition, name: str, signal: Signal, row: pd.DataFrame) -> float | None:
    """What a value of the signal `name` is in values of `signal`: itself, or the limit it is a share of; else None."""
    if name == signal.name:
        return 1.0
    asked = definition.signal(name)
    if asked.numerator != signal.name:
        return None
    limit = float(numbers(column(row, f"attr.{asked.denominator}"))[0]) / 100
    return limit if limit > 0 else None


def _lines(definition: Definition) -> Iterator[ScoreLine]:
    """The score's lines, if `qualify` asks for score or grade."""
    if any(compare.operand in ("score", "grade") for compare in _asked(definition)):
        yield from (line for group in definition.score.groups for line in group.lines)


def _steps(line: ScoreLine, signal: Signal, start: float, row: pd.DataFrame, definition: Definition) -> Iterator[float]:
    """The values at which the line begins to give more."""
    factor = _factor(definition, line.signal, signal, row)
    if factor is None:
        return
    least = [1.0] if line.when is None else [c.min for c in compares(line.when) if c.min is not None]
    yield from (value * factor for value in least)
    if line.per is not None:
        unit = line.per * factor
        until = _MOST_STEPS if line.max is None else int(line.max // max(abs(line.points), 1e-9)) + 1
        yield from ((start // unit + step) * unit for step in range(1, min(_MOST_STEPS, until) + 1))
