"""The history of a subject's score: night by night as the snapshots have it, then the hours since the last night."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from pql.insight.board.snapshots import Standing
from pql.pipeline.project import Project
from pql.store.instants import to_aware

NIGHTS = 90


@dataclass(frozen=True)
class Point:
    """The score and the activation at one moment."""

    as_of: datetime
    score: int
    activation_pct: int
    qualified: bool


def history(
    project: Project, lake: duckdb.DuckDBPyConnection, standing: Standing, subject_key: str
) -> tuple[Point, ...]:
    """The subject's points of the last 90 nights and of the hours since, oldest first."""
    id = standing.definition.id
    nights = [("nightly", at) for at in project.lake.list_scores(id, "nightly") if at <= standing.as_of][-NIGHTS:]
    moments = [*nights, *(("hourly", at) for at in standing.hours)]
    by_uri = {project.lake.scores_uri(id, kind, at): at for kind, at in moments}
    parts = [
        f"SELECT TIMESTAMP '{at:%Y-%m-%d %H:%M:%S.%f}', score, activation_pct, qualified "  # noqa: S608  # our own paths
        f"FROM read_parquet({_text(uri)}) WHERE subject_key = $subject"
        for uri, at in by_uri.items()
    ]
    rows = lake.execute(" UNION ALL ".join(parts) + " ORDER BY 1", {"subject": subject_key}).fetchall()
    return tuple(Point(to_aware(at), int(score), int(pct), bool(qualified)) for at, score, pct, qualified in rows)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
