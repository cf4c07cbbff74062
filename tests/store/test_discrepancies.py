"""What a reconciliation found is kept once, cleared where somebody could look, and told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from pql import store
from pql.store import discrepancies
from pql.store.discrepancies import Finding, Recorded

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HERE = frozenset({("slack", "C1")})


def gone(number: int, what: Any = "missing", *, at: datetime = NOW, place: str = "C1") -> Finding:
    return Finding(what, f"pql-{number}", "slack", place, None, at, "is not there any more")


def record(ledger: Engine, *found: Finding, now: datetime = NOW, back: timedelta = 2 * DAY, **more: Any) -> Recorded:
    ways = {"read": HERE, "since": now - back, "oldest": now - 2 * DAY, "now": now, **more}
    with store.deciding(ledger) as conn:
        return discrepancies.record(conn, found, **ways)


def numbers(ledger: Engine) -> list[str]:
    with store.reading(ledger) as conn:
        return [each.finding.about for each in discrepancies.list_open(conn)]


def test_a_finding_is_kept_once_and_newest_first(ledger: Engine) -> None:
    """The same found again is the same row; a place too long for its column is cut."""
    assert record(ledger, gone(1)) == Recorded(new=1, cleared=0, open=1)
    assert record(ledger, gone(1), gone(2, place="x" * 400)) == Recorded(new=1, cleared=0, open=2)
    assert numbers(ledger) == ["pql-2", "pql-1"]


def test_it_is_cleared_only_where_somebody_looked(ledger: Engine) -> None:
    """Another place, no place, or a shorter look back clear nothing."""
    record(ledger, gone(1, at=NOW - 20 * DAY / 24))
    assert record(ledger, read=frozenset({("slack", "C2")})).cleared == 0
    assert record(ledger, read=frozenset()).cleared == 0
    assert record(ledger, back=DAY / 24).cleared == 0
    assert record(ledger).cleared == 1
    assert numbers(ledger) == []


def test_what_was_cleared_can_be_found_again(ledger: Engine) -> None:
    """A new row: it is news again."""
    record(ledger, gone(1))
    record(ledger)
    assert record(ledger, gone(1)) == Recorded(new=1, cleared=0, open=1)


def test_what_is_overdue_is_cleared_by_the_ledger_alone(ledger: Engine) -> None:
    """Nobody need be asked whether it went out; however old it is, it stays until it has."""
    record(ledger, gone(1, "overdue", at=NOW - 9 * DAY))
    assert record(ledger, gone(1, "overdue", at=NOW - 9 * DAY)).open == 1
    assert record(ledger, read=frozenset()).cleared == 1


@pytest.mark.parametrize(("later", "told"), [(DAY, 1), (3 * DAY, 0)], ids=["in order again", "aged"])
def test_what_ages_is_told_to_nobody(ledger: Engine, later: timedelta, told: int) -> None:
    """In order again is news; older than one looks is none."""
    record(ledger, gone(1))
    with store.writing(ledger) as conn:
        discrepancies.mark_told(conn, discrepancies.take_untold(conn, NOW), NOW)
    assert record(ledger, now=NOW + later).cleared == 1
    with store.writing(ledger) as conn:
        assert len(discrepancies.take_untold(conn, NOW + later)) == told


def test_of_two_who_tell_one_does(ledger: Engine) -> None:
    """What one has taken to tell the other does not get, until a minute has passed or the first could not."""
    record(ledger, gone(1))

    def taken(after: timedelta = timedelta(0)) -> int:
        with store.writing(ledger) as conn:
            return len(discrepancies.take_untold(conn, NOW + after))

    assert (taken(), taken(), taken(timedelta(seconds=61))) == (1, 0, 1)
    with store.writing(ledger) as conn:
        discrepancies.not_told(conn, discrepancies.take_untold(conn, NOW + timedelta(minutes=5)))
    assert taken(timedelta(minutes=5)) == 1
