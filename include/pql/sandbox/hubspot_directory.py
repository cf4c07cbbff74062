"""What is around the CRM's objects (owners, properties, associations, the account): a call in, the answer out."""

from __future__ import annotations

import re

from pql.sandbox import names
from pql.sandbox.crm import Crm, Link, association_types
from pql.sandbox.crm_records import stamp
from pql.sandbox.crm_schema import ASSOCIATIONS, PORTAL_ID, SINGULAR, HubSpotError, Property
from pql.sandbox.hubspot_call import Call, Json, invalid, number, object_type
from pql.sandbox.hubspot_objects import batch


def owners(crm: Crm, call: Call) -> tuple[int, Json]:
    """GET /crm/v3/owners, all or by e-mail."""
    limit, after = number(call.query.get("limit", "100")), number(call.query.get("after") or "0")
    email = call.query.get("email")
    everybody = () if call.query.get("archived") == "true" else names.OWNERS
    chosen = [_owner(o) for o in everybody if not email or o[3] == email.lower()]
    page = chosen[after : after + limit]
    more = {"paging": {"next": {"after": str(after + limit)}}} if after + limit < len(chosen) else {}
    return 200, {"results": page, **more}


def one_owner(crm: Crm, call: Call) -> tuple[int, Json]:
    """GET /crm/v3/owners/{id}."""
    for owner in names.OWNERS:
        if owner[0] == call.parts["id"]:
            return 200, _owner(owner)
    raise HubSpotError(404, "OBJECT_NOT_FOUND", f"Owner with id {call.parts['id']} not found")


def _owner(owner: tuple[str, str, str, str, bool]) -> Json:
    owner_id, first, last, email, _ = owner
    dates = {"createdAt": "2024-01-08T09:00:00.000Z", "updatedAt": "2024-01-08T09:00:00.000Z"}
    person = {"id": owner_id, "email": email, "type": "PERSON", "firstName": first, "lastName": last}
    return {**person, "userId": int(owner_id), "archived": False, "teams": [], **dates}


def properties(crm: Crm, call: Call) -> tuple[int, Json]:
    """GET /crm/v3/properties/{kind}."""
    return 200, {"results": [prop.as_json() for prop in crm.schema.of(call.kind).values()]}


def one_property(crm: Crm, call: Call) -> tuple[int, Json]:
    """GET /crm/v3/properties/{kind}/{name}."""
    prop = crm.schema.of(call.kind).get(call.parts["name"])
    if prop is None:
        text = f"Unable to find property {call.parts['name']} on object type {SINGULAR[call.kind].upper()}"
        raise HubSpotError(404, "OBJECT_NOT_FOUND", text)
    return 200, prop.as_json()


def create_property(crm: Crm, call: Call) -> tuple[int, Json]:
    """POST /crm/v3/properties/{kind}."""
    body = call.body
    missing = [name for name in ("name", "label", "type", "fieldType", "groupName") if not body.get(name)]
    if missing:
        raise invalid(
            f"Invalid input JSON on line 1, column 2: Some required fields were not set: {missing}",
        )
    name = str(body["name"])
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name):
        raise invalid(f"The property name {name} must be lower case letters, digits and underscores")
    if body["type"] not in ("string", "number", "datetime", "date", "enumeration", "bool"):
        raise invalid(f"Invalid property type {body['type']}")
    if name in crm.schema.of(call.kind):
        raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"Property named '{name}' already exists.")
    options = tuple(str(option.get("value")) for option in body.get("options") or [])
    unique = bool(body.get("hasUniqueValue"))
    prop = Property(
        name, body["type"], options, unique=unique, label=body["label"], group=body["groupName"], custom=True
    )
    return 201, crm.add_property(call.kind, prop).as_json()


def read_links(crm: Crm, call: Call) -> tuple[int, Json]:
    """GET /crm/v4/objects/{from}/{id}/associations/{to}."""
    from_kind, to_kind = object_type(call.parts["from"]), object_type(call.parts["to"])
    crm.view(from_kind, call.parts["id"])
    return 200, {"results": _targets(crm, from_kind, call.parts["id"], to_kind)}


def batch_read_links(crm: Crm, call: Call) -> tuple[int, Json]:
    """POST /crm/v4/associations/{from}/{to}/batch/read; 207 names those without any."""
    from_kind, to_kind = object_type(call.parts["from"]), object_type(call.parts["to"])
    association_types(from_kind, to_kind)
    results, without = [], []
    for row in call.inputs(1000):
        object_id = str(row.get("id"))
        if targets := _targets(crm, from_kind, object_id, to_kind):
            results.append({"from": {"id": object_id}, "to": targets})
        else:
            without.append(object_id)
    content: Json = {"status": "COMPLETE", "results": results}
    content |= dict.fromkeys(("startedAt", "completedAt"), stamp(crm.world.now().timestamp()))
    if not without:
        return 200, content
    text = f"No {SINGULAR[to_kind]} is associated with {SINGULAR[from_kind]} {without[0]}."
    error = {"status": "error", "category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"}
    errors = [{**error, "message": text, "context": {"fromObjectId": [object_id]}} for object_id in without]
    return 207, content | {"numErrors": len(errors), "errors": errors}


def _targets(crm: Crm, from_kind: str, object_id: str, to_kind: str) -> list[Json]:
    def types(ids: list[int]) -> list[Json]:
        primary = ASSOCIATIONS[from_kind, to_kind][1:]
        return [{"category": "HUBSPOT_DEFINED", "typeId": i, "label": "Primary" if i in primary else None} for i in ids]

    return [
        {"toObjectId": int(to), "associationTypes": types(ids)} for to, ids in crm.linked(from_kind, object_id, to_kind)
    ]


def associate(crm: Crm, call: Call) -> tuple[int, Json]:
    """PUT the default association between two records."""
    from_, to = (
        (object_type(call.parts["from"]), call.parts["id"]),
        (object_type(call.parts["to"]), call.parts["to_id"]),
    )
    return 200, {"status": "COMPLETE", "results": [_associated(from_, to, crm.link(from_, to, None))]}


def batch_associate(crm: Crm, call: Call) -> tuple[int, Json]:
    """POST …/batch/associate/default or …/batch/create."""
    from_kind, to_kind = object_type(call.parts["from"]), object_type(call.parts["to"])
    association_types(from_kind, to_kind)

    def link(row: Json) -> Json:
        ends = [str((row.get(end) or {}).get("id")) for end in ("from", "to")]
        from_, to = (from_kind, ends[0]), (to_kind, ends[1])
        types = row.get("types") or [{}]
        return _associated(from_, to, crm.link(from_, to, types[0].get("associationTypeId")))

    return batch(crm, call.inputs(), link)


def _associated(from_: Link, to: Link, type_id: int) -> Json:
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}
    return {"from": {"id": from_[1]}, "to": {"id": to[1]}, "associationSpec": spec}


def account(crm: Crm, call: Call) -> tuple[int, Json]:
    """GET /account-info/v3/details."""
    zone = {"timeZone": "UTC", "utcOffset": "+00:00", "utcOffsetMilliseconds": 0}
    money = {"companyCurrency": "USD", "additionalCurrencies": []}
    where = {"uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"}
    return 200, {"portalId": PORTAL_ID, "accountType": "SANDBOX", **zone, **money, **where}
