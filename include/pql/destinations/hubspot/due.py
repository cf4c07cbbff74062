"""When a task is due: words ("1 business day") and a moment in, the due instant out; pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DUE = re.compile(r"(?P<number>\d{1,6}(\.\d+)?)\s*(?P<business>business\s+)?(?P<unit>days?|d|weeks?|w|hours?|h)", re.I)
_MOST_HOURS = 3660 * 24
_HOURS = {"h": 1, "d": 24, "w": 168}
_END_OF_WORK = time(17)  # local; ours
_SATURDAY = 5


def due_at(words: str, now: datetime, timezone: str) -> datetime:
    """The due instant (UTC): days end at 17:00 local; business days skip weekends; ValueError for other words.

    >>> friday = datetime(2026, 3, 6, 14, tzinfo=UTC)
    >>> due_at("1 business day", friday, "UTC").isoformat(), due_at("2 days", friday, "UTC").isoformat()
    ('2026-03-09T17:00:00+00:00', '2026-03-08T17:00:00+00:00')
    >>> due_at("4h", friday, "UTC").isoformat(), due_at("1w", friday, "Europe/Berlin").isoformat()
    ('2026-03-06T18:00:00+00:00', '2026-03-13T16:00:00+00:00')
    """
    found = _DUE.fullmatch(words.strip())
    if found is None:
        raise ValueError(f"due {words!r} cannot be read; write for example `1 business day`, `3 days` or `4h`")
    number, unit = float(found["number"]), found["unit"][0].lower()
    if number * _HOURS[unit] > _MOST_HOURS:
        raise ValueError(f"due {words!r} is more than ten years away")
    if unit == "h" or not number.is_integer():
        return now.astimezone(UTC) + timedelta(hours=number * _HOURS[unit])
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    if found["business"]:
        day = _business_day(today, int(number) * (5 if unit == "w" else 1))
    else:
        day = today + timedelta(days=int(number) * (7 if unit == "w" else 1))
    return datetime.combine(day, _END_OF_WORK, zone).astimezone(UTC)


def _business_day(day: date, ahead: int) -> date:
    for _ in range(ahead):
        day += timedelta(days=1)
        while day.weekday() >= _SATURDAY:
            day += timedelta(days=1)
    return day
