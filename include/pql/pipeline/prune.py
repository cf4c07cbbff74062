"""Letting go of what is old: settings and a clock in, what went (or would go) out. Doing it again removes nothing more.

Kept for ever: daily usage, nightly snapshots, CRM filings (what was true as of a moment rests on them), and in the
ledger that something was decided and sent, when, why and with which receipt.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta

from pql import store
from pql.pipeline.project import Project
from pql.store import said
from pql.usage import needs_of


def prune(project: Project, *, now: datetime, dry_run: bool = False) -> dict[str, int]:
    """Remove what is older than the settings keep; how many of each: files of the lake, rows of the ledger.

    Raw events go when they are older than their source's newest by `retention_days` and their daily usage is kept
    (SEM-T5); none while a definition file has errors, since what it reads is not known then. Safe beside runs.
    """
    settings = project.settings
    expired = project.lake.expired(
        hourly_scores=now - timedelta(days=settings.hourly_scores_days),
        quarantine=now - timedelta(days=settings.quarantine_days),
        now=now,
    )
    counts = {"event_files": _events(project, now, dry_run), **{name: len(paths) for name, paths in expired.items()}}
    before = now - timedelta(days=settings.alerts_days)
    if dry_run:
        with store.reading(project.engine) as connection:
            return counts | said.count(connection, before)
    project.lake.remove(path for paths in expired.values() for path in paths)
    with store.writing(project.engine) as connection:
        return counts | said.forget(connection, before)


def _events(project: Project, now: datetime, dry_run: bool) -> int:
    if project.errors:
        return 0
    needs = {need.key: need for definition in project.definitions for need in needs_of(definition)}
    with closing(project.lake.connect()) as lake:
        return project.lake.prune(
            lake, retention_days=project.settings.retention_days, needs=list(needs.values()), now=now, dry_run=dry_run
        )
