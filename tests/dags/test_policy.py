"""What every DAG of the project must be: documented, owned, retried, tagged, told about, on pools that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from pql.orchestration import notices
from pql.orchestration.defaults import POOLS
from pql.orchestration.storm_words import APPROVE, DIGEST, KEEP, REJECT
from pql.pipeline.project import ROOT

DAGS = ROOT / "dags"
NAMES = {"hourly_signals", "nightly_scores", "deliver", "approve_storm", "deliveries_by_hand"}
ASKING = "approve_storm"  # waits for people: as many at once as there are questions, nothing to map over


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(dag_folder=str(DAGS))


def test_all_files_parse(bag: DagBag) -> None:
    """Every DAG file is read without an error, and they hold exactly these DAGs."""
    assert bag.import_errors == {}
    assert set(bag.dags) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
class TestEveryDag:
    def test_documented(self, bag: DagBag, name: str) -> None:
        """Its page says when it runs, what it reads and writes, what happens on failure, whether a rerun is safe."""
        text = bag.dags[name].doc_md or ""
        for word in ("Schedule**", "Reads**", "Writes**", "On failure**", "Safe to rerun"):
            assert f"\n- **{word}" in text  # a list: lines of one paragraph would run together

    def test_owned_tagged_and_one_run_at_a_time(self, bag: DagBag, name: str) -> None:
        """It has an owner, tags, a start date, a time-out, and never two runs at once by schedule."""
        dag: DAG = bag.dags[name]
        assert dag.owner == "revops"
        assert "pql" in dag.tags
        assert dag.start_date is not None
        assert dag.dagrun_timeout is not None
        assert dag.max_active_runs == (100 if name == ASKING else 1)

    def test_tasks_retry_and_tell(self, bag: DagBag, name: str) -> None:
        """Every task is tried again, has a time limit, and tells ops when it fails for good."""
        for task in bag.dags[name].tasks:
            assert task.retries >= 1, task.task_id
            assert task.execution_timeout is not None, task.task_id
            callbacks = task.on_failure_callback
            assert notices.task_failed in (callbacks if isinstance(callbacks, list) else [callbacks]), task.task_id

    def test_a_run_that_takes_too_long_is_told(self, bag: DagBag, name: str) -> None:
        """When Airflow ends a run no task fails, so the DAG itself tells ops; Airflow keeps that it does."""
        dag: DAG = bag.dags[name]
        callbacks = dag.on_failure_callback
        assert notices.run_failed in (callbacks if isinstance(callbacks, list) else [callbacks])
        assert DagSerialization.to_dict(dag)["dag"]["has_on_failure_callback"] is True

    def test_pools_exist(self, bag: DagBag, name: str) -> None:
        """A task on a pool that nobody creates would wait for ever."""
        assert {task.pool for task in bag.dags[name].tasks} <= {*POOLS, "default_pool"}

    def test_mapped_tasks_have_names(self, bag: DagBag, name: str) -> None:
        """Mapped tasks are labelled in the UI by what they work on, not by a number."""
        mapped = [task for task in bag.dags[name].tasks if task.is_mapped]
        assert bool(mapped) is (name not in (ASKING, "deliveries_by_hand"))
        assert all(task.map_index_template for task in mapped)

    def test_wiring_only(self, bag: DagBag, name: str) -> None:
        """A DAG file is wiring one can read in a minute, and imports no other DAG file."""
        source = Path(bag.dags[name].fileloc).read_text()
        assert len(source.splitlines()) <= 80
        imported = {
            node.module.split(".")[0]
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.ImportFrom) and node.module
        }
        assert imported <= {"__future__", "datetime", "airflow", "pql"}


def test_history_never_reaches_a_person(bag: DagBag) -> None:
    """`deliver` is closed to backfills, and open to the clock, the outbox and a person."""
    assert {kind.value for kind in bag.dags["deliver"].allowed_run_types or []} == {
        "scheduled",
        "asset_triggered",
        "manual",
    }


def test_only_a_stopped_run_or_a_person_asks(bag: DagBag) -> None:
    """The question is closed to backfills, has no schedule, and is not paused: a stopped run never waits unseen."""
    dag = bag.dags[ASKING]
    assert {kind.value for kind in dag.allowed_run_types or []} == {"operator_triggered", "manual"}
    assert type(dag.timetable).__name__ == "NullTimetable"
    assert dag.is_paused_upon_creation is False


@pytest.mark.parametrize("name", ["hourly_signals", "nightly_scores"])
def test_a_stopped_run_asks_in_a_dag_of_its_own(bag: DagBag, name: str) -> None:
    """The run that was stopped ends; it would be in the way of the next one while a person thinks."""
    task = bag.dags[name].get_task("ask_about_storm")
    assert task.upstream_task_ids == {"decide"}
    assert (task.trigger_dag_id, task.wait_for_completion) == (ASKING, False)


def test_without_an_answer_everything_stays_held(bag: DagBag) -> None:
    """The question has a time-out, and what counts then is the answer that changes nothing."""
    ask = bag.dags[ASKING].get_task("ask")
    assert (ask.defaults, ask.options) == ([KEEP], [APPROVE, DIGEST, REJECT, KEEP])
    assert ask.response_timeout is not None


def test_an_outage_costs_nights_and_one_hour(bag: DagBag) -> None:
    """Nights are caught up; hours are not, since the newest finds everybody the missed ones would have found."""
    assert {name: bag.dags[name].catchup for name in NAMES} == {
        "nightly_scores": True,
        "hourly_signals": False,
        "deliver": False,
        "approve_storm": False,
        "deliveries_by_hand": False,
    }


def test_what_is_done_by_hand_is_done_by_a_person(bag: DagBag) -> None:
    """The form has no schedule, is closed to backfills, and shows before it does: a click alone changes nothing."""
    dag = bag.dags["deliveries_by_hand"]
    assert [kind.value for kind in dag.allowed_run_types or []] == ["manual"]
    assert type(dag.timetable).__name__ == "NullTimetable"
    assert (dag.params["dry_run"], dag.is_paused_upon_creation) == (True, False)


def test_a_night_ends_by_reading_its_receipts_back(bag: DagBag) -> None:
    """PRODUCT-A5: after the night has decided, and before ops are told; an hour asks nobody."""
    task = bag.dags["nightly_scores"].get_task("reconcile")
    assert (task.upstream_task_ids, task.downstream_task_ids) == ({"decide"}, {"tell_ops"})
    assert not bag.dags["hourly_signals"].has_task("reconcile")


def test_a_night_ends_with_pruning(bag: DagBag) -> None:
    """SEM-T5: raw events go after the night has decided; an hour removes nothing."""
    assert bag.dags["nightly_scores"].get_task("prune").upstream_task_ids == {"decide"}
    assert not bag.dags["hourly_signals"].has_task("prune")


@pytest.mark.parametrize("name", ["hourly_signals", "nightly_scores"])
def test_runs_cover_intervals(bag: DagBag, name: str) -> None:
    """A run's moment is the end of its data interval, so the timetable must have intervals of some length."""
    assert "DataInterval" in type(bag.dags[name].timetable).__name__
