"""How long a delivery waits before it is tried again, and when it is given up; spread out, yet always the same."""

from __future__ import annotations

import hashlib
from datetime import timedelta

RETRY_AFTER = (
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
)
LAST_ATTEMPT = len(RETRY_AFTER) + 1  # in which something may be sent
SPREAD = 0.25  # a wait is up to this share longer, so that rows which failed together do not return together
THROTTLED_FOR_AT_MOST = timedelta(days=3)
LONGEST_TOLD = timedelta(days=1)
_LONGEST_UNCHECKED = timedelta(minutes=30)
_SHORTEST = timedelta(seconds=1)


def wait_after(key: str, attempt: int) -> timedelta | None:
    """Return the wait after failed attempt number `attempt` (from 1), None if that was the last.

    The spread comes from the delivery's key, so a rerun computes the same wait.

    >>> RETRY_AFTER[0] <= wait_after("pql-1", 1) < RETRY_AFTER[0] * 1.25
    True
    >>> wait_after("pql-1", 7) is None
    True
    """
    if attempt > len(RETRY_AFTER):
        return None
    return _spread(RETRY_AFTER[attempt - 1], key, attempt)


def is_over(attempt: int) -> bool:
    """Tell whether attempt number `attempt` comes after the last in which something may be sent.

    >>> is_over(7), is_over(8)
    (False, True)
    """
    return attempt > LAST_ATTEMPT


def wait_as_told(key: str, attempt: int, retry_after_s: float) -> timedelta:
    """Return the wait a destination asked for (`Retry-After`): at least a second, at most a day, else as it asked.

    Daily quotas exist; a slip of the vendor's that says years delays nothing for years.

    >>> [str(wait_as_told("pql-1", 1, s).total_seconds() // 60) for s in (0, 300, 999_999_999)]
    ['0.0', '5.0', '1440.0']
    """
    return min(max(_SHORTEST, _spread(timedelta(seconds=min(retry_after_s, 86_400)), key, attempt)), LONGEST_TOLD)


def wait_unchecked(age: timedelta, retry_after_s: float | None) -> timedelta:
    """Return how long to leave a delivery alone that could not be rechecked, by how long it has been waiting.

    As long again as it has waited, within half a minute and half an hour, and never shorter than the CRM asked.

    >>> [str(wait_unchecked(timedelta(minutes=m), None)) for m in (0, 7, 600)]
    ['0:00:30', '0:07:00', '0:30:00']
    >>> str(wait_unchecked(timedelta(0), 3600))
    '1:00:00'
    """
    return max(timedelta(seconds=retry_after_s or 0), min(max(age, RETRY_AFTER[0]), _LONGEST_UNCHECKED))


def _spread(wait: timedelta, key: str, attempt: int) -> timedelta:
    digest = hashlib.sha256(f"{key}/{attempt}".encode()).digest()
    return wait * (1 + SPREAD * int.from_bytes(digest[:4]) / 2**32)
