"""HubSpot tasks in batches: tasks in, one outcome each; a task exists once per delivery key and hangs on its records.

The upsert takes no associations (developers.hubspot.com, tasks, batch upsert), so links are a second, repeatable call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from pql.clients.http import RemoteError
from pql.clients.hubspot_records import TASK_KEY_PROPERTY, Task, TaskOutcome, batches
from pql.clients.meanings import of_row


class Caller(Protocol):
    """What is needed of the client: a POST that only reads, and one with an effect."""

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON answer; raises RemoteError."""

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON answer; raises RemoteError."""


def upsert_tasks(client: Caller, tasks: Sequence[Task]) -> list[TaskOutcome]:
    """One outcome per task, in order; see `HubSpot.batch_upsert_tasks`."""
    outcomes: dict[str, TaskOutcome] = {}
    for chunk in batches(tasks):
        outcomes |= _upsert(client, chunk)
    _link(client, "companies", [(t.key, id) for t in tasks for id in t.company_ids], outcomes)
    _link(client, "contacts", [(t.key, id) for t in tasks for id in t.contact_ids], outcomes)
    return [outcomes[task.key] for task in tasks]


def ids_by_keys(client: Caller, keys: Sequence[str]) -> dict[str, str]:
    """The ids of the tasks that carry these delivery keys; keys of no task are left out."""
    found: dict[str, str] = {}
    for chunk in batches(keys):
        inputs = [{"id": key} for key in chunk]
        body = {"idProperty": TASK_KEY_PROPERTY, "properties": [TASK_KEY_PROPERTY], "inputs": inputs}
        for row in client.ask("/crm/v3/objects/tasks/batch/read", body)["results"]:  # 207 names the others
            found[str(row["properties"][TASK_KEY_PROPERTY])] = str(row["id"])
    return found


def _upsert(client: Caller, tasks: Sequence[Task]) -> dict[str, TaskOutcome]:
    inputs = [
        {
            "idProperty": TASK_KEY_PROPERTY,
            "id": task.key,
            "objectWriteTraceId": task.key,  # comes back with the row, also with a row's error
            "properties": {**task.properties, TASK_KEY_PROPERTY: task.key},
        }
        for task in tasks
    ]
    try:
        answer = client.post("/crm/v3/objects/tasks/batch/upsert", {"inputs": inputs})
    except RemoteError as error:
        if error.status == 400 and len(tasks) > 1:  # one bad row refuses the whole batch: find it by halves
            middle = len(tasks) // 2
            return _upsert(client, tasks[:middle]) | _upsert(client, tasks[middle:])
        return {task.key: _failed(task.key, error) for task in tasks}
    return {task.key: _row_outcome(task.key, answer) for task in tasks}


def _link(
    client: Caller,
    to: Literal["companies", "contacts"],
    wanted: Sequence[tuple[str, str]],
    outcomes: dict[str, TaskOutcome],
) -> None:
    for chunk in batches([(key, id) for key, id in wanted if outcomes[key].outcome == "delivered"]):
        inputs = [{"from": {"id": outcomes[key].id}, "to": {"id": id}} for key, id in chunk]
        try:
            answer = client.post(f"/crm/v4/associations/tasks/{to}/batch/associate/default", {"inputs": inputs})
        except RemoteError as error:
            outcomes |= {key: _unlinked(outcomes[key], str(error), error) for key, _ in chunk}
            continue
        done = {(str(row["from"]["id"]), str(row["to"]["id"])) for row in answer.get("results", [])}
        said = "; ".join(str(error.get("message", "")) for error in answer.get("errors", []))
        for key, id in chunk:
            if (outcomes[key].id, id) in done:
                outcomes[key] = replace(outcomes[key], linked=True)
            else:
                outcomes[key] = _unlinked(outcomes[key], said or "HubSpot did not say why", None)


def _row_outcome(key: str, answer: Mapping[str, Any]) -> TaskOutcome:
    for row in answer.get("results", []):
        if row.get("properties", {}).get(TASK_KEY_PROPERTY) == key or row.get("objectWriteTraceId") == key:
            return TaskOutcome(key, "delivered", id=str(row["id"]), created=bool(row.get("new")))
    for error in answer.get("errors", []):
        if any(key in values for values in error.get("context", {}).values()):
            reason = f"HubSpot: {error.get('message', error.get('category', ''))}"
            return TaskOutcome(key, of_row(str(error.get("category") or "")).outcome, reason=reason)
    return TaskOutcome(key, of_row("not mentioned").outcome, reason="HubSpot's answer does not mention this task")


def _failed(key: str, error: RemoteError) -> TaskOutcome:
    details = "; ".join(str(one.get("message", "")) for one in error.body.get("errors", []))
    reason = f"{error} {details}".strip()
    return TaskOutcome(key, error.outcome, reason=reason, retry_after_s=error.retry_after_s)


def _unlinked(outcome: TaskOutcome, why: str, error: RemoteError | None) -> TaskOutcome:
    # without the permission to link it stays as it is: the task itself is there
    passing = error is not None and error.outcome != "rejected" and error.kind != "forbidden"
    return replace(
        outcome,
        outcome="not_sent" if passing else outcome.outcome,
        linked=False,
        reason=f"task {outcome.id} is there, its link is not: {why}",
        retry_after_s=error.retry_after_s if error else None,
    )
