"""A HubSpot task that should not have been made is closed: an order in, the task completed with the reason out."""

from __future__ import annotations

import html
from collections.abc import Mapping
from urllib.parse import quote

from pql.clients.http import RemoteError
from pql.clients.hubspot import HubSpot
from pql.destinations import words
from pql.destinations.hubspot.objects import TEXT_LIMIT
from pql.types import Order, Result

KIND = "crm_task_close"
_DONE = "COMPLETED"
_REASON_LIMIT = 500


def send(hubspot: HubSpot, order: Order) -> Result:
    """Complete the task, the reason above its notes; one that is done or gone already is left as it is."""
    try:
        task = _task(hubspot, order)
        if task is not None and not _is_done(task):
            hubspot.update("tasks", task["id"], _closed(task, order))
    except RemoteError as error:
        return Result(error.outcome, reason=str(error), retry_after_s=error.retry_after_s)
    return _receipt(task)


def find(hubspot: HubSpot, order: Order) -> Result:
    """Whether the task is done, or gone."""
    try:
        task = _task(hubspot, order)
    except RemoteError as error:
        return Result("ambiguous", reason=str(error), retry_after_s=error.retry_after_s)
    if task is not None and not _is_done(task):
        return Result("not_sent", reason="the task is still open")
    return _receipt(task)


def _task(hubspot: HubSpot, order: Order) -> dict[str, str] | None:
    """The task's id, status and notes; None if somebody deleted it."""
    path = f"/crm/v3/objects/tasks/{quote(str((order.thread or {}).get('task') or ''), safe='')}"
    try:
        found = hubspot.get(path, {"properties": "hs_task_status,hs_task_body"})
    except RemoteError as error:
        if error.kind == "missing":
            return None
        raise
    return {name: str(value or "") for name, value in {**found["properties"], "id": found["id"]}.items()}


def _is_done(task: Mapping[str, str]) -> bool:
    return task.get("hs_task_status") == _DONE


def _closed(task: Mapping[str, str], order: Order) -> dict[str, str]:
    why = html.escape(words.one_line(order.options.get("reason") or "by corrected data")[:_REASON_LIMIT])
    body = f"<strong>No longer qualified</strong>: {why}<br>{task.get('hs_task_body', '')}"
    return {"hs_task_status": _DONE, "hs_task_body": body[:TEXT_LIMIT]}


def _receipt(task: Mapping[str, str] | None) -> Result:
    return Result("delivered", receipt={"gone": True} if task is None else {"task": task["id"]})
