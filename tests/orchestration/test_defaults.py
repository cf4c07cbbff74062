"""What the DAGs read from the environment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pql.orchestration import defaults


@pytest.mark.parametrize(
    ("written", "start"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T06:00:00", datetime(2026, 3, 1, 6, tzinfo=UTC)),
        ("2026-03-01T06:00:00Z", datetime(2026, 3, 1, 6, tzinfo=UTC)),
        ("2026-03-01T06:00:00+02:00", datetime(2026, 3, 1, 4, tzinfo=UTC)),
        ("", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_start_is_the_instant_that_was_written(
    monkeypatch: pytest.MonkeyPatch, written: str, start: datetime
) -> None:
    """SEM-T1: an offset counts; without one it is UTC."""
    monkeypatch.setenv("PQL_HOURLY_START", written)
    found = defaults.start_date("HOURLY", "2026-01-01")
    assert (found, found.utcoffset()) == (start, start.utcoffset())


def test_nights_are_caught_up_and_hours_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a week's outage seven nights are run and one hour, unless the environment says otherwise."""
    monkeypatch.delenv("PQL_CATCHUP", raising=False)
    monkeypatch.delenv("PQL_HOURLY_CATCHUP", raising=False)
    assert (defaults.nightly_catchup(), defaults.hourly_catchup()) == (True, False)
    monkeypatch.setenv("PQL_CATCHUP", "false")
    monkeypatch.setenv("PQL_HOURLY_CATCHUP", "true")
    assert (defaults.nightly_catchup(), defaults.hourly_catchup()) == (False, True)
