"""Runs, baselines and sources: what is remembered between runs, and how wide the storm cap is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from pql import store
from pql.store import ops, runs, sources
from pql.types import IngestReport

NOW = datetime(2026, 3, 20, 1, tzinfo=UTC)
T = datetime(2026, 3, 20, tzinfo=UTC)


def _run(engine: Engine, now: datetime, announced: int, held: int = 0) -> None:
    with store.deciding(engine) as conn:
        run_id = runs.start_run(conn, kind="nightly", as_of=now, now=now, live=True)
        runs.finish_run(conn, run_id, announced=announced, held=held, summary={"read": 3})


def _cap(engine: Engine) -> int:
    with store.reading(engine) as conn:
        return runs.storm_cap(conn, NOW, floor=50, factor=3)


def test_a_quiet_ledger_may_announce_the_floor(ledger: Engine) -> None:
    """Without a busy run in 14 days a run may announce 50."""
    assert _cap(ledger) == 50


def test_the_cap_is_three_times_the_busiest_run_of_two_weeks(ledger: Engine) -> None:
    """The cap grows with the busiest run of the last 14 days; older runs and held ones do not widen it."""
    _run(ledger, NOW - timedelta(days=15), 500)
    _run(ledger, NOW - timedelta(days=13), 30)
    _run(ledger, NOW - timedelta(days=2), 0, held=900)
    assert _cap(ledger) == 90


def test_the_newest_run_is_listed_first(ledger: Engine) -> None:
    """Runs are listed with what they came to."""
    _run(ledger, NOW - timedelta(hours=1), 1)
    _run(ledger, NOW, 2)
    with store.reading(ledger) as conn:
        newest, older = runs.latest_runs(conn)
    assert (newest.decided_at, newest.announced, newest.summary) == (NOW, 2, {"read": 3})
    assert older.announced == 1


def test_the_first_baseline_stands(ledger: Engine) -> None:
    """SEM-D3 a: a definition has one baseline, its first run over everybody."""
    with store.writing(ledger) as conn:
        runs.set_baseline(conn, "d", as_of=T, run_id=None)
        runs.set_baseline(conn, "d", as_of=T + timedelta(days=1), run_id=None)
        assert runs.read_baselines(conn) == {"d": T}


def test_a_version_is_remembered_once(ledger: Engine) -> None:
    """SEM-Q5: seeing the same rules_hash again is nothing new."""
    with store.writing(ledger) as conn:
        runs.record_version(conn, "d", "hash", now=NOW, title="D")
        runs.record_version(conn, "d", "hash", now=NOW, title="D, renamed")


def _report(complete_to: datetime | None) -> IngestReport:
    return IngestReport("product", read=5, published=4, quarantined=1, complete_to=complete_to)


def test_redoing_an_old_hour_does_not_make_a_source_less_complete(ledger: Engine) -> None:
    """A source's `complete_to` never goes back."""
    with store.writing(ledger) as conn:
        sources.record_read(conn, _report(T), cursor={"at": 2}, read_at=NOW)
        sources.record_read(conn, _report(T - timedelta(hours=5)), cursor={"at": 2}, read_at=NOW)
        assert sources.status(conn)["product"].complete_to == T
        assert sources.cursor(conn, "product") == {"at": 2}


def test_a_failed_read_keeps_what_earlier_reads_reached(ledger: Engine) -> None:
    """A failure is written beside the last good read; the next good one clears it."""
    with store.writing(ledger) as conn:
        sources.record_read(conn, _report(T), cursor=7, read_at=NOW)
        sources.record_failure(conn, "product", "401 from mixpanel_default")
        failed = sources.status(conn)["product"]
        assert (failed.complete_to, failed.cursor, failed.error) == (T, 7, "401 from mixpanel_default")
        sources.record_read(conn, _report(T), cursor=8, read_at=NOW)
        assert sources.status(conn)["product"].error is None


@pytest.mark.parametrize(("complete_to", "complete"), [(T, True), (None, True), (T - timedelta(seconds=1), False)])
def test_absence_means_something_only_when_sources_are_complete(
    ledger: Engine, complete_to: datetime | None, complete: bool
) -> None:
    """SEM-D2: sources are complete to T when each reached it; one that cannot tell counts once it was read."""
    with store.writing(ledger) as conn:
        sources.record_read(conn, _report(complete_to), cursor=None, read_at=NOW)
        assert sources.complete(conn, ["product"], T) is complete


def test_a_source_never_read_is_not_complete(ledger: Engine) -> None:
    """SEM-D2: nothing is concluded from the silence of a source that was never read, or never successfully."""
    with store.writing(ledger) as conn:
        assert not sources.complete(conn, ["product"], T)
        sources.record_failure(conn, "product", "unreachable")
        assert not sources.complete(conn, ["product"], T)


def test_ops_are_told_of_each_change_once(ledger: Engine) -> None:
    """A failure is news once, and so is the recovery."""
    states: list[ops.State] = ["ok", "failed", "failed", "ok", "ok"]
    news = []
    with store.writing(ledger) as conn:
        for state in states:
            news.append(ops.note_state(conn, "dag:x", state, NOW))
            ops.mark_told(conn, "dag:x", state, NOW)
    assert news == [False, True, False, True, False]


def test_what_ops_could_not_be_told_stays_news(ledger: Engine) -> None:
    """A change is news until it was told, also when the thing changes on in the meantime."""
    states: list[ops.State] = ["failed", "failed", "ok", "ok"]
    news = []
    with store.writing(ledger) as conn:
        for state in states:
            news.append(ops.note_state(conn, "dag:x", state, NOW))
            ops.not_told(conn, "dag:x", state)
    assert news == [True] * 4


def test_while_one_tells_the_others_do_not(ledger: Engine) -> None:
    """Of two who find out one tells; if he is not heard of for a minute, the next one does."""

    def noted(state: ops.State, after: int) -> bool:
        with store.writing(ledger) as conn:
            return ops.note_state(conn, "dag:x", state, NOW + timedelta(seconds=after))

    assert [noted("failed", after) for after in (0, 1, 59, 60)] == [True, False, False, True]
    assert noted("ok", 61)  # another thing to tell: nobody is telling that
    with store.writing(ledger) as conn:
        ops.mark_told(conn, "dag:x", "failed", NOW)  # the first one comes back late: it told what is no more
    assert noted("ok", 200)
