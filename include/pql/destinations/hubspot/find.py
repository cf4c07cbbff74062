"""Whether tasks of these orders exist and hang where they should: orders in, a result each out (PRODUCT-A5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pql.clients.hubspot import HubSpot
from pql.destinations.hubspot.objects import RECORDS, records_of
from pql.types import Alert, Order, Result


def tasks(client: HubSpot, orders: Sequence[Order]) -> dict[str, Result]:
    """How each stands, by delivery key, in a few requests for a hundred; raises RemoteError."""
    if not orders:
        return {}
    ids = client.tasks_by_keys([order.key for order in orders])
    linked = _linked(client, {order.key: order.alert for order in orders if order.key in ids}, ids)
    return {order.key: _found(ids.get(order.key), order.key in linked) for order in orders}


def _linked(client: HubSpot, alerts: Mapping[str, Alert], ids: Mapping[str, str]) -> set[str]:
    """The keys of the tasks that hang on their record; those of accounts without one need not."""
    found = {key for key, alert in alerts.items() if not alert.crm_id}
    for to in RECORDS:
        mine = {key: alert.crm_id for key, alert in alerts.items() if alert.crm_id and records_of(alert) == to}
        there = client.linked("tasks", to, [ids[key] for key in mine])
        found |= {key for key, record in mine.items() if record in there.get(ids[key], [])}
    return found


def _found(task_id: str | None, is_linked: bool) -> Result:
    if task_id is None:
        return Result("not_sent", reason="no task with this key")
    if not is_linked:
        reason = f"task {task_id} is there without its link; sending again adds it"
        return Result("not_sent", {"task": task_id}, reason)
    return Result("delivered", {"task": task_id})
