"""The edge where the sandbox reads a clock: nothing in, the present instant out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def fixed_clock(at: datetime) -> Callable[[], datetime]:
    """A clock that stands still."""
    return lambda: at
