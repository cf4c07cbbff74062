"""Live through history: each moment is taken as now, the first is the silent baseline (SEM-D6)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import duckdb

from pql import features, store
from pql.definition.model import Definition
from pql.pipeline.decide import Evaluated, decide_run
from pql.pipeline.deliver import deliver
from pql.pipeline.moments import checked, every
from pql.pipeline.project import Project
from pql.pipeline.snapshots import snapshots
from pql.store.facts import newest_decision
from pql.types import Progress, UnknownConnection, UserError

MOMENTS_A_PASS = 24  # features of so many moments (and of those they are compared with) are computed together


def beyond_this_machine(project: Project) -> list[str]:
    """The destinations, by name, whose connection leads to another machine: to people, and not to a sandbox here."""
    return sorted(name for name, each in project.settings.destinations.items() if _leads_away(project, each.connection))


def _leads_away(project: Project, conn_id: str) -> bool:
    try:
        host = urlsplit(project.connections(conn_id).host).hostname
    except (UnknownConnection, UserError, ValueError):
        return False  # nothing can be sent there
    if host == "localhost":
        return False
    try:
        return not ip_address(host or "").is_loopback
    except ValueError:
        return True


def replay(
    project: Project,
    definitions: Sequence[str],
    *,
    first: datetime,
    last: datetime | None,
    step: timedelta,
    now: datetime,
    send: bool,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Evaluate and decide every moment from `first` to `last`, everybody each time; one summary per moment.

    `last` None: the first step after the newest event. With `send`, what is due is delivered after each moment.
    Raises UserError if a definition has decided anything at or after `first` in this ledger, or none is live.
    """
    chosen = [project.definition(name) for name in definitions] or list(project.live)
    chosen = [d for d in chosen if d.status == "live"]
    if not chosen:
        raise UserError("No live definition to replay: set `status: live` in the definition, or name another.")
    _refuse_decided(project, chosen, first)
    with closing(project.lake.connect()) as lake, closing(project.lake.connect()) as at_once:
        end = checked(last, now) if last else _after_newest(project, lake, step, now)
        moments = list(every(first, end, step, project.zone))
        rows: list[dict[str, Any]] = []
        for batch in _batches(moments):
            frames = {d.id: snapshots(project, lake, d, batch, step) for d in chosen}
            known = features.identities(lake, batch, free_mail_domains=project.free_mail_domains)
            for moment in batch:
                evaluated = [Evaluated(d, frames[d.id][moment], seq=0) for d in chosen]
                summary = decide_run(
                    project, at_once, evaluated, as_of=moment, now=moment, kind="replay", known=known[moment]
                )
                if send and summary["queued"]:
                    summary["delivered"] = deliver(project, clock=partial(_same, moment))["states"]
                rows.append(summary)
                if progress:
                    progress(f"{moment:%Y-%m-%d %H:%M}", len(rows) / len(moments))
    return rows


def _refuse_decided(project: Project, definitions: Sequence[Definition], first: datetime) -> None:
    with store.reading(project.engine) as connection:
        for definition in definitions:
            newest = newest_decision(connection, definition.id)
            if newest is not None and newest >= first:
                raise UserError(
                    f"`{definition.id}` has already decided up to {newest:%Y-%m-%d %H:%M} UTC in this ledger. Replay "
                    "history on a ledger of its own: pql --ledger sqlite:///replay.db replay …"
                )


def _after_newest(project: Project, lake: duckdb.DuckDBPyConnection, step: timedelta, now: datetime) -> datetime:
    newest = project.lake.newest(lake)
    if newest is None:
        raise UserError("There are no events in the lake yet: run `pql ingest` first.")
    return min(now, newest + step)


def _batches(moments: Sequence[datetime]) -> list[Sequence[datetime]]:
    return [moments[start : start + MOMENTS_A_PASS] for start in range(0, len(moments), MOMENTS_A_PASS)]


def _same(moment: datetime) -> datetime:
    """A clock that stands still: during a replay it is the moment replayed."""
    return moment
