"""Ops hear of each change once, and of none less than once."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, update

from pql import store
from pql.orchestration import notices
from pql.outbox.by_hand import storm
from pql.store import runs, sources
from pql.store.tables import deliveries
from pql.types import Connection, IngestReport

SETTINGS = """
ops_channel: '#pql-ops'
sources:
  product: {kind: mixpanel, late_after_hours: 3}
destinations:
  slack: {kind: slack}
"""
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def slack(
    tmp_path: Path, migrated_sqlite: Path, loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bool], None]:
    """A project with an ops channel; call it to let Slack accept notices, or refuse them."""
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    monkeypatch.setenv("PQL_HOME", str(tmp_path))
    monkeypatch.setenv("PQL_LEDGER", f"sqlite:///{tmp_path / 'ledger.db'}")
    connection = Connection("slack_default", host=loopback.url, password="xoxb-x")
    monkeypatch.setattr("pql.orchestration.runtime.connection", lambda _id: connection)
    monkeypatch.setattr(notices, "get_current_context", lambda: {"dag": SimpleNamespace(dag_id="hourly_signals")})

    def accept(yes: bool) -> None:
        said = {"ok": True, "channel": "C1", "ts": "1.1"} if yes else {"ok": False, "error": "internal_error"}
        loopback.script = lambda _seen: loopback.answer(said)

    accept(True)
    at(monkeypatch, NOW)
    return accept


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """What the clock says."""
    monkeypatch.setattr("pql.orchestration.runtime.now", lambda: now)


def in_ledger(tmp_path: Path, what: Callable[[Any], Any]) -> None:
    """Something in one transaction of the ledger."""
    engine = store.connect(f"sqlite:///{tmp_path / 'ledger.db'}")
    with store.writing(engine) as connection:
        what(connection)
    engine.dispose()


def read(tmp_path: Path, at: datetime, *, read: int = 100, quarantined: int = 0) -> None:
    """The source was read at that moment, up to that moment."""
    report = IngestReport("product", read, read - quarantined, quarantined, at)
    in_ledger(tmp_path, lambda conn: sources.record_read(conn, report, cursor={}, read_at=at))


def queue(tmp_path: Path, state: str, reason: str = "") -> None:
    """A delivery in that state."""
    naive = NOW.replace(tzinfo=None)
    row: dict[str, Any] = {"destination": "slack", "kind": "slack", "lane": "slack:#x", "options": {}, "alert": {}}
    row |= {"key": f"k-{state}-{reason}", "account_key": "org:1", "subject_key": "org:1", "state": state}
    row |= {"created_at": naive, "not_before": naive, "finished_at": naive, "reason": reason}
    in_ledger(tmp_path, lambda conn: conn.execute(insert(deliveries).values(row)))


def task_failed(task: str = "decide", **mapped: Any) -> None:
    instance = SimpleNamespace(dag_id="hourly_signals", task_id=task, run_id="r1", **mapped)
    notices.task_failed({"task_instance": instance, "exception": RuntimeError("no disk")})


def run_timed_out() -> None:
    dag = SimpleNamespace(dag_id="hourly_signals", dagrun_timeout=timedelta(hours=2))
    notices.run_failed({"dag": dag, "run_id": "r1", "reason": "timed_out"})


def told(loopback: Any) -> list[str]:
    return [seen.body["text"].splitlines()[0] for seen in loopback.asked("/chat.postMessage")]


def test_each_change_is_told_once(slack: Callable[[bool], None], loopback: Any) -> None:
    """A failing task, its run and the next failure are one notice; that it works again is another."""
    task_failed()
    run_timed_out()
    task_failed()
    notices.run_succeeded()
    notices.run_succeeded()
    assert told(loopback) == [
        ":rotating_light: `hourly_signals` failed in task `decide` (run `r1`): no disk",
        ":white_check_mark: `hourly_signals` works again.",
    ]


def test_a_run_that_took_too_long_is_told(slack: Callable[[bool], None], loopback: Any) -> None:
    """No task fails when Airflow ends a run: the DAG says it."""
    run_timed_out()
    assert told(loopback) == [":rotating_light: `hourly_signals` failed (run `r1`): it was not done within 2:00:00"]


def test_what_slack_did_not_take_is_told_the_next_time(slack: Callable[[bool], None], loopback: Any) -> None:
    """A notice that was refused is not lost: the next report of the same state tells it."""
    slack(False)
    task_failed()
    slack(True)
    before = len(told(loopback))
    task_failed()
    task_failed()
    assert len(told(loopback)) - before == 1


def test_the_ledger_is_free_while_slack_takes_its_time(
    slack: Callable[[bool], None], loopback: Any, tmp_path: Path
) -> None:
    """Nobody waits for a notice: while Slack is asked, others write, and who finds the same out tells nothing."""
    answer = loopback.script
    free: list[bool] = []

    def slow(seen: Any) -> Any:
        ledger = sqlite3.connect(tmp_path / "ledger.db", timeout=0, isolation_level=None)
        ledger.execute("BEGIN IMMEDIATE")  # "database is locked" if it is
        ledger.close()
        free.append(True)
        if len(free) == 1:
            task_failed("ingest")
        return answer(seen)

    loopback.script = slow
    task_failed()
    assert (len(told(loopback)), free) == (1, [True])


def test_a_failure_nobody_could_be_told_of_is_not_forgotten(slack: Callable[[bool], None], loopback: Any) -> None:
    """Slack was away with everything else: ops hear at least that it works again."""
    slack(False)
    task_failed()
    slack(True)
    notices.run_succeeded()
    assert told(loopback)[-1] == ":white_check_mark: `hourly_signals` works again."


def test_of_mapped_tasks_that_fail_together_one_is_told_by_its_name(
    slack: Callable[[bool], None], loopback: Any
) -> None:
    """Two sources fail in one run: ops read one notice, which names the source as the UI does."""
    task_failed("ingest", map_index=1, rendered_map_index="product")
    task_failed("ingest", map_index=0, rendered_map_index="crm")
    assert told(loopback) == [":rotating_light: `hourly_signals` failed in task `ingest` [product] (run `r1`): no disk"]


def test_a_late_source_is_told_once_and_its_recovery_once(
    slack: Callable[[bool], None], loopback: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PRODUCT-O: not complete for longer than its setting is one notice, however often one looks; so is the end."""
    read(tmp_path, NOW - 3 * HOUR)
    notices.watch()
    assert told(loopback) == []
    at(monkeypatch, NOW + HOUR / 2)
    in_ledger(tmp_path, lambda conn: sources.record_failure(conn, "product", "Mixpanel answered 503"))
    notices.watch()
    notices.watch()
    at(monkeypatch, NOW + HOUR)
    notices.watch()
    assert told(loopback) == [
        ":hourglass_flowing_sand: `product` is late: complete to 2026-03-02 09:00 UTC, 3.5 h ago (late after 3 h). "
        "Its last read failed: Mixpanel answered 503"
    ]
    read(tmp_path, NOW + HOUR)
    notices.watch()
    notices.watch()
    assert told(loopback)[1:] == [":white_check_mark: `product` is up to date again: complete to 2026-03-02 13:00 UTC."]


