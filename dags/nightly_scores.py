"""
### Every source again, everybody scored, every night

- **Schedule** midnight in the project's time zone; the run's moment (*as of*) is the end of its data interval.
- **Reads** each source with its lookback (late events), the whole CRM.
- **Writes** the lake (events, CRM snapshot, nightly score snapshot) and, in one transaction, the ledger (episodes,
  occurrences, deliveries). At the end a live run removes what is older than the settings keep, and reads back from
  Slack and HubSpot what stands there: what differs from the ledger is kept and ops are told (`pql reconcile`).
- **Tells the world** nothing: the `deliver` DAG does, from the outbox.
- **On failure**, or when a run takes too long, ops are told once; the next night looks at everybody again, so nothing
  is lost.
- **Safe to rerun or backfill?** Yes. A run older than the horizon (`horizon_hours`) decides nothing: it writes its
  snapshot and reports who *would have been* announced. A rerun inside the horizon finds the episodes already open and
  does nothing.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import CronDataIntervalTimetable, dag

from pql.orchestration import notices
from pql.orchestration.defaults import AS_OF, DEFAULT_ARGS, nightly_catchup, start_date
from pql.orchestration.signal_tasks import signals_flow


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone=os.environ.get("PQL_TIMEZONE", "UTC")),
    start_date=start_date("NIGHTLY", "2026-01-01"),
    catchup=nightly_catchup(),
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args=DEFAULT_ARGS,
    on_failure_callback=notices.run_failed,
    params={"as_of": AS_OF},
    tags=["pql", "nightly", "scores"],
    doc_md=__doc__,
)
def nightly_scores() -> None:
    signals_flow("nightly")


nightly_scores()
