"""Which runs Airflow's scheduler makes of the DAGs' schedules, by its own reckoning."""

from __future__ import annotations

from datetime import timedelta

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from pql.orchestration.runtime import now
from pql.pipeline.project import ROOT

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("away", [HOUR, timedelta(days=7)])
def test_the_first_hour_after_an_outage_is_the_newest_full_one(away: timedelta) -> None:
    """However long nobody was there, or just since the demo's start an hour ago: one hour is run, the last full one."""
    dag = DagSerialization.from_dict(
        DagSerialization.to_dict(DagBag(dag_folder=str(ROOT / "dags" / "hourly_signals.py")).dags["hourly_signals"])
    )
    hour = pendulum.instance(now()).start_of("hour")
    restriction = TimeRestriction(earliest=hour - away, latest=None, catchup=dag.catchup)
    found = dag.timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert found is not None
    assert found.data_interval.end in (hour, hour + HOUR)  # the clock may pass an hour meanwhile
    assert found.data_interval.end - found.data_interval.start == HOUR
    assert found.run_after == found.data_interval.end
