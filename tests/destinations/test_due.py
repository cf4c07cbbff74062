"""Due dates: what an action asks for in words, as the instant in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pql.destinations.hubspot.due import due_at

FRIDAY = datetime(2026, 3, 6, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize("words", ["", "soon", "-1 day", "1 month", "99999 days", "999999 business days", "1 day ago"])
def test_due_dates_that_are_none(words: str) -> None:
    """Other words, and dates beyond ten years, are refused instead of guessed."""
    with pytest.raises(ValueError, match="due"):
        due_at(words, FRIDAY, "UTC")


@pytest.mark.parametrize(
    ("words", "now", "due"),
    [
        ("1 business day", "2026-03-05T12:00", "2026-03-06T16:00"),  # Thursday → Friday 17:00 in Berlin
        ("1 business day", "2026-03-07T12:00", "2026-03-09T16:00"),  # Saturday → Monday
        ("3 business days", "2026-03-06T12:00", "2026-03-11T16:00"),
        ("1 business day", "2026-03-26T12:00", "2026-03-27T16:00"),
        ("2 days", "2026-03-27T12:00", "2026-03-29T15:00"),  # summer time began that morning
        ("1w", "2026-03-06T12:00", "2026-03-13T16:00"),
        ("2 weeks", "2026-03-06T12:00", "2026-03-20T16:00"),
        ("1.5d", "2026-03-06T12:00", "2026-03-08T00:00"),
        ("48h", "2026-03-06T12:00", "2026-03-08T12:00"),
        ("0 days", "2026-03-06T23:30", "2026-03-07T16:00"),  # already Saturday in Berlin
    ],
)
def test_due_dates(words: str, now: str, due: str) -> None:
    """SEM-T1: due dates count local days of the project's time zone and end with its working day."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert due_at(words, moment, "Europe/Berlin") == datetime.fromisoformat(due).replace(tzinfo=UTC)
