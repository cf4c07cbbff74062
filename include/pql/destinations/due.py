"""When a task is due: words ("1 business day") and a moment in, the due instant out; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DUE = re.compile(r"(?P<number>\d{1,3})\s*(?P<business>business|working)?\s*(?P<unit>days?|d|weeks?|w|hours?|h)")
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
    found = _DUE.fullmatch(words.strip().lower())
    if found is None:
        raise ValueError(f"due {words!r} cannot be read; write for example `1 business day`, `3 days` or `4h`")
    number, unit = int(found["number"]), found["unit"][0]
    if unit == "h":
        return now.astimezone(UTC) + timedelta(hours=number)
    zone = ZoneInfo(timezone)
    day = now.astimezone(zone).date()
    if found["business"]:
        for _ in range(number * (5 if unit == "w" else 1)):
            day += timedelta(days=1)
            while day.weekday() >= _SATURDAY:
                day += timedelta(days=1)
    else:
        day += timedelta(days=number * (7 if unit == "w" else 1))
    return datetime.combine(day, _END_OF_WORK, zone).astimezone(UTC)
