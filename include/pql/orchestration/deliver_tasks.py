"""The tasks that `deliver` is wired from: what is due → batches by destination → one report."""

from __future__ import annotations

from typing import Any

from airflow.sdk import result, task

from pql.orchestration.defaults import POOL_OUTBOX


def deliver_flow() -> None:
    """Wire one run: tasks are mapped over batches of one destination each, never over accounts."""
    report(send.expand(batch=due()))


@task
def due() -> list[dict[str, Any]]:
    """Batches of due deliveries: destination and ids."""
    from pql import pipeline
    from pql.orchestration.runtime import now, project

    with project() as opened:
        pipeline.check_clock(opened, now=now())
        return pipeline.due(opened, now=now())


@task(pool=POOL_OUTBOX, map_index_template="{{ batch_name }}")
def send(batch: dict[str, Any]) -> dict[str, Any]:
    """One batch: each delivery checked again, marked, sent, its receipt kept."""
    from pql import pipeline
    from pql.orchestration.runtime import label, now, project

    label(batch_name=f"{batch['destination']} ({len(batch['ids'])})")
    with project() as opened:
        return pipeline.deliver(opened, only=batch["ids"], clock=now)


@result
@task(trigger_rule="none_failed")
def report(batches: list[dict[str, Any]] | None) -> dict[str, int]:
    """How many deliveries ended in which state; ops are told what has changed."""
    from pql.orchestration import metrics, notices

    total: dict[str, int] = {}
    for batch in batches or []:
        for state, number in batch["states"].items():
            total[state] = total.get(state, 0) + number
    notices.run_succeeded()
    notices.watch()
    metrics.of_deliveries(batches or [])
    return total
