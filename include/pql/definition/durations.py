"""A duration as people write it ("7d", "2w", "48h") in, days out."""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(hours?|h|days?|d|weeks?|w)", re.IGNORECASE)
_DAYS_PER_UNIT = {"h": 1 / 24, "d": 1.0, "w": 7.0}
MAX_DAYS = 3660  # ten years: more than any history that is kept


def days(text: str) -> float | None:
    """The duration in days; None if `text` is not one, or longer than ten years.

    >>> days("7d"), days("2 weeks"), days("48h"), days("seven days")
    (7.0, 14.0, 2.0, None)
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        return None
    amount = float(match[1]) * _DAYS_PER_UNIT[match[2][0].lower()]
    return amount if amount <= MAX_DAYS else None


def whole_days(text: str) -> int | None:
    """The duration in whole days, at least one; None if it is not that.

    >>> whole_days("48h"), whole_days("36h"), whole_days("0d")
    (2, None, None)
    """
    amount = days(text)
    if amount is None or amount < 1 or abs(amount - round(amount)) > 1e-9:
        return None
    return round(amount)
