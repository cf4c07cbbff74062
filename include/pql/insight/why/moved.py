"""What moved a score since an earlier moment: by line, and by cause, each adding up to the change exactly (PRODUCT-Q2).

Between what the run of then wrote down and now stand four other scores, each by today's rules: then as today's data
has it, the same with today's attributes, the same faded to now, and now. What lies between neighbours is one cause:
late data (or the new rules), CRM change, decay, behaviour. Decay is what half-lives take; an active day that fell out
of its window is behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from pql.definition.model import Definition
from pql.scoring import score, score_lines
from pql.scoring.values import Numbers, column, numbers

CAUSES = ("behaviour", "decay", "definition", "late_data", "crm")


@dataclass(frozen=True)
class Then:
    """One subject at an earlier moment: `stored` by the run of then, `again` by today's rules and data; one row each.

    None where there is none: no snapshot, or nobody of that key.
    """

    at: datetime
    has_snapshot: bool
    stored: pd.DataFrame | None
    again: pd.DataFrame | None


def moved(definition: Definition, now: pd.DataFrame, then: Then, *, timezone: str) -> dict[str, Any]:
    """How the score of `now` (one scored row) came from the one of then, as plain values.

    Keys: since, known, why (if not known), rules_changed, score_before, score_after, delta, lines (name, text, before,
    after, change, causes; only those that changed; their changes add up to delta), causes (behaviour, decay,
    definition, late_data, crm; None: cannot be told apart; the others add up to delta).
    """
    told: dict[str, Any] = {"since": then.at.isoformat(), "known": False}
    if then.stored is None:
        why = "had not been seen by then" if then.has_snapshot else "there is no nightly snapshot of that moment"
        return told | {"why": why} | dict.fromkeys(("score_before", "delta", "causes"), None) | {"lines": []}
    before, after = int(then.stored["score"].iloc[0]), int(now["score"].iloc[0])
    told |= {"score_before": before, "score_after": after, "delta": after - before}
    changed = str(then.stored["rules_hash"].iloc[0]) != definition.rules_hash
    told["rules_changed"] = changed
    if changed and then.again is None:
        why = "the rules have changed since, and by today's data it had not been seen by then"
        return told | {"why": why, "causes": None, "lines": []}
    base = then.stored if then.again is None else then.again
    steps = _Steps(definition, base, now, timezone)
    lines = steps.lines(then.stored if not changed else base)
    causes: dict[str, int | None] = {cause: sum(line["causes"][cause] for line in lines) for cause in steps.CAUSES}
    if changed:
        told_before, told_after = before, int(base["score"].iloc[0])
        lines = [_rules_line(then.stored, definition, told_before, told_after), *lines]
        causes |= {"definition": told_after - told_before, "late_data": 0 if _same_facts(then.stored, base) else None}
    elif then.again is None:
        causes["late_data"] = None
    shown = [line for line in lines if line["change"]]
    shown.sort(key=lambda line: (-abs(line["change"]), line["name"]))
    return told | {"known": True, "lines": shown, "causes": {cause: causes.get(cause, 0) for cause in CAUSES}}


def _rules_line(stored: pd.DataFrame, definition: Definition, before: int, after: int) -> dict[str, Any]:
    old, new = str(stored["rules_hash"].iloc[0])[:12], definition.rules_hash[:12]
    return {
        "name": "definition",
        "text": f"the rules changed (version {old} → {new})",
        "before": before,
        "after": after,
        "change": after - before,
        "causes": {"definition": after - before},
    }


@dataclass(frozen=True)
class _Steps:
    """The scores between then and now, all by today's rules."""

    definition: Definition
    base: pd.DataFrame
    now: pd.DataFrame
    timezone: str
    CAUSES = ("late_data", "crm", "decay", "behaviour")

    def lines(self, first: pd.DataFrame) -> list[dict[str, Any]]:
        """Every line from `first` (what was written down) to now, with what each cause did to it."""
        rows = [first, self.base, *self._between(), self.now]
        points = [{line.name: line for line in score_lines(self.definition, row.iloc[0])} for row in rows]
        found = []
        for name, line in points[-1].items():
            steps = [each[name].points for each in points]
            changes = [after - before for before, after in pairwise(steps)]
            found.append(
                {
                    "name": name,
                    "text": line.text if line.points else points[0][name].text if steps[0] else line.text,
                    "before": steps[0],
                    "after": steps[-1],
                    "change": steps[-1] - steps[0],
                    "causes": dict(zip(self.CAUSES, changes, strict=True)),
                }
            )
        return found

    def _between(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        told = with_attributes_of(self.definition, self.base, self.now)
        faded = told.assign(as_of=self.now["as_of"].to_numpy())
        both = pd.concat([told, faded], ignore_index=True)
        scored = score(self.definition, both, timezone=self.timezone)
        return scored.iloc[[0]], scored.iloc[[1]]


def with_attributes_of(definition: Definition, frame: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """`frame` (one row) with every attribute of `other`, and the signals that are attributes, or shares of one."""
    told = {name: other[name].to_numpy() for name in other.columns if name.startswith("attr.")}
    for signal in definition.signals:
        name = f"signal.{signal.name}"
        if signal.measure == "attribute":
            told[name] = other[name].to_numpy()
        elif signal.measure == "share":
            part = numbers(pd.Series(told.get(f"signal.{signal.numerator}", frame[f"signal.{signal.numerator}"])))
            told[name] = share(part, numbers(column(other, f"attr.{signal.denominator}")))
    return frame.assign(**told)


def share(part: Numbers, whole: Numbers) -> Numbers:
    """part ÷ whole in %; unknown where either is, or the whole is 0.

    >>> share(np.array([3.0, 1.0]), np.array([4.0, 0.0])).tolist()
    [75.0, nan]
    """
    told: Numbers = np.divide(100 * part, whole, out=np.full(len(part), np.nan), where=(whole != 0) & ~np.isnan(whole))
    return told


def _same_facts(stored: pd.DataFrame, again: pd.DataFrame) -> bool:
    """Whether all signals and attributes that both have are the same: then nothing came late."""
    names = [n for n in again.columns if n.startswith(("signal.", "attr.")) and n in stored.columns]
    return all(_same(stored[name].iloc[0], again[name].iloc[0]) for name in names)


def _same(one: object, other: object) -> bool:
    return str(one) == str(other) or (bool(pd.isna(one)) and bool(pd.isna(other)))  # type: ignore[call-overload]  # scalars
