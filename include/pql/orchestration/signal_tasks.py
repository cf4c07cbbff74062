"""The tasks that `hourly_signals` and `nightly_scores` are wired from: ingest → evaluate → decide → wake the outbox."""

from __future__ import annotations

from typing import Any, Literal

from airflow.sdk import result, task

from pql.orchestration.assets import CRM, EVENTS, OUTBOX, SCORES
from pql.orchestration.defaults import POOL_COMPUTE, POOL_SOURCES

Kind = Literal["hourly", "nightly"]


def signals_flow(kind: Kind) -> None:
    """Wire one run: each source is read, each definition evaluated, then all are decided in one transaction."""

    @task
    def sources() -> list[str]:
        from pql.orchestration.runtime import project

        with project() as opened:
            return sorted(opened.settings.sources)

    @task(pool=POOL_SOURCES, map_index_template="{{ source_name }}", max_active_tis_per_dagrun=2)
    def ingest(source: str) -> dict[str, Any]:
        from pql import pipeline
        from pql.orchestration.runtime import label, moment, now, project

        label(source_name=source)
        with project() as opened:
            return pipeline.ingest(opened, source, as_of=moment(), now=now(), kind=kind)

    @task(outlets=[EVENTS, CRM])
    def definitions(reports: list[dict[str, Any]]) -> list[str]:
        from pql.orchestration.runtime import project

        print(f"read from {len(list(reports))} sources")
        with project() as opened:
            return [d.id for d in opened.definitions if d.status != "retired"]

    @task(pool=POOL_COMPUTE, map_index_template="{{ definition_name }}", outlets=[SCORES])
    def evaluate(definition: str) -> dict[str, Any]:
        from pql import pipeline
        from pql.orchestration.runtime import label, moment, now, project

        label(definition_name=definition)
        with project() as opened:
            return pipeline.evaluate(opened, definition, as_of=moment(), now=now(), kind=kind)

    @result
    @task(pool=POOL_COMPUTE)
    def decide(reports: list[dict[str, Any]], evaluations: list[dict[str, Any]]) -> dict[str, Any]:
        from pql import pipeline
        from pql.orchestration.runtime import moment, now, project

        with project() as opened:
            return pipeline.decide(
                opened, list(evaluations), reports=list(reports), as_of=moment(), now=now(), kind=kind
            )

    @task(outlets=[OUTBOX])
    def wake_outbox(summary: dict[str, Any]) -> int:
        from airflow.sdk.exceptions import AirflowSkipException

        if not summary["queued"]:
            raise AirflowSkipException("nothing new in the outbox")
        return int(summary["queued"])

    @task(trigger_rule="none_failed")
    def close(queued: int | None) -> None:
        from pql.orchestration import notices

        notices.run_succeeded()

    reports = ingest.expand(source=sources())
    evaluations = evaluate.expand(definition=definitions(reports))  # type: ignore[arg-type]  # XComArg at parse time
    close(wake_outbox(decide(reports, evaluations)))  # type: ignore[arg-type]  # XComArg at parse time
