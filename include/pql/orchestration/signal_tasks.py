"""The tasks that `hourly_signals` and `nightly_scores` are wired from: ingest → evaluate → decide → wake the outbox.

A night then prunes and reads its receipts back; either ends by telling ops what has changed.

Everything heavy is imported inside the tasks: a DAG file must parse in a moment.
"""

from __future__ import annotations

from typing import Any, Literal

from airflow.sdk import result, task

from pql.orchestration.assets import CRM, EVENTS, OUTBOX, SCORES
from pql.orchestration.defaults import POOL_COMPUTE, POOL_OUTBOX, POOL_SOURCES
from pql.orchestration.start_approval import StartApproval

Kind = Literal["hourly", "nightly"]


def signals_flow(kind: Kind) -> None:
    """Wire one run: each source is read, each definition evaluated, then all are decided in one transaction.

    If the run was stopped as a storm, a person is asked by a DAG of its own, so that the next run need not wait. A
    night then lets go of what is old enough. When all went well ops are told what has changed.
    """
    reports = ingest.partial(kind=kind).expand(source=sources())
    evaluations = evaluate.partial(kind=kind).expand(definition=definitions(reports))  # type: ignore[arg-type]  # an XComArg until it runs
    summary = decide(reports, evaluations, kind)
    done: list[Any] = [wake_outbox(summary), StartApproval(task_id="ask_about_storm", summary=summary)]
    if kind == "nightly":
        done += [prune(summary), reconcile(summary)]
    tell_ops(summary).set_upstream(done)


@task
def sources() -> list[str]:
    """Names of the sources to read."""
    from pql.orchestration.runtime import check_timezone, project

    with project() as opened:
        check_timezone(opened)
        return sorted(opened.settings.sources)


@task(pool=POOL_SOURCES, map_index_template="{{ source_name }}")
def ingest(source: str, kind: Kind) -> dict[str, Any]:
    """One source into the lake; what changed is marked dirty in the ledger."""
    from pql import pipeline
    from pql.orchestration.runtime import label, moment, now, project

    label(source_name=source)
    with project() as opened:
        return pipeline.ingest(opened, source, as_of=moment(), now=now(), kind=kind)


@task(outlets=[EVENTS, CRM])
def definitions(reports: list[dict[str, Any]]) -> list[str]:
    """Ids of the definitions to evaluate, once every source is read."""
    from pql.orchestration.runtime import project, report_problems

    with project() as opened:
        report_problems(opened)
        return [d.id for d in opened.definitions if d.status != "retired"]


@task(pool=POOL_COMPUTE, map_index_template="{{ definition_name }}", outlets=[SCORES])
def evaluate(definition: str, kind: Kind) -> dict[str, Any]:
    """One definition's snapshot at the run's moment, written to the lake; its key and counts are returned."""
    from pql import pipeline
    from pql.orchestration.runtime import label, moment, now, project

    label(definition_name=definition)
    with project() as opened:
        return pipeline.evaluate(opened, definition, as_of=moment(), now=now(), kind=kind)


@result
@task(pool=POOL_COMPUTE)
def decide(reports: list[dict[str, Any]], evaluations: list[dict[str, Any]], kind: Kind) -> dict[str, Any]:
    """All definitions in one transaction: episodes, occurrences, deliveries. The run's summary is its result."""
    from pql import pipeline
    from pql.orchestration.runtime import moment, now, project

    with project() as opened:
        return pipeline.decide(opened, list(evaluations), reports=list(reports), as_of=moment(), now=now(), kind=kind)


@task(outlets=[OUTBOX])
def wake_outbox(summary: dict[str, Any]) -> int:
    """Wake the deliver DAG, but only if this run put something into the outbox: nights of the past never do."""
    from airflow.sdk.exceptions import AirflowSkipException

    if not summary["queued"]:
        raise AirflowSkipException("nothing new in the outbox")
    return int(summary["queued"])


@task(pool=POOL_COMPUTE)
def prune(summary: dict[str, Any]) -> dict[str, int]:
    """What is older than the settings keep goes (raw events once their daily usage is kept); how much of each.

    Live nights only: a night of the past is not the time to let go of history.
    """
    from pql import pipeline
    from pql.orchestration.runtime import now, project

    with project() as opened:
        return pipeline.prune(opened, now=now()) if summary["live"] else {}


@task(pool=POOL_OUTBOX)
def reconcile(summary: dict[str, Any]) -> dict[str, int]:
    """What stands at the destinations is held against the ledger; what differs is kept and ops are told.

    Live nights only. Nothing is sent or put right; what cannot be read is said, and nothing follows from it.
    """
    from pql import pipeline
    from pql.orchestration import notices
    from pql.orchestration.runtime import now, project

    if not summary["live"]:
        return {}
    with project() as opened:
        done = pipeline.reconcile(opened, clock=now)
    notices.reconciled(done)
    counts = {"differ": done.recorded.open, "new": done.recorded.new, "in_order_again": done.recorded.cleared}
    return counts | {"effects": sum(done.checked.values()), "could_not_be_read": len(done.unchecked)}


@task(trigger_rule="none_failed")
def tell_ops(summary: dict[str, Any]) -> None:
    """The DAG works again, a source is late, deliveries are held: whatever has changed. And the run's metrics."""
    from pql.orchestration import metrics, notices

    notices.run_succeeded()
    notices.watch(summary)
    metrics.of_run(summary)
