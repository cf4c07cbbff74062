"""A deciding run's result in, a run of `approve_storm` out if it was stopped; Airflow carries the run's number only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowSkipException

APPROVAL_DAG = "approve_storm"


class StartApproval(TriggerDagRunOperator):
    """Start `approve_storm` for the run whose result is `summary`, if it holds anything; once, if run again, too."""

    template_fields: Sequence[str] = (*TriggerDagRunOperator.template_fields, "summary")

    def __init__(self, *, summary: Any, **arguments: Any) -> None:
        super().__init__(
            trigger_dag_id=APPROVAL_DAG,
            logical_date=None,
            skip_when_already_exists=True,
            openlineage_inject_parent_info=False,
            **arguments,
        )
        self.summary = summary

    def execute(self, context: Any) -> None:
        if not self.summary["held"]:
            raise AirflowSkipException("nothing is held")
        self.trigger_run_id = f"storm-{self.summary['run_id']}"
        self.conf = {"run": self.summary["run_id"]}
        super().execute(context)
