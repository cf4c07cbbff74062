"""
### From the outbox to Slack, the CRM and webhooks

- **Schedule** whenever a run put something into the outbox, and every 5 minutes (retries, reconciliation). One run at a
  time; it drains for at most 10 minutes. Closed to backfills: history must never reach a person.
- **Reads** the ledger's deliveries that are due; checks exclusions, owner, blocks and deals again before each one.
- **Writes** receipts, reasons and next attempts into the ledger.
- **On failure** a delivery that fails never fails its neighbours: it goes back with a time, or ends as dead with a
  reason (`pql deliveries`). If the run itself fails ops are told once and the next run goes on.
- **Safe to rerun?** Yes. Each delivery is claimed with a lease; what may already have been sent is looked up at the
  destination before anything is sent again.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag

from pql.orchestration import notices
from pql.orchestration.assets import OUTBOX
from pql.orchestration.defaults import DEFAULT_ARGS, start_date
from pql.orchestration.deliver_tasks import deliver_flow


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("*/5 * * * *", timezone="UTC"), assets=[OUTBOX]),
    start_date=start_date("DELIVER", "2026-01-01"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    allowed_run_types=["scheduled", "asset_triggered", "manual"],
    default_args=DEFAULT_ARGS,
    on_failure_callback=notices.run_failed,
    tags=["pql", "outbox"],
    doc_md=__doc__,
)
def deliver() -> None:
    deliver_flow()


deliver()
