"""
### Too many at once, or a source far from its usual: a person is asked before anything is sent

- **Schedule** none. A deciding run that was stopped starts it, with its own number as the only parameter (`run`); it
  does not wait for the answer. Start it by hand to be asked again. Each stopped run has its own question; closed to
  backfills.
- **Reads** what the ledger holds of that run, to show it under *Required Actions*: how many accounts, why, where it
  would go, the hottest ten.
- **Writes** the answer into the ledger, with who and why: approve (all become due), digest (one message a channel) or
  reject (all are suppressed). Without an answer within `storm_answer_hours` (24) everything stays held, and can
  still be answered on the page or with `pql storms`.
- **On failure** ops are told once; everything stays held.
- **Safe to rerun?** Yes. The first answer counts, wherever it was given; a later one changes nothing. Answered
  elsewhere, the question ends by itself within the hour.
"""

from __future__ import annotations

from airflow.sdk import dag

from pql.orchestration import notices
from pql.orchestration.defaults import DEFAULT_ARGS, start_date
from pql.orchestration.storm_tasks import LONGEST_ANSWER, RUN, approve_storm_flow


@dag(
    schedule=None,
    start_date=start_date("DELIVER", "2026-01-01"),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=100,
    dagrun_timeout=LONGEST_ANSWER,
    allowed_run_types=["operator_triggered", "manual"],
    default_args=DEFAULT_ARGS,
    on_failure_callback=notices.run_failed,
    params={"run": RUN},
    tags=["pql", "outbox", "storm"],
    doc_md=__doc__,
)
def approve_storm() -> None:
    approve_storm_flow()


approve_storm()