def test_lateness_that_slack_did_not_take_is_told_the_next_time(
    slack: Callable[[bool], None], loopback: Any, tmp_path: Path
) -> None:
    """A refused notice is tried again when the state is looked at again."""
    read(tmp_path, NOW - 5 * HOUR)
    slack(False)
    notices.watch()
    slack(True)
    before = len(told(loopback))
    notices.watch()
    notices.watch()
    assert len(told(loopback)) - before == 1


def test_a_share_of_unusable_records_is_told(slack: Callable[[bool], None], loopback: Any, tmp_path: Path) -> None:
    """More than `quarantine_pct` of the last read in quarantine is one notice, a clean read the next."""
    read(tmp_path, NOW, quarantined=5)
    notices.watch()
    assert told(loopback) == []
    read(tmp_path, NOW, quarantined=6)
    notices.watch()
    notices.watch()
    read(tmp_path, NOW)
    notices.watch()
    assert [line.split(". ")[0] for line in told(loopback)] == [
        ":warning: `product`: 6 of 100 records (6.0 %) of its last read could not be used (told above 5 %)",
        ":white_check_mark: `product` can be read again: 0 of 100 records (0.0 %) unusable.",
    ]


def test_deliveries_given_up_are_told_once_for_their_destination(
    slack: Callable[[bool], None], loopback: Any, tmp_path: Path
) -> None:
    """The first dead delivery of a destination is one notice, further ones are none; none left is the recovery."""
    notices.watch()
    queue(tmp_path, "dead", "channel_not_found")
    notices.watch()
    queue(tmp_path, "dead", "is_archived")
    notices.watch()
    in_ledger(tmp_path, lambda conn: conn.execute(update(deliveries).values(state="suppressed")))
    notices.watch()
    assert told(loopback) == [
        ":warning: `slack`: 1 given up, the newest (delivery 1) because: channel_not_found",
        ":white_check_mark: `slack`: no delivery of the last 7 days is given up any more.",
    ]


def stop(tmp_path: Path, key: str) -> None:
    """A run is stopped with one delivery."""
    queue(tmp_path, "held", key)

    def run(conn: Any) -> None:
        run_id = runs.start_run(conn, kind="hourly", as_of=NOW, now=NOW, live=True)
        runs.finish_run(conn, run_id, announced=0, held=1, summary={"held": 1, "held_because": [f"too many {key}"]})
        conn.execute(update(deliveries).where(deliveries.c.run_id.is_(None)).values(run_id=run_id))

    in_ledger(tmp_path, run)


