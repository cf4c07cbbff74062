"""
### Who did something in the last hour, and does it make anybody a lead?

- **Schedule** every full hour; the run's moment (*as of*) is the end of its data interval. Hours missed while Airflow
  was down are not run one by one: the newest finds everybody (`PQL_HOURLY_CATCHUP`).
- **Reads** the newest events and CRM changes, and all accounts marked dirty in the ledger (not only this hour's).
- **Writes** the lake (events, CRM changes, hourly score snapshot of those accounts) and, in one transaction, the
  ledger.
- **Tells the world** nothing: the `deliver` DAG does, from the outbox.
- **On failure**, or when a run takes too long, ops are told once; the marks stay, so the next hour looks at the same
  accounts.
- **Safe to rerun or backfill?** Yes. Detection is level-triggered: a rerun finds the episode already open and does
  nothing; a run older than the horizon (`horizon_hours`) decides nothing and reports who would have been announced.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronDataIntervalTimetable, dag

from pql.orchestration import notices
from pql.orchestration.defaults import AS_OF, DEFAULT_ARGS, hourly_catchup, start_date
from pql.orchestration.signal_tasks import signals_flow


@dag(
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=start_date("HOURLY", "2026-01-01"),
    catchup=hourly_catchup(),
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    on_failure_callback=notices.run_failed,
    params={"as_of": AS_OF},
    tags=["pql", "hourly", "signals"],
    doc_md=__doc__,
)
def hourly_signals() -> None:
    signals_flow("hourly")


hourly_signals()
