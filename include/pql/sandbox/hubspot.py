"""The simulated HubSpot API: CRM v3 objects, search, owners, properties, v4 associations, account details.

After https://developers.hubspot.com/docs/api-reference: bearer token, 190 requests in 10 seconds, 5 searches a second,
100 inputs a batch, HubSpot's error envelope.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pql.sandbox import names
from pql.sandbox.crm import Crm, Link, association_types
from pql.sandbox.crm_records import stamp
from pql.sandbox.crm_schema import ASSOCIATIONS, PORTAL_ID, SINGULAR, TYPE_IDS, HubSpotError, Property
from pql.sandbox.crm_search import search
from pql.sandbox.world import Window, World

TOKEN = "pat-sandbox"  # noqa: S105 - the sandbox's own, public credential
MAX_BATCH, MAX_LIST = 100, 100
Json = dict[str, Any]
Handler = Callable[[Crm, "Call"], tuple[int, Json]]


class Call:
    """One request: path parts, query, and JSON body."""

    def __init__(self, request: Request, parts: dict[str, str], body: Any) -> None:
        self.query, self.parts, self._body = request.query_params, parts, body

    @property
    def kind(self) -> str:
        """The object type the path names."""
        return object_type(self.parts["kind"])

    @property
    def body(self) -> Json:
        """The JSON object sent."""
        if not isinstance(self._body, dict):
            raise HubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 1: expected an object")
        return self._body

    def inputs(self, most: int = MAX_BATCH) -> list[Json]:
        """The rows of a batch."""
        rows = self.body.get("inputs")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise HubSpotError(
                400,
                "VALIDATION_ERROR",
                "Invalid input JSON on line 1, column 2: Some required fields were not set: [inputs]",
            )
        if len(rows) > most:
            raise HubSpotError(
                400,
                "VALIDATION_ERROR",
                f"The maximum number of inputs supported in a batch request is {most}. Found {len(rows)}.",
            )
        return rows

    def wanted(self) -> list[str] | None:
        """Names of the properties asked for in the query."""
        return [name for text in self.query.getlist("properties") for name in text.split(",")] or None


def object_type(name: str) -> str:
    """The plural name of an object type, from its plural, singular or numeric name."""
    plural = {singular: plural for plural, singular in SINGULAR.items()} | TYPE_IDS
    kind = plural.get(name.lower(), name.lower())
    if kind not in SINGULAR:
        raise HubSpotError(400, "VALIDATION_ERROR", f"Unable to infer object type from: {name}")
    return kind


def router(world: World) -> APIRouter:
    """The routes under /hubspot."""
    api, crm = APIRouter(), Crm(world)
    rolling, searches = Window(190, 10), Window(5, 1)

    def gate(request: Request, is_search: bool) -> None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise HubSpotError(401, "INVALID_AUTHENTICATION", UNAUTHORISED)
        window, policy, name = (
            (searches, "SECONDLY", "secondly")
            if is_search
            else (rolling, "TEN_SECONDLY_ROLLING", "ten_secondly_rolling")
        )
        if world.limits and (wait := window.wait_s()):
            text = f"You have reached your {name} limit."
            raise HubSpotError(429, "RATE_LIMITS", text, errorType="RATE_LIMIT", policyName=policy, wait=wait)

    def answer(request: Request, handler: Handler, body: Any) -> Response:
        path = request.url.path.removeprefix("/hubspot")
        try:
            gate(request, path.endswith("/search"))
            with world.lock:
                status, content = handler(crm, Call(request, dict(request.path_params), body))
            return JSONResponse(content, status)
        except HubSpotError as error:
            world.refuse("hubspot", f"{request.method} {path}", f"{error.status} {error.message}")
            wait = error.more.pop("wait", None)
            headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
            return JSONResponse(error.body(), error.status, headers)

    def add(method: str, path: str, handler: Handler) -> None:
        async def endpoint(request: Request) -> Response:
            try:
                body = await request.json() if method in ("POST", "PATCH") else None
            except ValueError:
                body = None
            return await run_in_threadpool(answer, request, handler, body)

        api.add_api_route(path, endpoint, methods=[method], include_in_schema=False)

    for method, path, handler in ROUTES:
        add(method, path, handler)

    @api.get("/contacts/{portal}/{rest:path}", include_in_schema=False)
    def record_link(portal: str, rest: str) -> Response:
        """Where links to a record lead in the sandbox: its page."""
        found = re.search(r"(0-\d+|company|contact)/(\d+)$", rest)
        query = {"view": "record", "type": found[1], "id": found[2]} if found else {"view": "tasks"}
        return RedirectResponse("/?" + urlencode(query))

    return api


UNAUTHORISED = (
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at "
    "https://developers.hubspot.com/docs/methods/auth/oauth-overview"
)


def _list(crm: Crm, call: Call) -> tuple[int, Json]:
    limit, after = _number(call.query.get("limit", "10")), _number(call.query.get("after") or "0")
    if not 0 < limit <= MAX_LIST:
        raise HubSpotError(400, "VALIDATION_ERROR", f"limit must be between 1 and {MAX_LIST}: {limit}")
    ids = [] if call.query.get("archived") == "true" else crm.ids(call.kind)
    page = [i for i in ids if int(i) > after][: limit + 1]
    to_kinds = [object_type(name) for text in call.query.getlist("associations") for name in text.split(",")]
    content: Json = {"results": [_with_links(crm, call.kind, i, call.wanted(), to_kinds) for i in page[:limit]]}
    if len(page) > limit:
        content["paging"] = {"next": {"after": page[limit - 1], "link": f"?after={page[limit - 1]}"}}
    return 200, content


def _get(crm: Crm, call: Call) -> tuple[int, Json]:
    object_id = crm.find(call.kind, call.parts["id"], call.query.get("idProperty"))
    to_kinds = [object_type(name) for text in call.query.getlist("associations") for name in text.split(",")]
    return 200, _with_links(crm, call.kind, object_id, call.wanted(), to_kinds)


def _with_links(crm: Crm, kind: str, object_id: str, wanted: list[str] | None, to_kinds: list[str]) -> Json:
    found = crm.render(crm.view(kind, object_id), kind, wanted)
    for to_kind in to_kinds:
        name = f"{SINGULAR[kind]}_to_{SINGULAR[to_kind]}"
        if linked := crm.linked(kind, object_id, to_kind):
            results = [{"id": to, "type": name} for to, _ in linked]
            found.setdefault("associations", {})[to_kind] = {"results": results}
    return found


def _create(crm: Crm, call: Call) -> tuple[int, Json]:
    view = crm.create(call.kind, call.body.get("properties"), _links(crm, call.kind, call.body))
    return 201, crm.render(view, call.kind, view["properties"])


def _links(crm: Crm, kind: str, row: Json) -> list[tuple[Link, int]]:
    """The associations of a create call, checked."""
    links: list[tuple[Link, int]] = []
    for one in row.get("associations") or []:
        for type_ in one.get("types") or []:
            type_id = type_.get("associationTypeId")
            to_kind = next((b for (a, b), ids in ASSOCIATIONS.items() if a == kind and type_id in ids), None)
            if type_.get("associationCategory") != "HUBSPOT_DEFINED" or to_kind is None:
                text = f"{type_.get('associationCategory')} association type id {type_id} is not valid for {kind}"
                raise HubSpotError(400, "VALIDATION_ERROR", text)
            to_id = str((one.get("to") or {}).get("id", ""))
            _exists(crm, to_kind, to_id)
            links.append(((to_kind, to_id), int(type_id)))
    return links


def _exists(crm: Crm, kind: str, object_id: str) -> None:
    try:
        crm.view(kind, object_id)
    except HubSpotError:
        text = f"One or more associations are not valid: no {SINGULAR[kind]} with id {object_id or 'null'}"
        raise HubSpotError(400, "VALIDATION_ERROR", text) from None


def _update(crm: Crm, call: Call) -> tuple[int, Json]:
    object_id = crm.find(call.kind, call.parts["id"], call.query.get("idProperty"))
    view = crm.update(call.kind, object_id, call.body.get("properties"))
    return 200, crm.render(view, call.kind, call.body["properties"])


def _batch_read(crm: Crm, call: Call) -> tuple[int, Json]:
    wanted, by = call.body.get("properties"), call.body.get("idProperty")

    def read(row: Json) -> Json:
        return crm.render(crm.view(call.kind, crm.find(call.kind, str(row.get("id")), by)), call.kind, wanted)

    status, content = _batch(crm, call.inputs(), read)
    if errors := content.get("errors"):
        missing = [name for error in errors for names_ in error["context"].values() for name in names_]
        text = f"Could not get some {call.kind} objects, they may be deleted or not exist. Check that ids are valid."
        content |= {"numErrors": 1, "errors": [{**errors[0], "message": text, "context": {"ids": missing}}]}
    return status, content


def _batch_create(crm: Crm, call: Call) -> tuple[int, Json]:
    def create(row: Json) -> Json:
        view = crm.create(call.kind, row.get("properties"), _links(crm, call.kind, row))
        return crm.render(view, call.kind, view["properties"])

    return _batch(crm, call.inputs(), create, 201)


def _batch_update(crm: Crm, call: Call) -> tuple[int, Json]:
    def update(row: Json) -> Json:
        object_id = crm.find(call.kind, str(row.get("id")), row.get("idProperty"))
        return crm.render(crm.update(call.kind, object_id, row.get("properties")), call.kind, row.get("properties"))

    return _batch(crm, call.inputs(), update)


def _batch_upsert(crm: Crm, call: Call) -> tuple[int, Json]:
    """Create or update by a unique property. As in the real API the rows have no associations: those are not read."""
    rows = call.inputs()
    if any(not row.get("id") or not row.get("idProperty") for row in rows):
        raise HubSpotError(
            400, "VALIDATION_ERROR", "Invalid input JSON: every input of an upsert needs an id and an idProperty"
        )
    if len({row["id"] for row in rows}) < len(rows):
        raise HubSpotError(400, "VALIDATION_ERROR", "Duplicate ids in batch: two inputs resolve to the same record")
    for name in {row["idProperty"] for row in rows}:
        crm.unique(call.kind, name)

    def upsert(row: Json) -> Json:
        view, new = crm.upsert(call.kind, str(row["id"]), row["idProperty"], row.get("properties"))
        return {**crm.render(view, call.kind, view["properties"]), "new": new}

    return _batch(crm, rows, upsert)


def _batch(crm: Crm, rows: list[Json], one: Callable[[Json], Json], status: int = 200) -> tuple[int, Json]:
    """Each row by itself; 207 with the errors beside the results if any row failed."""
    results: list[Json] = []
    errors: list[Json] = []
    started = stamp(crm.world.now().timestamp())
    for row in rows:
        try:
            results.append(one(row))
        except HubSpotError as error:
            context = {**error.more.get("context", {}), "id": [str(row.get("id", ""))]}
            if trace := row.get("objectWriteTraceId"):
                context["objectWriteTraceId"] = [trace]
            body = {**error.body(), "status": "error", "context": context}
            errors.append(body)
    content: Json = {"status": "COMPLETE", "results": results, "startedAt": started, "completedAt": started}
    return (207, content | {"numErrors": len(errors), "errors": errors}) if errors else (status, content)


def _search(crm: Crm, call: Call) -> tuple[int, Json]:
    return 200, search(crm, call.kind, call.body)


def _owners(crm: Crm, call: Call) -> tuple[int, Json]:
    limit, after = _number(call.query.get("limit", "100")), _number(call.query.get("after") or "0")
    email = call.query.get("email")
    chosen = [_owner(o) for o in names.OWNERS if not email or o[3] == email.lower()]
    page = chosen[after : after + limit]
    more = {"paging": {"next": {"after": str(after + limit)}}} if after + limit < len(chosen) else {}
    return 200, {"results": page, **more}


def _one_owner(crm: Crm, call: Call) -> tuple[int, Json]:
    for owner in names.OWNERS:
        if owner[0] == call.parts["id"]:
            return 200, _owner(owner)
    raise HubSpotError(404, "OBJECT_NOT_FOUND", f"Owner with id {call.parts['id']} not found")


def _owner(owner: tuple[str, str, str, str, bool]) -> Json:
    owner_id, first, last, email, _ = owner
    dates = {"createdAt": "2024-01-08T09:00:00.000Z", "updatedAt": "2024-01-08T09:00:00.000Z"}
    person = {"id": owner_id, "email": email, "type": "PERSON", "firstName": first, "lastName": last}
    return {**person, "userId": int(owner_id), "archived": False, "teams": [], **dates}


def _properties(crm: Crm, call: Call) -> tuple[int, Json]:
    return 200, {"results": [prop.as_json() for prop in crm.schema.of(call.kind).values()]}


def _one_property(crm: Crm, call: Call) -> tuple[int, Json]:
    prop = crm.schema.of(call.kind).get(call.parts["name"])
    if prop is None:
        text = f"Unable to find property {call.parts['name']} on object type {SINGULAR[call.kind].upper()}"
        raise HubSpotError(404, "OBJECT_NOT_FOUND", text)
    return 200, prop.as_json()


def _create_property(crm: Crm, call: Call) -> tuple[int, Json]:
    body = call.body
    missing = [name for name in ("name", "label", "type", "fieldType", "groupName") if not body.get(name)]
    if missing:
        raise HubSpotError(
            400,
            "VALIDATION_ERROR",
            f"Invalid input JSON on line 1, column 2: Some required fields were not set: {missing}",
        )
    name = str(body["name"])
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name):
        raise HubSpotError(
            400, "VALIDATION_ERROR", f"The property name {name} must be lower case letters, digits and underscores"
        )
    if body["type"] not in ("string", "number", "datetime", "date", "enumeration", "bool"):
        raise HubSpotError(400, "VALIDATION_ERROR", f"Invalid property type {body['type']}")
    if name in crm.schema.of(call.kind):
        raise HubSpotError(409, "OBJECT_ALREADY_EXISTS", f"Property named '{name}' already exists.")
    options = tuple(str(option.get("value")) for option in body.get("options") or [])
    unique = bool(body.get("hasUniqueValue"))
    prop = Property(
        name, body["type"], options, unique=unique, label=body["label"], group=body["groupName"], custom=True
    )
    return 201, crm.add_property(call.kind, prop).as_json()


def _read_links(crm: Crm, call: Call) -> tuple[int, Json]:
    from_kind, to_kind = object_type(call.parts["from"]), object_type(call.parts["to"])
    crm.view(from_kind, call.parts["id"])
    return 200, {"results": _targets(crm, from_kind, call.parts["id"], to_kind)}


def _batch_read_links(crm: Crm, call: Call) -> tuple[int, Json]:
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


def _associate(crm: Crm, call: Call) -> tuple[int, Json]:
    from_, to = (
        (object_type(call.parts["from"]), call.parts["id"]),
        (object_type(call.parts["to"]), call.parts["to_id"]),
    )
    return 200, {"status": "COMPLETE", "results": [_associated(from_, to, crm.link(from_, to, None))]}


def _batch_associate(crm: Crm, call: Call) -> tuple[int, Json]:
    from_kind, to_kind = object_type(call.parts["from"]), object_type(call.parts["to"])
    association_types(from_kind, to_kind)

    def associate(row: Json) -> Json:
        from_, to = (
            (kind, str((row.get(end) or {}).get("id"))) for kind, end in ((from_kind, "from"), (to_kind, "to"))
        )
        types = [type_.get("associationTypeId") for type_ in row.get("types") or [{}]]
        return [_associated(from_, to, crm.link(from_, to, type_id)) for type_id in types][0]

    return _batch(crm, call.inputs(), associate, 201 if call.parts.get("action") == "create" else 200)


def _associated(from_: Link, to: Link, type_id: int) -> Json:
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}
    return {"from": {"id": from_[1]}, "to": {"id": to[1]}, "associationSpec": spec}


def _account(crm: Crm, call: Call) -> tuple[int, Json]:
    zone = {"timeZone": "UTC", "utcOffset": "+00:00", "utcOffsetMilliseconds": 0}
    money = {"companyCurrency": "USD", "additionalCurrencies": []}
    where = {"uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"}
    return 200, {"portalId": PORTAL_ID, "accountType": "SANDBOX", **zone, **money, **where}


def _number(text: str) -> int:
    if not text.isdigit():
        raise HubSpotError(400, "VALIDATION_ERROR", f"{text} was not a whole number")
    return int(text)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/crm/v3/owners", _owners),
    ("GET", "/crm/v3/owners/", _owners),
    ("GET", "/crm/v3/owners/{id}", _one_owner),
    ("GET", "/crm/v3/properties/{kind}", _properties),
    ("POST", "/crm/v3/properties/{kind}", _create_property),
    ("GET", "/crm/v3/properties/{kind}/{name}", _one_property),
    ("POST", "/crm/v3/objects/{kind}/search", _search),
    ("POST", "/crm/v3/objects/{kind}/batch/read", _batch_read),
    ("POST", "/crm/v3/objects/{kind}/batch/create", _batch_create),
    ("POST", "/crm/v3/objects/{kind}/batch/update", _batch_update),
    ("POST", "/crm/v3/objects/{kind}/batch/upsert", _batch_upsert),
    ("GET", "/crm/v3/objects/{kind}", _list),
    ("POST", "/crm/v3/objects/{kind}", _create),
    ("GET", "/crm/v3/objects/{kind}/{id}", _get),
    ("PATCH", "/crm/v3/objects/{kind}/{id}", _update),
    ("GET", "/crm/v4/objects/{from}/{id}/associations/{to}", _read_links),
    ("PUT", "/crm/v4/objects/{from}/{id}/associations/default/{to}/{to_id}", _associate),
    ("POST", "/crm/v4/associations/{from}/{to}/batch/read", _batch_read_links),
    ("POST", "/crm/v4/associations/{from}/{to}/batch/associate/default", _batch_associate),
    ("POST", "/crm/v4/associations/{from}/{to}/batch/{action}", _batch_associate),
    ("GET", "/account-info/v3/details", _account),
)
