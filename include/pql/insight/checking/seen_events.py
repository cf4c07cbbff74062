"""Which named events the data really holds: definitions and the lake in, events and conditions that never match out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import sqlalchemy as sa

from pql.definition.model import Definition, EventMatch, NamedEvent
from pql.located_yaml import did_you_mean
from pql.pipeline.project import Project
from pql.usage import EVENTS, compile_for_duckdb, needs_of, value_need
from pql.usage.query import matches_any
from pql.usage.sql import PropertyText

RECENT_DAYS = 30
_EXAMPLES = 5

Found = tuple[str, str, str]  # (place, message, hint)


@dataclass(frozen=True)
class Usage:
    """What daily usage knows of one match: when it was last there, how often it had a number, how often an item."""

    last_at: datetime
    values: int
    items: int


@dataclass(frozen=True)
class Seen:
    """What the lake holds: usage by match, and the source's own event names of the last 30 days by their number."""

    newest: datetime
    newest_day: date
    usage: Mapping[str, Usage]
    names: Mapping[str, int]


def look(
    project: Project, lake: duckdb.DuckDBPyConnection, definitions: Sequence[Definition], newest: datetime
) -> Seen:
    """Prepare the lake for these definitions and read what is in it; leaves the view `events` of the last 30 days."""
    needs = sorted({need for definition in definitions for need in needs_of(definition)}, key=lambda need: need.key)
    project.lake.prepare(lake, needs)
    rows = lake.execute("SELECT match, max(last_at), sum(value_n), count(item) FROM usage GROUP BY match").fetchall()
    usage = {match: Usage(at.replace(tzinfo=UTC), int(values or 0), items) for match, at, values, items in rows}
    newest_day = newest.astimezone(ZoneInfo(project.settings.timezone)).date()
    project.lake.show_recent(lake, newest_day - timedelta(days=RECENT_DAYS - 1))
    names = lake.execute("SELECT event, count(*) FROM events GROUP BY event ORDER BY count(*) DESC, event").fetchall()
    return Seen(newest, newest_day, usage, dict(names))


def unseen(project: Project, lake: duckdb.DuckDBPyConnection, definition: Definition, seen: Seen) -> Iterator[Found]:
    """(place, message, hint) for every event the definition measures that the last 30 days do not hold as it says."""
    measured = {name for signal in definition.signals for name in signal.events if not signal.any_event}
    for event in definition.events:
        if event.name not in measured:
            continue
        known = seen.usage.get(event.match.key)
        if known is None or known.last_at <= seen.newest - timedelta(days=RECENT_DAYS):
            yield _place(definition, event), *_silent(lake, event, seen, known)
        else:
            yield from _without_values(definition, event, seen)


def _place(definition: Definition, event: NamedEvent) -> str:
    """Where it is declared; for one of the shared vocabulary where it is first measured."""
    if definition.has_line(f"events.{event.name}"):
        return f"events.{event.name}"
    first = next(s for s in definition.signals if event.name in s.events and not s.any_event)
    return f"signals.{first.name}"


def _silent(lake: duckdb.DuckDBPyConnection, event: NamedEvent, seen: Seen, known: Usage | None) -> tuple[str, str]:
    """(message, hint) about an event without a match in the last 30 days."""
    told = f"event `{event.name}`"
    when = "never seen" if known is None else f"last seen on {known.last_at:%Y-%m-%d}"
    span = f"the last {RECENT_DAYS} days of the data (up to {seen.newest_day})"
    there = [name for name in event.match.events if name in seen.names]
    if there and event.match.where:
        named = " or ".join(f"`{name}`" for name in there)
        condition, hint = _failing(lake, event.match)
        return f"{told}: {condition} never holds for {named} in {span}: {when}", hint
    named = ", ".join(f"`{name}`" for name in event.match.events)
    near = (did_you_mean(name, seen.names, list_all=False) for name in event.match.events)
    hint = next((each for each in near if each), "seen there: " + ", ".join(f"`{n}`" for n in list(seen.names)[:8]))
    return f"{told} ({named}) is not in {span}: {when}", hint


def _failing(lake: duckdb.DuckDBPyConnection, match: EventMatch) -> tuple[str, str]:
    """Which condition it is that never holds, and the values its property really has."""
    for where in match.where:
        if not _count(lake, EventMatch(match.events, (where,))):
            values = _values(lake, match.events, where.property)
            shown = ", ".join(f"`{value}`" for value in values)
            hint = f"`{where.property}` is {shown}" if values else f"none of them has a property `{where.property}`"
            return f"the condition on `{where.property}`", hint
    return "all of its conditions together", ""


def _count(lake: duckdb.DuckDBPyConnection, match: EventMatch) -> int:
    query = sa.select(sa.func.count()).select_from(EVENTS).where(matches_any((match,)))
    found = lake.execute(*compile_for_duckdb(query)).fetchone()
    assert found is not None
    return int(found[0])


def _values(lake: duckdb.DuckDBPyConnection, names: Sequence[str], name: str) -> list[str]:
    """The most frequent values of the property."""
    value = PropertyText(EVENTS.c.properties, name)
    query = (
        sa.select(value.label("value"))
        .where(EVENTS.c.event.in_(names), value.is_not(None))
        .group_by(sa.text("1"))
        .order_by(sa.func.count().desc(), sa.text("1"))
        .limit(_EXAMPLES)
    )
    return [str(row[0]) for row in lake.execute(*compile_for_duckdb(query)).fetchall()]


def _without_values(definition: Definition, event: NamedEvent, seen: Seen) -> Iterator[Found]:
    """Events that are there, but not with the property that is summed, averaged or counted apart."""
    for signal in definition.signals:
        if event.name not in signal.events:
            continue
        place = f"signals.{signal.name}"
        if signal.measure in ("sum", "average") and not seen.usage[event.match.key].values:
            message = (
                f"`{signal.name}` adds up `{event.match.value}` of `{event.name}`, but none of them has a number there"
            )
            yield place, message, "check the property's name"
        if signal.property is not None and not seen.usage[value_need(event.match, signal.property).key].items:
            message = f"`{signal.name}` counts `{signal.property}` of `{event.name}`, but none of them has it"
            yield place, message, "check the property's name"
