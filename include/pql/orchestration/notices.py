"""Tell ops, in Slack, what begins to go wrong and when it is well again: once per change, never once per failure.

What Slack does not take stays to be told and is tried again at the next report of the DAG's state.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

if TYPE_CHECKING:
    from pql.outbox.reconcile import Reconciled
    from pql.pipeline.health.watch import Condition
    from pql.pipeline.project import Project
    from pql.store.ops import State

log = logging.getLogger(__name__)


def task_failed(context: Mapping[str, Any]) -> None:
    """`on_failure_callback` of every task: the first failure of a DAG is told, the following ones are not."""
    instance = context["task_instance"]
    where = f"`{instance.dag_id}` failed in task `{instance.task_id}`{_which(instance)} (run `{instance.run_id}`)"
    error = str(context.get("exception") or "no exception given").splitlines()
    reason = error[0][:300] if error else ""
    _tell(
        f"dag:{instance.dag_id}",
        "failed",
        f":rotating_light: {where}: {reason}\nNothing is lost: the next run catches up.",
    )


def run_failed(context: Mapping[str, Any]) -> None:
    """`on_failure_callback` of every DAG: also a run that took too long, of which no task says that it failed.

    Airflow calls it in the DAG processor, outside any task.
    """
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    reason = context.get("reason") or "no reason given"
    if reason == "timed_out":
        reason = f"it was not done within {context['dag'].dagrun_timeout}"
    text = f":rotating_light: `{dag_id}` failed (run `{run_id}`): {reason}\nNothing is lost: the next run catches up."
    _tell(f"dag:{dag_id}", "failed", text)


def run_succeeded() -> None:
    """Called by the last task of a run: tells ops if the DAG had been failing."""
    dag_id = get_current_context()["dag"].dag_id
    _tell(f"dag:{dag_id}", "ok", f":white_check_mark: `{dag_id}` works again.")


def watch(summary: Mapping[str, Any] | None = None) -> None:
    """Tell ops of sources, destinations and held deliveries whose state has changed; `summary` is a live run's result.

    Asked by every run and by `deliver` every five minutes, so a source is late also when nobody reads it any more.
    """
    from pql.orchestration.runtime import now, project
    from pql.pipeline.health.watch import conditions, volumes
    from pql.store.engine import reading
    from pql.store.ops import told

    try:
        with project() as opened:
            found = conditions(opened, now=now())
            if summary is not None and summary["live"]:
                found += volumes(summary)
            with reading(opened.engine) as connection:
                known = told(connection)
            _tell_all(opened, [each for each in found if known.get(each.name) != each.state])
            _tell_differences(opened)
    except Exception:
        log.exception("what ops should know of could not be looked at")


def reconciled(done: Reconciled) -> None:
    """Tell ops what differs between ledger and destinations, and which destinations cannot be read, or can again."""
    from pql.orchestration.runtime import project
    from pql.pipeline.health.differences import unreadable

    try:
        with project() as opened:
            _tell_all(opened, unreadable(done))
            _tell_differences(opened)
    except Exception:
        log.exception("ops could not be told what differs")


def _tell_differences(opened: Project) -> None:
    """Each is told once, and once when it is in order again; what Slack does not take stays to be told."""
    from pql.orchestration.runtime import now
    from pql.pipeline.health.differences import text
    from pql.store import discrepancies
    from pql.store.engine import writing

    with writing(opened.engine) as connection:
        untold = discrepancies.take_untold(connection, now())
    if not untold:
        return
    told = not opened.settings.ops_channel or _told(opened, text(untold))
    with writing(opened.engine) as connection:
        if told:
            discrepancies.mark_told(connection, untold, now())
        else:
            discrepancies.not_told(connection, untold)


def _tell_all(opened: Project, changed: Sequence[Condition]) -> None:
    for each in changed:
        try:
            _tell_in(opened, each.name, each.state, each.text)
        except Exception:
            log.exception("ops could not be told: %s", each.text)


def _which(instance: Any) -> str:
    """Which of the mapped tasks it is, as the UI calls it."""
    index = getattr(instance, "map_index", -1)
    label = getattr(instance, "rendered_map_index", None) or index
    return "" if index is None or index < 0 else f" [{label}]"


def _tell(name: str, state: State, text: str) -> None:
    """A notice must never break a run, so what goes wrong here is only logged."""
    from pql.orchestration.runtime import project

    try:
        with project() as opened:
            _tell_in(opened, name, state, text)
    except Exception:
        log.exception("ops could not be told: %s", text)


def _tell_in(opened: Project, name: str, state: State, text: str) -> None:
    """Of two tasks that fail at once one tells; nobody waits for the ledger while Slack takes its time."""
    from pql.orchestration.runtime import now
    from pql.store.engine import writing
    from pql.store.ops import mark_told, not_told, note_state

    with writing(opened.engine) as connection:
        if not note_state(connection, name, state, now()):
            return
    told = not opened.settings.ops_channel or _told(opened, text)
    with writing(opened.engine) as connection:
        if told:
            mark_told(connection, name, state, now())
        else:
            not_told(connection, name, state)


def _told(opened: Project, text: str) -> bool:
    """Whether Slack took the notice."""
    from pql.clients.slack import ops_notice

    try:
        ops_notice(opened.connections("slack_default"), opened.settings.ops_channel, text)
    except Exception:
        log.exception("ops could not be told yet: %s", text)
        return False
    return True
