"""HubSpot as a destination: a task for the owner, or values written back onto the account; both safe to do twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from pql.clients.http import RemoteError
from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import BATCH, CompanyNow, Task, TaskOutcome, batches
from pql.destinations.hubspot import close, find
from pql.destinations.hubspot.due import due_at
from pql.destinations.hubspot.notes import subject, task_body
from pql.destinations.hubspot.objects import RECORDS, Records, records_of
from pql.destinations.hubspot.values import type_of, written
from pql.types import Order, Pace, Result, UserError

# 190 requests in 10 seconds for the whole portal (developers.hubspot.com, usage limits), about four a delivery.
PACE = Pace(0.25, "destination")
DEFAULT_DUE = "1 business day"
OWN_PREFIX = "pql_"  # only properties named so are created


class HubSpotDestination:
    """Carries out `crm_task` and `crm_update`, and `crm_task_close`, which takes a task back.

    Options of crm_task: `subject`, `body` (above the reasons), `due` ("1 business day"), `fallback_owner` (e-mail).
    Options of crm_update: property name → value; missing properties whose name begins with pql_ are created.
    """

    kind = "hubspot"
    quiet_s = 0.0  # a task is upserted by its key, values are the same values again
    pace: Pace | None = PACE
    batch_size = BATCH

    def __init__(self, hubspot: HubSpot, *, clock: Callable[[], datetime], timezone: str = "UTC") -> None:
        self._hubspot = hubspot
        self._clock = clock
        self._timezone = timezone
        self._tasks_ready = False

    def __repr__(self) -> str:
        return f"HubSpotDestination({self._hubspot!r})"

    def send(self, order: Order) -> Result:
        """One task for the order's key, the values on the record, or the end of a task made before."""
        if order.kind == close.KIND:
            return close.send(self._hubspot, order)
        try:
            return self._update(order) if order.kind == "crm_update" else self._tasks([order])[order.key]
        except RemoteError as error:
            return _failed(error)
        except (UserError, ValueError) as error:
            return Result("rejected", reason=str(error))

    def send_many(self, orders: Sequence[Order]) -> list[Result]:
        """The tasks in one request, the values in another, each with its own outcome; what is left one by one."""
        ended = self._tasks([order for order in orders if order.kind == "crm_task"])
        updates = [order for order in orders if order.kind == "crm_update" and order.alert.crm_id]
        for kind in RECORDS:
            ended |= self._updates(kind, [order for order in updates if records_of(order.alert) == kind])
        return [ended.get(order.key) or self.send(order) for order in orders]

    def find(self, order: Order) -> Result:
        """Whether the task of that key exists and hangs on its record. Values are simply written again."""
        if order.kind == close.KIND:
            return close.find(self._hubspot, order)
        if order.kind == "crm_update":
            return Result("not_sent", reason="writing the same values again changes nothing")
        return self._found([order])[order.key]

    def find_many(self, orders: Sequence[Order]) -> list[Result]:
        """As `find` of each; the tasks by a few requests for all of them."""
        found = self._found([order for order in orders if order.kind == "crm_task"])
        return [found.get(order.key) or self.find(order) for order in orders]

    def _found(self, tasks: Sequence[Order]) -> dict[str, Result]:
        """How each task stands, by key."""
        try:
            if tasks:
                self._make_ready()
            return find.tasks(self._hubspot, tasks)
        except RemoteError as error:
            unknown = Result("ambiguous", reason=str(error), retry_after_s=error.retry_after_s)
            return dict.fromkeys([each.key for each in tasks], unknown)

    def _tasks(self, orders: Sequence[Order]) -> dict[str, Result]:
        """How each ended, by key."""
        ended: dict[str, Result] = {}
        asked: dict[str, tuple[Task, str]] = {}
        records = self._records(orders) if len(orders) > 1 else {}
        for order in orders:
            try:
                self._make_ready()
                owner = self._owner(order, records)
                asked[order.key] = self._as_task(order, owner), owner
            except RemoteError as error:
                failed = _failed(error)  # nothing was written yet, whatever became of these calls
                ended[order.key] = failed if failed.outcome == "rejected" else replace(failed, outcome="not_sent")
            except (UserError, ValueError) as error:
                ended[order.key] = Result("rejected", reason=str(error))
        outcomes = self._hubspot.batch_upsert_tasks([task for task, _ in asked.values()])
        ended |= {each.key: _task_result(each, asked[each.key][1]) for each in outcomes}
        refused = [each.key for each in outcomes if each.outcome == "rejected"]
        if refused and (trouble := self._trouble(refused)) is not None:
            ended |= dict.fromkeys(refused, trouble)  # the others ended as they did: some of them are there
        return ended

    def _trouble(self, refused: Sequence[str]) -> Result | None:
        """Why the portal refuses everything (a token that is refused is no fault of the task), None if it does not."""
        try:
            self._hubspot.tasks_by_keys(refused[:1])
        except RemoteError as error:
            failed = _failed(error)  # of a question: the tasks were refused, whatever became of it
            return failed if failed.outcome == "rejected" else replace(failed, outcome="not_sent")
        return None

    def _as_task(self, order: Order, owner: str) -> Task:
        alert = order.alert
        properties = {
            "hs_timestamp": written(
                due_at(str(order.options.get("due") or DEFAULT_DUE), self._clock(), self._timezone)
            ),
            "hs_task_subject": subject(order),
            "hs_task_body": task_body(alert, str(order.options.get("body") or "")),
            "hs_task_status": "NOT_STARTED",
            "hs_task_priority": "HIGH",
            "hs_task_type": "TODO",
        } | ({"hubspot_owner_id": owner} if owner else {})
        ids = (alert.crm_id,) if alert.crm_id else ()
        is_contact = records_of(alert) == "contacts"
        return Task(order.key, properties, () if is_contact else ids, ids if is_contact else ())

    def _make_ready(self) -> None:
        if not self._tasks_ready:
            self._hubspot.ensure_task_key_property()
            self._tasks_ready = True

    def _records(self, orders: Sequence[Order]) -> dict[tuple[str, str], CompanyNow]:
        """The records of accounts without an owner's address, by object and id, in a few requests for all of them."""
        found: dict[tuple[str, str], CompanyNow] = {}
        alerts = [order.alert for order in orders if not order.alert.owner_email and order.alert.crm_id]
        with suppress(RemoteError):  # what one of them makes it refuse is found by asking about each alone
            for kind in RECORDS:
                ids = sorted({alert.crm_id for alert in alerts if records_of(alert) == kind})
                if ids:
                    found |= {(kind, id): record for id, record in self._hubspot.records_now(kind, ids).items()}
        return found

    def _owner(self, order: Order, records: Mapping[tuple[str, str], CompanyNow]) -> str:
        """The account's owner, else who owns the record by now, else the play's fallback; "" if there is nobody."""
        alert = order.alert
        if alert.owner_email and (found := self._hubspot.owner_by_email(alert.owner_email)):
            return found
        if alert.crm_id:
            kind = records_of(alert)
            ask = self._hubspot.contact_now if kind == "contacts" else self._hubspot.company_now
            record = records.get((kind, alert.crm_id)) or ask(alert.crm_id)
            if record and record.owner_id:
                return record.owner_id
        fallback = str(order.options.get("fallback_owner") or "")
        return (self._hubspot.owner_by_email(fallback) or "") if fallback else ""

    def _update(self, order: Order) -> Result:
        alert = order.alert
        if not alert.crm_id:
            return Result(
                "rejected", reason=f"{alert.account_key} has no record in HubSpot, so nothing can be written to it"
            )
        kind = records_of(alert)
        values = {name: written(value) for name, value in order.options.items()}
        try:
            self._hubspot.update(kind, alert.crm_id, values)
        except RemoteError as error:
            if error.status != 400 or not self._create_missing(kind, order.options):
                raise
            self._hubspot.update(kind, alert.crm_id, values)
        return _wrote(kind, alert.crm_id, values)

    def _updates(self, kind: Records, orders: Sequence[Order]) -> dict[str, Result]:
        """How those ended that could be written together, by key; what HubSpot refuses so is tried alone, with its why.

        Of several for one record the last waits until the others are written: later values win.
        """
        ended: dict[str, Result] = {}
        first = {order.alert.crm_id: order for order in reversed(orders) if order.alert.crm_id}
        values = {id: {name: written(value) for name, value in each.options.items()} for id, each in first.items()}
        for ids in batches(list(values)):
            try:
                done = self._hubspot.update_many(kind, {id: values[id] for id in ids})
            except RemoteError as error:
                if error.status != 400:
                    ended |= {first[id].key: _failed(error) for id in ids}
                continue
            ended |= {first[id].key: _wrote(kind, id, values[id]) for id in ids if id in done}
        return ended

    def _create_missing(self, kind: Records, options: Mapping[str, object]) -> bool:
        """Whether any of our own properties had to be created."""
        own = [name for name in options if name.startswith(OWN_PREFIX)]
        return any([self._hubspot.ensure_property(kind, name, type=type_of(options[name])) for name in own])


def _wrote(kind: str, id: str, values: Mapping[str, str]) -> Result:
    return Result("delivered", receipt={"object": kind, "id": id, "properties": sorted(values)})


def _task_result(outcome: TaskOutcome, owner: str) -> Result:
    if outcome.outcome != "delivered":
        there = {"task": outcome.id} if outcome.id else {}
        return Result(outcome.outcome, there, outcome.reason, outcome.retry_after_s)
    unowned = "" if owner else "nobody owns the account and the play has no usable fallback_owner: task is unassigned"
    receipt = {"task": outcome.id, "owner": owner, "linked": outcome.linked}
    return Result("delivered", receipt, reason="; ".join(part for part in (outcome.reason, unowned) if part))


def _failed(error: RemoteError) -> Result:
    return Result(error.outcome, reason=str(error), retry_after_s=error.retry_after_s)
