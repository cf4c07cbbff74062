"""The project's destinations read back and held against its ledger: what differs is kept, and told to ops elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from pql.destinations.read_back import reader
from pql.outbox import reconcile as outbox
from pql.outbox.reconcile import Reconciled
from pql.pipeline.project import Project

SECONDS = 600.0  # for one destination


def reconcile(
    project: Project,
    *,
    clock: Callable[[], datetime],
    since: datetime | None = None,
    sleep: Callable[[float], None] = time.sleep,
    seconds: float = SECONDS,
) -> Reconciled:
    """Read back what was made since that moment (default: `reconcile_days`) and keep what differs.

    Nothing is sent and nothing is put right: a person looks. Safe to do again, and while others deliver.
    """
    now = clock()
    oldest = now - timedelta(days=project.settings.reconcile_days)
    readers = {
        name: reader(name, project.settings, project.connections, clock=clock, sleep=sleep, seconds=seconds)
        for name in sorted(project.settings.destinations)
    }
    begin = oldest if since is None else since
    return outbox.reconcile(project.engine, readers, since=begin, oldest=min(begin, oldest), now=now)
