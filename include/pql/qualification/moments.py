"""Which other moments a decision at T looks at."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pql.definition.model import Definition, Trigger

DEFAULT_DAYS = 7  # how long "quiet", "stuck" and a change of score look back when the play does not say


def score_span_days(on: Trigger) -> int | None:
    """How far apart the two scores are that the trigger compares; None for triggers without."""
    return (on.in_days or DEFAULT_DAYS) if on.kind in ("score_up", "score_down") else None


def days_before(as_of: datetime, days: float, timezone: str = "UTC") -> datetime:
    """The instant whose local wall clock reads `days` earlier, as UTC; a local midnight stays one (SEM-T1).

    >>> from datetime import UTC
    >>> days_before(datetime(2026, 3, 31, 22, tzinfo=UTC), 7, "Europe/Berlin").isoformat()
    '2026-03-24T23:00:00+00:00'
    """
    zone, utc = ZoneInfo(timezone), ZoneInfo("UTC")
    wall = as_of.astimezone(zone).replace(tzinfo=None) - timedelta(days=days)
    return wall.replace(tzinfo=zone).astimezone(utc).replace(tzinfo=as_of.tzinfo)


def period_before(as_of: datetime, period: timedelta, timezone: str = "UTC") -> datetime:
    """One period before: whole days step along the local calendar (the night before is midnight too), hours do not.

    >>> from datetime import UTC
    >>> midnight = datetime(2026, 3, 29, 22, tzinfo=UTC)  # in Berlin; the day just ended had 23 hours
    >>> period_before(midnight, timedelta(days=1), "Europe/Berlin").isoformat()
    '2026-03-28T23:00:00+00:00'
    """
    whole_days = not period % timedelta(days=1)
    return days_before(as_of, period / timedelta(days=1), timezone) if whole_days else as_of - period


def moments_needed(
    definition: Definition, as_of: datetime, period: timedelta | None = None, *, timezone: str = "UTC"
) -> tuple[datetime, ...]:
    """Every moment to compute for a run at `as_of`, ascending.

    T; T − stale (SEM-D3 b, D4); for score plays each of these minus their span; T − one period (SEM-D6), if one is
    given: only the report of a run looks at it, no decision does.
    """
    then = days_before(as_of, definition.stale_after_days, timezone)
    spans = {score_span_days(play.on) for play in definition.plays} - {None}
    earlier = {days_before(moment, span, timezone) for moment in (as_of, then) for span in spans if span is not None}
    before = set() if period is None else {period_before(as_of, period, timezone)}
    return tuple(sorted({as_of, then} | before | earlier))