def test_every_storm_is_told_once_and_so_is_its_answer(
    slack: Callable[[bool], None], loopback: Any, tmp_path: Path
) -> None:
    """PRODUCT-A6: each stopped run is one notice with its reason; who answered it, and how, is the next."""
    stop(tmp_path, "1")
    notices.watch()
    notices.watch()
    stop(tmp_path, "2")
    notices.watch()
    said = {"who": "dana", "why": "a launch", "origin": "cli", "now": NOW}
    in_ledger(tmp_path, lambda conn: storm.approve(conn, 1, **said))
    notices.watch()
    in_ledger(tmp_path, lambda conn: conn.execute(update(deliveries).values(state="suppressed")))
    notices.watch()
    notices.watch()
    assert told(loopback) == [
        ":raised_hand: Run 1 was stopped before anything was sent: too many 1.",
        ":raised_hand: Run 2 was stopped before anything was sent: too many 2.",
        ":white_check_mark: Run 1 was approved by dana, deliveries: 1. Why: a launch",
        ":white_check_mark: Run 2: nothing of it is held any more.",
    ]


def test_what_nobody_can_tell_asks_a_person_once(slack: Callable[[bool], None], loopback: Any, tmp_path: Path) -> None:
    """PRODUCT-A5: a delivery of which nobody knows whether it arrived is told of by its id, once."""
    queue(tmp_path, "ambiguous", "1")
    notices.watch()
    in_ledger(tmp_path, lambda conn: conn.execute(update(deliveries).values(attempt=8)))
    notices.watch()
    notices.watch()
    in_ledger(tmp_path, lambda conn: conn.execute(update(deliveries).values(state="delivered")))
    notices.watch()
    assert [line.split("; ")[0] for line in told(loopback)] == [
        ":grey_question: Nobody can tell whether deliveries 1 arrived",
        ":white_check_mark: Of every delivery it is known whether it arrived.",
    ]


def test_a_drop_in_volume_is_told_by_the_run_that_sees_it(slack: Callable[[bool], None], loopback: Any) -> None:
    """PRODUCT-S5: a live run's drops are told once and so is their end; a run of the past tells nothing."""
    fresh = {"source": "product", "late": False, "age_s": 60}
    usual: dict[str, Any] = {"live": True, "sources": [fresh], "drops": {}, "surges": {}}
    low = {**usual, "drops": {"product": "product brought 3 events instead of 100"}}
    high = {**usual, "surges": {"product": "product brought 3000 events instead of 100"}}
    notices.watch({**low, "live": False})
    assert told(loopback) == []
    notices.watch(low)
    notices.watch(low)
    notices.watch()
    notices.watch(usual)
    notices.watch(high)
    notices.watch(high)
    assert [line.split(":")[1] for line in told(loopback)] == [
        "chart_with_downwards_trend",
        "white_check_mark",
        "chart_with_upwards_trend",
    ]


@pytest.mark.parametrize(
    "stopped", [{"late": True, "age_s": 4 * 3600}, {"late": False, "age_s": 86_400}, {"late": False, "age_s": None}]
)
def test_a_source_that_brings_little_and_then_nothing_is_not_well_again(
    slack: Callable[[bool], None], loopback: Any, stopped: dict[str, Any]
) -> None:
    """Once it has stopped there is no drop to be seen any more; ops are not told that it brings as much as usual."""
    fresh = {"source": "product", "late": False, "age_s": 60}
    notices.watch({"live": True, "sources": [fresh], "drops": {"product": "product brought 3 events"}, "surges": {}})
    notices.watch({"live": True, "sources": [fresh | stopped], "drops": {}, "surges": {}})
    assert [line.split(":")[1] for line in told(loopback)] == ["chart_with_downwards_trend"]


def test_a_definition_with_errors_is_told_and_that_it_has_none_any_more(
    slack: Callable[[bool], None], loopback: Any, tmp_path: Path
) -> None:
    """Runs go on without it and stay green, so nothing else would say it: once with its first error, once when over."""
    file = tmp_path / "definitions" / "habit.yaml"
    file.parent.mkdir()
    file.write_text("definition: habit\ncritera: {}\n")
    notices.watch()
    notices.watch()
    file.unlink()
    notices.watch()
    notices.watch()
    failed, over = told(loopback)
    assert failed.startswith(":warning: `habit.yaml` has errors, so what it defines is left out of every run: /")
    assert f"{file}:" in failed
    assert over == ":white_check_mark: `habit.yaml` has no errors any more."
