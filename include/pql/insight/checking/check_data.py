"""Definitions and the data there is in, what the data says against them out: events and thresholds nobody meets.

The last word of `pql check`. Nothing here is an error: the data may simply not have come yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
from sqlalchemy import select

from pql import store
from pql.definition.lint import REVIEW_DAYS
from pql.definition.model import Definition, Problem
from pql.insight.checking.reach import unreached
from pql.insight.checking.seen_events import Seen, look, unseen
from pql.pipeline.moments import local_midnight
from pql.pipeline.project import Project
from pql.pipeline.unusable import quarantine
from pql.store.instants import to_aware
from pql.store.tables import definitions as versions


@dataclass(frozen=True)
class Looked:
    """Warnings by line, and what was looked at."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def check_data(project: Project, definitions: Sequence[Definition], *, now: datetime) -> Looked:
    """Warnings about events, conditions, thresholds and windows that the data does not bear out, and their grounds.

    `notes` say up to which moment the data reaches and where history starts, or that there is none to look at.
    """
    problems = list(_untouched(project, definitions, now))
    with closing(project.lake.connect()) as lake:
        newest, start = project.lake.newest(lake), project.lake.history_start(lake)
        if newest is None or start is None:
            return Looked(
                tuple(problems), (f"history: nothing is loaded yet ({_why_empty(project)}); data: not looked at",)
            )
        seen = look(project, lake, definitions, newest)
        for definition in definitions:
            problems += _about(project, lake, definition, seen, start, now)
    reached = f"data: looked at, up to {newest.astimezone(project.zone):%Y-%m-%d %H:%M}"
    return Looked(tuple(sorted(problems, key=lambda p: (p.path, p.line))), (f"history: from {start}", reached))


def _why_empty(project: Project) -> str:
    unusable = sorted(project.lake.first_quarantined())
    if not unusable:
        return "run `pql ingest`"
    return f"nothing that was read could be used; see {', '.join(quarantine(project, source) for source in unusable)}"


def _about(
    project: Project, lake: duckdb.DuckDBPyConnection, definition: Definition, seen: Seen, start: date, now: datetime
) -> Iterator[Problem]:
    silent = list(unseen(project, lake, definition, seen))
    yield from (warning(definition, place, message, hint) for place, message, hint in silent)
    yield from _before_history(definition, start, seen.newest_day)
    day_end = local_midnight(seen.newest, project.zone, -1)  # data may be old: then nothing is recent as of now
    for place, message in unreached(project, lake, definition, min(now, day_end)):
        yield warning(definition, place, message)


def warning(definition: Definition, place: str, message: str, hint: str = "") -> Problem:
    """A warning at the line of that place."""
    return Problem(definition.path, definition.line(place), message, hint, "warning")


def _before_history(definition: Definition, start: date, today: date) -> Iterator[Problem]:
    """SEM-T5: a window that reaches before the loaded history is flagged."""
    for signal in definition.signals:
        if signal.window.kind != "last" or signal.window.days is None:
            continue
        reach = signal.window.days * (2 if signal.measure == "change" else 1)
        have = (today - start).days + 1
        if reach > have:
            twice = " (twice, to compare)" if signal.measure == "change" else ""
            message = (
                f"`{signal.name}` looks back {signal.window.days} days{twice}, but history starts on {start}: "
                f"{have} days are loaded"
            )
            yield warning(definition, f"signals.{signal.name}", message, "load more history, or shorten the window")


def _untouched(project: Project, definitions: Iterable[Definition], now: datetime) -> Iterator[Problem]:
    """PRODUCT-D6: rules that have been live for more than a quarter, and nobody wrote down a review."""
    with store.reading(project.engine) as connection:
        found = connection.execute(select(versions.c.definition, versions.c.rules_hash, versions.c.first_seen_at))
        since = {(row.definition, row.rules_hash): to_aware(row.first_seen_at) for row in found}
    for definition in definitions:
        first = since.get((definition.id, definition.rules_hash))
        if definition.status != "live" or definition.reviewed is not None or first is None:
            continue
        if (now - first).days > REVIEW_DAYS:
            message = f"its rules have not been touched since {first:%Y-%m-%d}, more than a quarter ago"
            hint = f"look at it again and write `reviewed: {now:%Y-%m-%d}`"
            yield warning(definition, "definition", message, hint)
