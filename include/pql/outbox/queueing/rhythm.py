"""When a message may reach its reader: an action's options and a moment in, the moment of its digest or hours out.

Times of day are local: to the person a message is for (or mentions) if the settings know his zone, else to the project.
Computed on local dates, so that both changes of the clock a year are borne.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

from pql.settings import Settings
from pql.settings.model import Day
from pql.types import Alert

FOR_HOURS = "waits for working hours"  # how the reason begins
_WEEK = 8  # days to look ahead: a whole week, and today if its moment has passed
_DAYS = get_args(Day)


@dataclass(frozen=True)
class Wait:
    """Until when a message waits, and what for."""

    until: datetime
    why: str


@dataclass(frozen=True)
class Hours:
    """On which weekdays (Monday is 0), from when to when."""

    days: Collection[int]
    opens: time
    closes: time


@dataclass(frozen=True)
class Rhythm:
    """A project's digests and working hours; without any settings a digest comes daily, and all else at once."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    zones: Mapping[str, ZoneInfo] = field(default_factory=dict)  # by e-mail in small letters
    digest_at: time = time(8, 30)
    digest_days: Collection[int] = range(7)
    hours: Hours | None = None
    table_above: int | None = None  # accounts for one lane in one run

    def wait(self, kind: str, options: Mapping[str, Any], alert: Alert, now: datetime) -> Wait | None:
        """What a new message waits for, None if it may go at once; only Slack messages wait for anything."""
        if kind != "slack" or options.get("how") != "digest":
            return self.opening(kind, options, alert, now)
        zone = self._zone(_person(options.get("dm"), alert))
        at = next_at(now, self.digest_days, self.digest_at, zone)
        return Wait(at, f"waits for the digest of {_said(at, zone)}")

    def opening(self, kind: str, options: Mapping[str, Any], alert: Alert, now: datetime) -> Wait | None:
        """The beginning of its reader's working hours, None if they are on or it need not wait for them."""
        if kind != "slack" or self.hours is None or options.get("hours") == "any":
            return None
        person = _person(options.get("dm"), alert) or _person(options.get("mention"), alert)
        zone = self._zone(person)
        local = now.astimezone(zone)
        if local.weekday() in self.hours.days and self.hours.opens <= local.time() < self.hours.closes:
            return None
        at = next_at(now, self.hours.days, self.hours.opens, zone)
        return Wait(at, f"{FOR_HOURS}{f' of {person}' if person else ''}: {_said(at, zone)}")

    def _zone(self, person: str) -> ZoneInfo:
        return self.zones.get(person.lower(), self.zone)


def rhythm(settings: Settings) -> Rhythm:
    """The rhythm these settings ask for."""
    work = settings.working_hours
    zones = work.time_zones if work else {}
    return Rhythm(
        zone=ZoneInfo(settings.timezone),
        zones={person.lower(): ZoneInfo(name) for person, name in zones.items()},
        digest_at=time.fromisoformat(settings.digest_at),
        digest_days=_numbers(settings.digest_days),
        hours=Hours(_numbers(work.days), time.fromisoformat(work.opens), time.fromisoformat(work.closes))
        if work
        else None,
        table_above=settings.table_above,
    )


def next_at(now: datetime, days: Collection[int], at: time, zone: ZoneInfo) -> datetime:
    """The first moment after `now` (UTC) at which a clock in the zone shows that time on one of those weekdays.

    A time that a clock skips in spring is the moment it would have been; of one it shows twice in autumn the first.

    >>> berlin, friday = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 27, 12, tzinfo=UTC)
    >>> next_at(friday, range(5), time(8, 30), berlin).isoformat()  # the clocks change on Sunday
    '2026-03-30T06:30:00+00:00'
    """
    today = now.astimezone(zone).date()
    for ahead in range(_WEEK):
        day = today + timedelta(days=ahead)
        moment = datetime.combine(day, at, zone).astimezone(UTC)
        if day.weekday() in days and moment > now:
            return moment
    raise ValueError("no weekday is given")


def _person(named: object, alert: Alert) -> str:
    """The e-mail of whom an option names, "" if nobody."""
    return alert.owner_email if named == "owner" else str(named or "")


def _numbers(days: Collection[Day]) -> frozenset[int]:
    return frozenset(_DAYS.index(day) for day in days)


def _said(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"
