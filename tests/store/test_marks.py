"""Dirty marks: nothing that happened is cleared before a run has looked at it (SEM-D1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from pql import store
from pql.store import marks

T = datetime(2026, 3, 2, 14, tzinfo=UTC)
BEFORE = T - timedelta(minutes=10)


def _keys(engine: Engine, definition: str = "d") -> list[str]:
    with store.reading(engine) as conn:
        return [each.fact_key for each in marks.read(conn, definition)]


def _mark(engine: Engine, *facts: tuple[str, datetime], definitions: tuple[str, ...] = ("d",)) -> int:
    with store.writing(engine) as conn:
        return marks.mark(conn, definitions, facts)


def _clear(engine: Engine, *keys: str, seq: int, as_of: datetime = T) -> tuple[str, ...]:
    with store.writing(engine) as conn:
        return marks.clear(conn, "d", keys, seq_at_start=seq, as_of=as_of)


def test_what_was_evaluated_is_cleared(ledger: Engine) -> None:
    """SEM-D1: a mark that was there before reading began, covered by T, of a decided subject, is cleared."""
    seq = _mark(ledger, ("user:a", BEFORE))
    assert _clear(ledger, "user:a", seq=seq) == ("user:a",)
    assert _keys(ledger) == []


def test_a_mark_that_came_while_the_run_was_reading_stays(ledger: Engine) -> None:
    """SEM-D1: what was marked after the evaluation began reading is left for the next run."""
    seq = _mark(ledger, ("user:a", BEFORE))
    _mark(ledger, ("user:b", BEFORE))
    assert _clear(ledger, "user:a", "user:b", seq=seq) == ("user:a",)
    assert _keys(ledger) == ["user:b"]


def test_a_mark_renewed_while_the_run_was_reading_stays(ledger: Engine) -> None:
    """SEM-D1: a fact marked a second time after reading began is not cleared by what was read before."""
    seq = _mark(ledger, ("user:a", BEFORE))
    _mark(ledger, ("user:a", BEFORE))
    assert _clear(ledger, "user:a", seq=seq) == ()
    assert _keys(ledger) == ["user:a"]


@pytest.mark.parametrize(
    ("fact_key", "newest", "cleared"),
    [
        ("user:a", T - timedelta(microseconds=1), True),
        ("user:a", T, False),
        ("user:a", T + timedelta(hours=1), False),
        ("company:1", T, True),
        ("contact:1", T, True),
        ("company:1", T + timedelta(seconds=1), False),
        ("anon:contact:1", T, False),
    ],
)
def test_facts_that_t_does_not_cover_stay(ledger: Engine, fact_key: str, newest: datetime, cleared: bool) -> None:
    """SEM-D1, SEM-T2, SEM-C1: T covers events before it, and what the CRM filed at it."""
    seq = _mark(ledger, (fact_key, newest))
    _clear(ledger, fact_key, seq=seq)
    assert (_keys(ledger) == []) is cleared


def test_an_older_fact_marked_later_does_not_hide_the_newer(ledger: Engine) -> None:
    """SEM-D1: a mark keeps the instant of its newest fact, in whatever order facts come."""
    _mark(ledger, ("user:a", T + timedelta(hours=1)))
    seq = _mark(ledger, ("user:a", BEFORE), ("user:a", BEFORE - timedelta(days=1)))
    assert _clear(ledger, "user:a", seq=seq) == ()
    assert _clear(ledger, "user:a", seq=seq, as_of=T + timedelta(hours=2)) == ("user:a",)


def test_subjects_the_run_did_not_decide_keep_their_marks(ledger: Engine) -> None:
    """SEM-D1: only marks of the subjects that were decided are cleared."""
    seq = _mark(ledger, ("user:a", BEFORE), ("user:b", BEFORE))
    _clear(ledger, "user:b", seq=seq)
    assert _keys(ledger) == ["user:a"]


def test_each_definition_clears_only_its_own_marks(ledger: Engine) -> None:
    """SEM-D1: one definition's evaluation leaves the marks of the others."""
    seq = _mark(ledger, ("user:a", BEFORE), definitions=("d", "e"))
    _clear(ledger, "user:a", seq=seq)
    assert _keys(ledger, "d") == []
    assert _keys(ledger, "e") == ["user:a"]


def test_marking_nothing_leaves_the_number_as_it_was(ledger: Engine) -> None:
    """A read that brought nothing makes no marks."""
    seq = _mark(ledger, ("user:a", BEFORE))
    assert _mark(ledger) == seq
    with store.reading(ledger) as conn:
        assert marks.current_seq(conn) == seq
