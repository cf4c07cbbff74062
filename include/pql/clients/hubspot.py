"""HubSpot CRM, one record at a time and in small batches: what destinations write, and what is asked right before.

Whole objects for the lake are read by `hubspot_bulk`. Wire formats: developers.hubspot.com, CRM v3 objects, properties
and owners, associations v4. Property values travel as strings, instants as ISO 8601 or milliseconds since 1970.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from pql.clients.http import READ_ATTEMPTS, Bearer, Http, Pace, RemoteError
from pql.clients.hubspot_records import (
    BATCH,
    TASK_KEY_PROPERTY,
    CompanyNow,
    DealNow,
    Object,
    PropertyType,
    Task,
    TaskOutcome,
    batches,
    instant,
    is_true,
)
from pql.clients.hubspot_tasks import ids_by_keys, upsert_tasks
from pql.types import Connection, UserError

BASE_URL = "https://api.hubapi.com"
_PER_SECOND = 19.0  # 190 requests in 10 seconds on paid tiers
_GROUPS = {"companies": "companyinformation", "contacts": "contactinformation", "tasks": "task"}
_WRITTEN_AS = {"bool": "booleancheckbox", "number": "number", "datetime": "date", "date": "date", "string": "text"}


class HubSpot:
    """The CRM behind one connection: password = private app token, host = another base URL (sandbox, proxy).

    Every method raises `RemoteError`; its `outcome` says what that means for a write.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        not_a_fit_property: str = "pql_not_a_fit",
        snooze_property: str = "pql_snooze_until",
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = READ_ATTEMPTS,
    ) -> None:
        if not connection.password:
            raise UserError(f"Connection {connection.id}: it has no password. Put the private app token there.")
        self.http = Http(
            connection,
            vendor="HubSpot",
            base_url=BASE_URL,
            auth=Bearer(connection.password),
            sleep=sleep,
            attempts=attempts,
        )
        self._pace = Pace(_PER_SECOND, sleep)
        self._not_a_fit = not_a_fit_property
        self._snooze = snooze_property
        self._owners: dict[str, str | None] = {}
        self._addresses: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"HubSpot({self.http!r})"

    def company_now(self, company_id: str, properties: Sequence[str] = ()) -> CompanyNow | None:
        """The company with its deals, None if HubSpot has none of that id."""
        return self._now("companies", company_id, properties)

    def contact_now(self, contact_id: str, properties: Sequence[str] = ()) -> CompanyNow | None:
        """The contact with its deals, None if HubSpot has none of that id."""
        return self._now("contacts", contact_id, properties)

    def records_now(
        self, object: Literal["companies", "contacts"], ids: Sequence[str], properties: Sequence[str] = ()
    ) -> dict[str, CompanyNow]:
        """Those of the records that HubSpot has, by the id asked for, each with its deals: three requests a hundred.

        What a batch does not show is asked for by itself: a record that was merged answers there to its old id.
        """
        found: dict[str, CompanyNow] = {}
        for chunk in batches(ids):
            body = {"properties": self._asked(properties), "inputs": [{"id": id} for id in chunk]}
            rows = self.ask(f"/crm/v3/objects/{object}/batch/read", body)["results"]
            found |= {record.id: record for record in (self._with_deals(object, rows) if rows else ())}
        alone = {id: self._now(object, id, properties) for id in ids if id not in found}
        return {id: found[id] for id in ids if id in found} | {id: one for id, one in alone.items() if one is not None}

    def owner_by_email(self, email: str) -> str | None:
        """The owner id of a HubSpot user, None if nobody has that address. Asked once per client and address."""
        wanted = email.strip().lower()
        if wanted not in self._owners:
            found = self.get("/crm/v3/owners", {"email": wanted, "limit": "100", "archived": "false"})["results"]
            ids = [str(owner["id"]) for owner in found if str(owner.get("email", "")).lower() == wanted]
            self._owners[wanted] = ids[0] if ids else None
        return self._owners[wanted]

    def owner_email(self, owner_id: str) -> str:
        """The address of an owner, "" if HubSpot knows none of that id (any more). Asked once per client and id."""
        if owner_id not in self._addresses:
            try:
                found = self.get(f"/crm/v3/owners/{_quoted(owner_id)}", {})
            except RemoteError as error:
                if error.kind != "missing":
                    raise
                found = {}
            self._addresses[owner_id] = str(found.get("email") or "")
        return self._addresses[owner_id]

    def tasks_by_keys(self, keys: Sequence[str]) -> dict[str, str]:
        """The ids of the tasks that carry these delivery keys; keys of no task are left out."""
        return ids_by_keys(self, keys)

    def batch_upsert_tasks(self, tasks: Sequence[Task]) -> list[TaskOutcome]:
        """Each task exists once and hangs on its records; one outcome per task, in order; never raises RemoteError.

        A task whose links could not be written comes back as not_sent: doing it again finds the task by its key and
        only adds the links.
        """
        return upsert_tasks(self, tasks)

    def update(self, object: Object, id: str, properties: Mapping[str, str]) -> None:
        """The record has these property values. Doing it twice changes nothing."""
        self._pace.wait()
        self.http.write("PATCH", f"/crm/v3/objects/{object}/{_quoted(id)}", json={"properties": dict(properties)})

    def update_many(self, object: Object, values: Mapping[str, Mapping[str, str]]) -> set[str]:
        """At most 100 records have these values, by id: the ids of those that HubSpot says are written."""
        inputs = [{"id": id, "properties": dict(properties)} for id, properties in values.items()]
        answer = self.post(f"/crm/v3/objects/{object}/batch/update", {"inputs": inputs})
        return {str(row["id"]) for row in answer.get("results", [])}

    def ensure_task_key_property(self) -> None:
        """Tasks have our unique property. UserError if one of that name exists that is not unique."""
        self.ensure_property("tasks", TASK_KEY_PROPERTY, label="PQL delivery key", unique=True)

    def ensure_property(
        self,
        object: Object,
        name: str,
        *,
        label: str = "",
        type: PropertyType = "string",
        unique: bool = False,
    ) -> bool:
        """The object has a property of that name; True if it was created now."""
        existing = self._property(object, name)
        if existing is not None:
            if unique and not existing.get("hasUniqueValue"):
                raise UserError(
                    f"Connection {self.http.connection_id}: HubSpot's {object} already have a property {name} that "
                    f"does not hold unique values. Delete it (or rename it) in HubSpot and run this again."
                )
            return False
        body = {
            "name": name,
            "label": label or name,
            "type": "enumeration" if type == "bool" else type,
            "fieldType": _WRITTEN_AS[type],
            "groupName": _GROUPS[object],
            "description": "Written by PQL.",
            "hasUniqueValue": unique,
        }
        if type == "bool":
            body["options"] = [{"label": label, "value": value} for label, value in (("Yes", "true"), ("No", "false"))]
        try:
            self.post(f"/crm/v3/properties/{object}", body)
        except RemoteError as error:
            if error.status == 409:  # somebody else has just made it
                return False
            raise
        return True

    def get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """The JSON object at a path."""
        self._pace.wait()
        found: dict[str, Any] = self.http.read("GET", path, params=dict(params)).json()
        return found

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON answer to a POST that only reads (search, batch read)."""
        self._pace.wait()
        found: dict[str, Any] = self.http.read("POST", path, json=dict(body)).json()
        return found

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON answer to a POST with an effect."""
        self._pace.wait()
        answer: dict[str, Any] = self.http.write("POST", path, json=dict(body)).json()
        return answer

    def linked(self, from_object: Object, to_object: Object, ids: Sequence[str]) -> dict[str, list[str]]:
        """For each id the records of the other kind it hangs on, the primary first; ids without any are left out."""
        links: dict[str, list[Mapping[str, Any]]] = {}
        wanted = [{"id": id} for id in ids]
        while wanted:
            path = f"/crm/v4/associations/{from_object}/{to_object}/batch/read"
            rows = self.ask(path, {"inputs": wanted[:BATCH]})["results"]
            wanted = wanted[BATCH:]
            for row in rows:
                id = str(row["from"]["id"])
                links.setdefault(id, []).extend(row["to"])
                if after := row.get("paging", {}).get("next", {}).get("after"):
                    wanted.append({"id": id, "after": after})
        return {id: [str(to["toObjectId"]) for to in sorted(found, key=_primary_first)] for id, found in links.items()}

    def _now(self, object: Object, id: str, properties: Sequence[str]) -> CompanyNow | None:
        try:
            found = self.get(
                f"/crm/v3/objects/{object}/{_quoted(id)}", {"properties": ",".join(self._asked(properties))}
            )
        except RemoteError as error:
            if error.kind == "missing":
                return None
            raise
        return self._with_deals(object, [found])[0]

    def _asked(self, properties: Sequence[str]) -> list[str]:
        return ["name", "hubspot_owner_id", "lifecyclestage", self._not_a_fit, self._snooze, *properties]

    def _with_deals(self, object: Object, rows: Sequence[Mapping[str, Any]]) -> list[CompanyNow]:
        links = self.linked(object, "deals", [str(row["id"]) for row in rows])
        deals = {deal.id: deal for deal in self._deals(sorted({id for ids in links.values() for id in ids}))}
        return [self._record(row, [deals[id] for id in links.get(str(row["id"]), ()) if id in deals]) for row in rows]

    def _record(self, row: Mapping[str, Any], deals: Sequence[DealNow]) -> CompanyNow:
        values = {name: str(value) for name, value in row["properties"].items() if value not in (None, "")}
        return CompanyNow(
            id=str(row["id"]),
            name=values.get("name", ""),
            owner_id=values.get("hubspot_owner_id", ""),
            lifecycle_stage=values.get("lifecyclestage", ""),
            not_a_fit=is_true(values.get(self._not_a_fit)),
            snooze_until=instant(values.get(self._snooze)),
            deals=tuple(deals),
            properties=values,
        )

    def _deals(self, ids: Sequence[str]) -> tuple[DealNow, ...]:
        names = ["dealstage", "closedate", "hs_is_closed", "hs_is_closed_won", "hubspot_owner_id"]
        rows: list[dict[str, Any]] = []
        for chunk in batches(ids):
            body = {"properties": names, "inputs": [{"id": id} for id in chunk]}
            rows += self.ask("/crm/v3/objects/deals/batch/read", body)["results"]
        return tuple(_deal(row) for row in rows)

    def _property(self, object: Object, name: str) -> dict[str, Any] | None:
        try:
            return self.get(f"/crm/v3/properties/{object}/{_quoted(name)}", {})
        except RemoteError as error:
            if error.kind == "missing":
                return None
            raise


def _deal(row: Mapping[str, Any]) -> DealNow:
    values = row["properties"]
    return DealNow(
        id=str(row["id"]),
        stage=values.get("dealstage") or "",
        is_closed=is_true(values.get("hs_is_closed")),
        is_won=is_true(values.get("hs_is_closed_won")),
        closed_at=instant(values.get("closedate")),
        owner_id=values.get("hubspot_owner_id") or "",
    )


def _primary_first(link: Mapping[str, Any]) -> tuple[bool, str]:
    labels = {str(kind.get("label") or "") for kind in link.get("associationTypes", [])}
    return ("Primary" not in labels, str(link["toObjectId"]))


def _quoted(segment: str) -> str:
    return quote(segment, safe="")
