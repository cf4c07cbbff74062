"""Runs and what is remembered of them: summaries, baselines, versions seen, how busy the last weeks were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from pql.store.instants import to_aware, to_naive
from pql.store.tables import baselines, definitions, runs
from pql.store.upsert import upsert

STORM_LOOKBACK = timedelta(days=14)


@dataclass(frozen=True)
class Run:
    """One deciding run as it was recorded; `decided_at` is its `now`."""

    id: int
    kind: str
    as_of: datetime
    decided_at: datetime
    live: bool
    announced: int
    held: int
    summary: Mapping[str, Any]


def start_run(conn: Connection, *, kind: str, as_of: datetime, now: datetime, live: bool) -> int:
    """Enter a run and return its id, which episodes and deliveries of the same transaction name."""
    values = {"kind": kind, "as_of": to_naive(as_of), "decided_at": to_naive(now), "live": live, "summary": {}}
    return int(conn.execute(insert(runs).values(values).returning(runs.c.id)).scalar_one())


def finish_run(conn: Connection, run_id: int, *, announced: int, held: int, summary: Mapping[str, Any]) -> None:
    """Write what the run came to. `announced` counts accounts told about, `held` those the storm cap stopped."""
    values = {"announced": announced, "held": held, "summary": dict(summary)}
    conn.execute(update(runs).where(runs.c.id == run_id).values(values))


def latest_runs(conn: Connection, limit: int = 20) -> tuple[Run, ...]:
    """Return the newest runs, the last one first."""
    rows = conn.execute(select(runs).order_by(runs.c.id.desc()).limit(limit))
    return tuple(
        Run(r.id, r.kind, to_aware(r.as_of), to_aware(r.decided_at), r.live, r.announced, r.held, r.summary)
        for r in rows
    )


def storm_cap(conn: Connection, now: datetime, *, floor: int, factor: float) -> int:
    """Return how many announcements a run may make: max(floor, factor × the busiest run of the last 14 days).

    Runs that were held count with what they announced, which is nothing: a storm does not widen its own cap.
    """
    since = to_naive(now - STORM_LOOKBACK)
    busiest = conn.execute(
        select(func.max(runs.c.announced)).where(runs.c.decided_at >= since, runs.c.decided_at <= to_naive(now))
    ).scalar()
    return max(floor, int(factor * (busiest or 0)))


def read_baselines(conn: Connection) -> dict[str, datetime]:
    """Return the as-of of each definition's baseline, its first run over everybody (SEM-D3 a)."""
    rows = conn.execute(select(baselines.c.definition, baselines.c.as_of))
    return {row.definition: to_aware(row.as_of) for row in rows}


def set_baseline(conn: Connection, definition: str, *, as_of: datetime, run_id: int | None) -> None:
    """Record the definition's baseline; the first one stands."""
    statement = upsert(conn, baselines).values(definition=definition, as_of=to_naive(as_of), run_id=run_id)
    conn.execute(statement.on_conflict_do_nothing(index_elements=[baselines.c.definition]))


def record_version(
    conn: Connection, definition: str, rules_hash: str, *, now: datetime, title: str = "", source: str = ""
) -> None:
    """Remember that this version of the definition was in use; the first sight stands (SEM-Q5)."""
    statement = upsert(conn, definitions).values(
        definition=definition, rules_hash=rules_hash, first_seen_at=to_naive(now), title=title, source=source
    )
    conn.execute(statement.on_conflict_do_nothing(index_elements=[definitions.c.definition, definitions.c.rules_hash]))
