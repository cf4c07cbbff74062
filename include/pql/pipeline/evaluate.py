"""Evaluate one definition at one moment and write its snapshot to the lake."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from pql import store
from pql.definition.model import Definition
from pql.pipeline.ingest import Kind
from pql.pipeline.moments import checked
from pql.pipeline.project import Project
from pql.pipeline.snapshots import inputs, of_inputs
from pql.store import marks

PERIOD = {"hourly": timedelta(hours=1), "nightly": timedelta(days=1)}


def evaluate(project: Project, definition_id: str, *, as_of: datetime, now: datetime, kind: Kind) -> dict[str, Any]:
    """Write the snapshot of `definition_id` at `as_of` and return its key and counts, never its rows.

    Nightly looks at everybody; hourly at the accounts behind every dirty mark and those already in this hour's
    snapshot, so a rerun gives the same rows (SEM-D1). `seq` is where the marks stood before reading began.
    """
    as_of = checked(as_of, now)
    definition = project.definition(definition_id)
    with store.reading(project.engine) as connection:
        seq = marks.current_seq(connection)
        marked = marks.read(connection, definition.id)
    facts = [mark.fact_key for mark in marked]
    already = _already(project, definition, as_of) if kind == "hourly" else None
    with closing(project.lake.connect()) as lake:  # closed before scoring: the memory it holds is needed there
        rows = inputs(project, lake, definition, [as_of], PERIOD[kind], already, facts)
    frame = of_inputs(project, definition, [as_of], PERIOD[kind], rows)[as_of]
    project.lake.write_scores(definition.id, kind, as_of, frame)
    would = frame[frame["would_have_announced"]].sort_values(["score", "subject_key"], ascending=[False, True])
    return {
        "definition": definition.id,
        "rules_hash": definition.rules_hash,
        "seq": seq,
        "evaluated": len(frame),
        "qualified": int(frame["qualified"].sum()),
        "would_have_announced": len(would),
        "would_have_announced_top": list(would["subject_key"][:20]),
    }


def _already(project: Project, definition: Definition, as_of: datetime) -> set[str]:
    """The accounts in this hour's snapshot, if it was written before."""
    snapshot = project.lake.read_scores(definition.id, "hourly", as_of)
    return set() if snapshot is None else set(snapshot["account_key"])
