"""Tell ops, in Slack, when a DAG starts to fail and when it works again: once per change, never once per failure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk import get_current_context

log = logging.getLogger(__name__)


def task_failed(context: Mapping[str, Any]) -> None:
    """`on_failure_callback` of every task: the first failure of a DAG is told, the following ones are not."""
    instance = context["task_instance"]
    where = f"`{instance.dag_id}` failed in task `{instance.task_id}` (run `{instance.run_id}`)"
    error = str(context.get("exception") or "no exception given").splitlines()
    reason = error[0][:300] if error else ""
    _tell(instance.dag_id, "failed", f":rotating_light: {where}: {reason}\nNothing is lost: the next run catches up.")


def run_succeeded() -> None:
    """Called by the last task of a run: tells ops if the DAG had been failing."""
    dag_id = get_current_context()["dag"].dag_id
    _tell(dag_id, "ok", f":white_check_mark: `{dag_id}` works again.")


def _tell(dag_id: str, state: str, text: str) -> None:
    """A notice must never break a run, so what goes wrong here is only logged."""
    from pql.clients.slack import ops_notice
    from pql.orchestration.runtime import now, project
    from pql.store.engine import writing
    from pql.store.ops import change_state

    try:
        with project() as opened:
            with writing(opened.engine) as connection:
                news = change_state(connection, f"dag:{dag_id}", state, now())  # type: ignore[arg-type]  # a literal of ours
            if news and opened.settings.ops_channel:
                ops_notice(opened.connections("slack_default"), opened.settings.ops_channel, text)
    except Exception:
        log.exception("ops could not be told: %s", text)
