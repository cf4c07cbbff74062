"""
### Retry or suppress deliveries, from a form

- **Schedule** none: a person starts it (*Trigger*), says what to do with which deliveries, by numbers or by state, and
  first looks (*Only show* is on): the log of `act` lists those it would be.
- **Reads** the ledger's deliveries.
- **Writes** retry: dead, suppressed and waiting ones are due again, and the `deliver` DAG is woken; what may have
  arrived is looked for before anything is sent a second time. Suppress: stopped for good, with the reason and the
  name of who started the run. What is on its way or over is left alone. The same as `pql deliveries retry` and
  `suppress`.
- **On failure** ops are told once; nothing is changed by halves.
- **Safe to rerun?** Yes. What is due already, or suppressed, is no second time; by state it means those that are in
  that state by then.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from pql.orchestration import notices
from pql.orchestration.by_hand_tasks import PARAMS, by_hand_flow
from pql.orchestration.defaults import DEFAULT_ARGS, start_date


@dag(
    schedule=None,
    start_date=start_date("DELIVER", "2026-01-01"),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    allowed_run_types=["manual"],
    default_args=DEFAULT_ARGS,
    on_failure_callback=notices.run_failed,
    params=PARAMS,
    tags=["pql", "outbox", "by hand"],
    doc_md=__doc__,
)
def deliveries_by_hand() -> None:
    by_hand_flow()


deliveries_by_hand()
