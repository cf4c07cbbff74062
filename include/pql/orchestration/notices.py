"""Tell ops, in Slack, when a DAG starts to fail and when it works again: once per change, never once per failure.

What Slack does not take stays to be told and is tried again at the next report of the DAG's state.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import get_current_context

if TYPE_CHECKING:
    from pql.pipeline.project import Project

log = logging.getLogger(__name__)


def task_failed(context: Mapping[str, Any]) -> None:
    """`on_failure_callback` of every task: the first failure of a DAG is told, the following ones are not."""
    instance = context["task_instance"]
    where = f"`{instance.dag_id}` failed in task `{instance.task_id}` (run `{instance.run_id}`)"
    error = str(context.get("exception") or "no exception given").splitlines()
    reason = error[0][:300] if error else ""
    _tell(instance.dag_id, "failed", f":rotating_light: {where}: {reason}\nNothing is lost: the next run catches up.")


def run_failed(context: Mapping[str, Any]) -> None:
    """`on_failure_callback` of every DAG: also a run that took too long, of which no task says that it failed.

    Airflow calls it in the DAG processor, outside any task.
    """
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    reason = context.get("reason") or "no reason given"
    if reason == "timed_out":
        reason = f"it was not done within {context['dag'].dagrun_timeout}"
    text = f":rotating_light: `{dag_id}` failed (run `{run_id}`): {reason}\nNothing is lost: the next run catches up."
    _tell(dag_id, "failed", text)


def run_succeeded() -> None:
    """Called by the last task of a run: tells ops if the DAG had been failing."""
    dag_id = get_current_context()["dag"].dag_id
    _tell(dag_id, "ok", f":white_check_mark: `{dag_id}` works again.")


def _tell(dag_id: str, state: Literal["ok", "failed"], text: str) -> None:
    """A notice must never break a run, so what goes wrong here is only logged.

    Slack is asked while the state is held: of two tasks failing at once one tells, and it counts as told only if Slack
    took it. That is one short message once per change.
    """
    from pql.orchestration.runtime import now, project
    from pql.store.engine import writing
    from pql.store.ops import mark_told, note_state

    name = f"dag:{dag_id}"
    try:
        with project() as opened, writing(opened.engine) as connection:
            if not note_state(connection, name, state, now()):
                return
            if opened.settings.ops_channel and not _told(opened, text):
                return
            mark_told(connection, name, now())
    except Exception:
        log.exception("ops could not be told: %s", text)


def _told(opened: Project, text: str) -> bool:
    """Whether Slack took the notice."""
    from pql.clients.slack import ops_notice

    try:
        ops_notice(opened.connections("slack_default"), opened.settings.ops_channel, text)
    except Exception:
        log.exception("ops could not be told yet: %s", text)
        return False
    return True
