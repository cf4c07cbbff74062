"""The daily-usage query of one need: a table of events in, one row per day, segment, user and hint (and value) out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from pql.definition.model import EventMatch, Where
from pql.usage.needs import Need
from pql.usage.sql import Number, PropertyText

# What the query reads. `raw_id` names the actor, `day` is the local date, `seg` the stretch of the day between
# two intraday moments (0 where there is none); `tail` marks events of the day before the wanted ones, which are
# only looked at to see whether a session was already running at midnight.
EVENTS = sa.table(
    "events",
    sa.column("event_id", sa.Text),
    sa.column("event", sa.Text),
    sa.column("raw_id", sa.Text),
    sa.column("account_hint", sa.Text),
    sa.column("occurred_at", sa.DateTime),
    sa.column("day", sa.Date),
    sa.column("seg", sa.Integer),
    sa.column("tail", sa.Boolean),
    sa.column("properties", sa.Text),
)

SESSION_GAP = timedelta(minutes=30)


def daily_usage(need: Need) -> sa.Select[Any]:
    """Rows of the stored table: match, day, seg, raw_id, account_hint, item, count, value_sum, value_n, first_at,
    last_at, sessions, minutes.

    `value_sum` is an exact decimal, so it does not depend on the order in which threads add up. A session starts
    with an event 30 minutes or more after the user's one before, and is counted where it starts (SEM-M3); its
    minutes are counted at the event that proves them, so that no day knows of minutes after its end (SEM-T2).
    """
    seen = _with_gaps(need) if need.sessions else _plain(need)
    keys = [seen.c.day, seen.c.seg, seen.c.raw_id, seen.c.account_hint, seen.c.item]
    return (
        sa.select(
            sa.literal(need.key, sa.Text).label("match"),
            *keys,
            sa.func.count().label("count"),
            sa.func.sum(seen.c.value).label("value_sum"),
            sa.func.count(seen.c.value).label("value_n"),
            sa.func.min(seen.c.occurred_at).label("first_at"),
            sa.func.max(seen.c.occurred_at).label("last_at"),
            sa.cast(sa.func.sum(seen.c.starts), sa.Integer).label("sessions"),
            (sa.cast(sa.func.sum(seen.c.gap_us), sa.Double) / 60e6).label("minutes"),
        )
        .where(sa.not_(seen.c.tail))
        .group_by(*keys)
    )


def _matched(need: Need) -> list[sa.ColumnElement[Any]]:
    e = EVENTS.c
    item: sa.ColumnElement[Any] = sa.null() if need.item is None else PropertyText(e.properties, need.item)
    return [
        e.day,
        e.seg,
        e.tail,
        e.raw_id,
        e.account_hint,
        e.occurred_at,
        e.event_id,
        sa.cast(item, sa.Text).label("item"),
        _value(need).label("value"),
    ]


def _value(need: Need) -> sa.ColumnElement[Any]:
    fields = {match.value for match in need.matches if match.value is not None}
    if len(need.matches) != 1 or not fields:
        return sa.cast(sa.null(), sa.Numeric(38, 6))
    return Number(PropertyText(EVENTS.c.properties, fields.pop()))


def _plain(need: Need) -> sa.Subquery:
    zero: sa.ColumnClause[int] = sa.literal_column("0")
    columns = [*_matched(need), zero.label("starts"), zero.label("gap_us")]
    return sa.select(*columns).where(matches_any(need.matches)).subquery("matched")


def _with_gaps(need: Need) -> sa.Subquery:
    matched = sa.select(*_matched(need)).where(matches_any(need.matches)).subquery("matched")
    before = sa.func.lag(matched.c.occurred_at).over(
        partition_by=matched.c.raw_id, order_by=[matched.c.occurred_at, matched.c.event_id]
    )
    ordered = sa.select(matched, before.label("before")).subquery("ordered")
    gap = ordered.c.occurred_at - ordered.c.before
    limit: sa.ColumnClause[timedelta] = sa.literal_column(f"INTERVAL '{int(SESSION_GAP.total_seconds())} seconds'")
    joined = sa.and_(ordered.c.before.is_not(None), gap < limit)
    gap_us = sa.cast(sa.func.round(sa.extract("epoch", gap) * 1_000_000), sa.BigInteger)
    return sa.select(
        ordered,
        sa.case((joined, 0), else_=1).label("starts"),
        sa.case((joined, gap_us), else_=0).label("gap_us"),
    ).subquery("cut")


def matches_any(matches: tuple[EventMatch, ...]) -> sa.ColumnElement[bool]:
    """True for the events that any of the matches names and whose conditions hold."""
    return sa.or_(*(_matches(match) for match in matches))


def _matches(match: EventMatch) -> sa.ColumnElement[bool]:
    return sa.and_(EVENTS.c.event.in_(match.events), *(_holds(where) for where in match.where))


def _holds(where: Where) -> sa.ColumnElement[bool]:
    """A condition on a property; on a missing one it is unknown, so neither it nor its negation holds (SEM-M4)."""
    text = PropertyText(EVENTS.c.properties, where.property)
    if where.op == "exists":
        wanted = not where.values or bool(where.values[0])
        return text.is_not(None) if wanted else text.is_(None)
    if where.op == "min":
        return Number(text) >= _number(where)
    if where.op == "max":
        return Number(text) <= _number(where)
    listed = _is_one_of(text, where)
    return listed if where.op == "in" else sa.and_(text.is_not(None), sa.not_(listed))


def _number(where: Where) -> sa.ColumnElement[Any]:
    return sa.literal(float(where.values[0]), sa.Double)


def _is_one_of(text: PropertyText, where: Where) -> sa.ColumnElement[bool]:
    numbers = [float(v) for v in where.values if isinstance(v, int | float) and not isinstance(v, bool)]
    texts = [_spelled(v) for v in where.values if isinstance(v, str | bool)]
    either: list[sa.ColumnElement[bool]] = []
    if texts:
        either.append(sa.func.coalesce(text.in_(texts), sa.false()))
    if numbers:
        as_number = sa.cast(Number(text), sa.Double)
        either.append(sa.func.coalesce(as_number.in_(numbers), sa.false()))
    return sa.or_(*either)


def _spelled(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()
