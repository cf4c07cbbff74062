"""The definitions as the page lists them: status, version, since when, and what their last run came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from pql import store
from pql.definition.model import Definition
from pql.insight.board.snapshots import newest
from pql.pipeline.project import Project
from pql.store import runs
from pql.store.instants import to_aware
from pql.store.runs import Run
from pql.store.tables import definitions, episodes

REVIEW_AFTER = timedelta(days=92)  # a quarter (PRODUCT-D6)
_RUNS = 100  # how far back the last run of a definition is looked for


@dataclass(frozen=True)
class Version:
    """A definition as it is now, and what has become of it."""

    definition: Definition
    since: datetime | None  # when this version was first used; None: never yet
    versions: int  # how many were used so far
    baseline: datetime | None
    scored: datetime | None  # as of its newest snapshot
    announced: int  # open episodes somebody was told about
    silent: int  # open episodes nobody was told about
    run: Run | None  # the newest run that decided it
    summary: Mapping[str, Any]  # what that run says of this definition
    review_due: bool  # untouched for a quarter


def versions(project: Project, *, now: datetime) -> tuple[Version, ...]:
    """Every readable definition, by priority."""
    with store.reading(project.engine) as connection:
        seen = _seen(connection)
        baselines = runs.read_baselines(connection)
        latest = runs.latest_runs(connection, _RUNS)
        told, silent = _open(connection, silent=False), _open(connection, silent=True)
    found = []
    for definition in project.definitions:
        hashes = seen.get(definition.id, {})
        since = hashes.get(definition.rules_hash)
        run = next((r for r in latest if definition.id in r.summary.get("by_definition", {})), None)
        standing = newest(project, definition, now=now)
        found.append(
            Version(
                definition=definition,
                since=since,
                versions=len(hashes),
                baseline=baselines.get(definition.id),
                scored=standing.as_of if standing else None,
                announced=told.get(definition.id, 0),
                silent=silent.get(definition.id, 0),
                run=run,
                summary=run.summary["by_definition"][definition.id] if run else {},
                review_due=_is_due(definition, since, now),
            )
        )
    return tuple(found)


def _is_due(definition: Definition, since: datetime | None, now: datetime) -> bool:
    """Neither reviewed nor changed for a quarter; a draft or a retired one reminds nobody."""
    if definition.status != "live":
        return False
    touched = [day for day in (definition.reviewed, since.date() if since else None) if day]
    return bool(touched) and now.date() - max(touched) > REVIEW_AFTER


def _seen(connection: Connection) -> dict[str, dict[str, datetime]]:
    found: dict[str, dict[str, datetime]] = {}
    for row in connection.execute(select(definitions)):
        found.setdefault(row.definition, {})[row.rules_hash] = to_aware(row.first_seen_at)
    return found


def _open(connection: Connection, *, silent: bool) -> dict[str, int]:
    waiting = episodes.c.silent_reason.is_not(None) & episodes.c.released_at.is_(None)
    query = (
        select(episodes.c.definition, func.count())
        .where(episodes.c.closed_as_of.is_(None), waiting if silent else ~waiting)
        .group_by(episodes.c.definition)
    )
    return {str(id): int(number) for id, number in connection.execute(query)}
