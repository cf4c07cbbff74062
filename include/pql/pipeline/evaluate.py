"""Evaluate one definition at one moment and write its snapshot to the lake."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import duckdb

from pql import features, store
from pql.definition.model import Definition
from pql.pipeline.ingest import Kind
from pql.pipeline.moments import checked
from pql.pipeline.project import Project
from pql.pipeline.snapshots import snapshots
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
    lake_connection = project.lake.connect()
    try:
        facts = [mark.fact_key for mark in marked]
        hourly = partial(_hourly_accounts, project, lake_connection, definition, as_of, facts)
        accounts = hourly if kind == "hourly" else None
        frame = snapshots(project, lake_connection, definition, [as_of], PERIOD[kind], accounts)[as_of]
    finally:
        lake_connection.close()
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


def _hourly_accounts(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    as_of: datetime,
    fact_keys: list[str],
) -> set[str]:
    """`connection` is prepared for `as_of` (and what it is compared with)."""
    resolved = features.resolve_marks(connection, as_of, fact_keys, free_mail_domains=project.free_mail_domains)
    accounts = set().union(*resolved.values())
    already = project.lake.read_scores(definition.id, "hourly", as_of)
    if already is not None:
        accounts |= set(already["account_key"])
    return accounts
