"""What ops fear, in a real Airflow, judged by the sandbox's log: a quarter backfilled again, a scheduler that dies.

Both take many minutes: they run with `PQL_CHAOS=1`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, select
from tests.airflow.conftest import DATA, EXAMPLE
from tests.airflow.november import told

from pql import outbox, pipeline, store
from pql.connections import from_environment
from pql.orchestration.local_airflow import LocalAirflow
from pql.pipeline.project import opened
from pql.sandbox import Server, connections
from pql.settings import Paths
from pql.store.tables import deliveries

DECEMBER = datetime(2018, 12, 1, tzinfo=UTC)
DAYS = 90
RUN_BEFORE = 5  # of these days: the backfill reprocesses them

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(3600),
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the sparkify data is not at {DATA}"),
    pytest.mark.skipif(not os.environ.get("PQL_CHAOS"), reason="takes many minutes: PQL_CHAOS=1"),
]


@pytest.fixture
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalAirflow, Server]]:
    """An Airflow of its own whose sales were told of sparkify's qualified users once, and the sandbox they live in."""
    home = tmp_path_factory.mktemp("quarter")
    with Server(home / "sandbox") as sandbox:
        environment = {
            "PQL_HOME": str(EXAMPLE),
            "PQL_LAKE": str(home / "lake"),
            "PQL_LEDGER": f"sqlite:///{home / 'ledger.db'}",
            "PQL_CATCHUP": "false",
            "PQL_NIGHTLY_START": "2018-09-01",
            **connections(sandbox.url),
        }
        with LocalAirflow(home=home / "airflow", environment=environment) as airflow:
            airflow.wait_for_dags("nightly_scores", "deliver")
            _release_everybody(airflow)
            yield airflow, sandbox


def _release_everybody(airflow: LocalAirflow) -> None:
    paths = Paths(
        settings=EXAMPLE / "settings.yaml",
        definitions=EXAMPLE,
        lake=airflow.environment["PQL_LAKE"],
        ledger=airflow.environment["PQL_LEDGER"],
    )
    with opened(paths, from_environment(airflow.environment)) as project:
        pipeline.run(project, "nightly", as_of=DECEMBER, now=DECEMBER)
        with store.writing(project.engine) as connection:
            outbox.release_silent(connection, now=DECEMBER, top=1000)


def _states(airflow: LocalAirflow) -> Counter[str]:
    engine = create_engine(airflow.environment["PQL_LEDGER"])
    with engine.connect() as connection:
        found = Counter(connection.execute(select(deliveries.c.state)).scalars())
    engine.dispose()
    return found


def _wait_until(true: Callable[[], bool], seconds: float) -> float:
    """Wait until it is true and return how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.2)
    return time.monotonic() - began


def _finished(airflow: LocalAirflow) -> bool:
    return set(_states(airflow)) <= {"delivered", "suppressed", "dead"}


def _backfilled(airflow: LocalAirflow) -> bool:
    """Whether Airflow holds all backfills of the nights to be over; before, it takes no other."""
    found = airflow.call("GET", "/backfills?dag_id=nightly_scores")["backfills"]
    return all(each["completed_at"] for each in found)


def _effects(sandbox: Server) -> list[str]:
    """The delivery keys of everything a person or a receiver got, one for each time."""
    return [str(effect["key"]) for effect in sandbox.effects() if effect["kind"] in ("slack", "crm_task", "webhook")]


def test_ninety_days_backfilled_again_change_nothing(quarter: tuple[LocalAirflow, Server]) -> None:
    """By the API, nights that ran before reprocessed: a snapshot each, not one effect, the ledger's rows as before."""
    airflow, sandbox = quarter
    airflow.unpause("deliver")
    _wait_until(lambda: _finished(airflow), 300)
    first = DECEMBER - timedelta(days=DAYS)
    until: Callable[[int], str] = lambda days: f"{first + timedelta(days=days - 1):%Y-%m-%dT%H:%M:%SZ}"  # noqa: E731
    airflow.backfill("nightly_scores", until(1), until(RUN_BEFORE), reprocess="none")
    airflow.unpause("nightly_scores")
    airflow.wait_for_runs("nightly_scores", RUN_BEFORE, 600)
    _wait_until(lambda: _backfilled(airflow), 120)  # Airflow notes that some time after the last run
    airflow.pause("nightly_scores")
    before = told(airflow, sandbox)
    assert len(before.effects) > 10
    began = time.monotonic()
    airflow.backfill("nightly_scores", until(1), until(DAYS), reprocess="completed")
    airflow.unpause("nightly_scores")
    runs = airflow.wait_for_runs("nightly_scores", DAYS, 3000)
    print(f"{DAYS} nights, {RUN_BEFORE} of them again, in {time.monotonic() - began:.0f} s")
    nights = [run for run in runs if run["run_type"] == "backfill"]
    assert [run["state"] for run in nights] == ["success"] * DAYS
    _wait_until(lambda: _finished(airflow), 60)
    assert told(airflow, sandbox) == before


def test_the_scheduler_dies_in_the_middle_of_a_fan_out(quarter: tuple[LocalAirflow, Server]) -> None:
    """Killed with its tasks while messages go out and started again: all arrive, none twice."""
    airflow, sandbox = quarter
    airflow.unpause("deliver")
    _wait_until(lambda: len(_effects(sandbox)) >= 10, 300)
    airflow.kill("scheduler")
    assert not _finished(airflow)
    airflow.start("scheduler")
    took = _wait_until(lambda: _finished(airflow), 1800)
    print(f"everything delivered {took:.0f} s after the scheduler was started again")
    sent = Counter(_effects(sandbox))
    assert set(sent.values()) == {1}
    assert len(sent) == _states(airflow)["delivered"] > 20
