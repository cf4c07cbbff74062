"""The edge where the sandbox reads a clock: nothing in, the present instant out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the sandbox plays the outside world, which has a clock of its own


def fixed_clock(at: datetime) -> Callable[[], datetime]:
    """A clock that stands still."""
    return lambda: at
