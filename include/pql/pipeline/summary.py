"""What a run came to, in numbers: the result of its task and of its row in the ledger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from pql.pipeline.health.freshness import Freshness
from pql.pipeline.health.volume import Unusual
from pql.qualification.model import Decisions

COUNTED = ("read", "new", "duplicates", "quarantined", "left_out")  # of each source, by the run


def empty_summary(
    reports: Sequence[Mapping[str, Any]],
    *,
    as_of: datetime,
    kind: str,
    live: bool,
    passed_over: Mapping[str, str],
    unusable_files: Mapping[str, str],
    fresh: Sequence[Freshness] = (),
    odd: Sequence[Unusual] = (),
) -> dict[str, Any]:
    """The summary before anything is evaluated or decided; `passed_over` says why a definition is not decided.

    `sources` says of each how fresh it is at the run's `now` and what this run read of it; `unusable_files` says of
    each definition file that was left out what is wrong.
    """
    counts = {r["source"]: {name: r[name] for name in COUNTED if name in r} for r in reports}
    return {
        "kind": kind,
        "as_of": as_of.isoformat(),
        "live": live,
        "read": sum(int(r["read"]) for r in reports),
        "quarantined": sum(int(r["quarantined"]) for r in reports),
        "complete_to": {r["source"]: r["complete_to"] for r in reports},
        "sources": [each.summary() | counts.get(each.source, {}) for each in fresh],
        "drops": {each.source: str(each) for each in odd if each.is_drop},
        "surges": {each.source: str(each) for each in odd if not each.is_drop},
        "evaluated": 0,
        "newly_qualified": 0,
        "announced": 0,
        "accounts_told_of": 0,
        "silent": 0,
        "retracted": 0,
        "queued": 0,
        "held": 0,
        "held_because": [],
        "would_have_announced": 0,
        "unusable_files": dict(unusable_files),
        "by_definition": {name: {"decided_nothing": why} for name, why in passed_over.items()},
    }


def count_evaluated(
    summary: dict[str, Any], evaluated: Mapping[str, tuple[pd.DataFrame, int]], live: Collection[str]
) -> None:
    """Add each definition's snapshot and how many it would have announced; in all, of those that are live."""
    summary["evaluated"] = len({key for frame, _ in evaluated.values() for key in frame["account_key"]})
    summary["would_have_announced"] = sum(would for name, (_, would) in evaluated.items() if name in live)
    summary["by_definition"] |= {
        name: {"evaluated": len(frame), "qualified": int(frame["qualified"].sum()), "would_have_announced": would}
        for name, (frame, would) in evaluated.items()
    }


def count_decided(summary: dict[str, Any], made: Decisions) -> None:
    """Add one definition's decisions."""
    announced = sum(1 for each in made.opened if each.announced)
    summary["newly_qualified"] += len(made.opened)
    summary["announced"] += announced
    summary["silent"] += len(made.opened) - announced
    summary["by_definition"][made.definition] |= {
        "newly_qualified": len(made.opened),
        "announced": announced,
        "silent": len(made.opened) - announced,
        "left": sum(1 for each in made.closed if each.reason != "retracted"),
        "retracted": sum(1 for each in made.closed if each.reason == "retracted"),
        "other_triggers": sum(1 for each in made.occurrences_opened if each.announced),
        **({"decided_nothing": made.why_nothing} if made.why_nothing else {}),
    }
