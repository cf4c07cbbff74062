"""CRM objects: a call that reads or writes them in, HubSpot's answer out."""

from __future__ import annotations

from collections.abc import Callable

from pql.sandbox import crm_search
from pql.sandbox.crm import Crm, Link
from pql.sandbox.crm_records import stamp
from pql.sandbox.crm_schema import ASSOCIATIONS, SINGULAR, HubSpotError
from pql.sandbox.hubspot_call import Call, Json, invalid, number, object_type

MAX_LIST = 100


def list_(crm: Crm, call: Call) -> tuple[int, Json]:
    """GET /crm/v3/objects/{kind}: by id, `after` is the last id of the page before."""
    limit, after = number(call.query.get("limit", "10")), number(call.query.get("after") or "0")
    if not 0 < limit <= MAX_LIST:
        raise invalid(f"limit must be between 1 and {MAX_LIST}: {limit}")
    ids = [] if call.query.get("archived") == "true" else crm.ids(call.kind)
    page = [i for i in ids if int(i) > after][: limit + 1]
    to_kinds = [object_type(name) for text in call.query.getlist("associations") for name in text.split(",")]
    content: Json = {"results": [_with_links(crm, call.kind, i, call.wanted(), to_kinds) for i in page[:limit]]}
    if len(page) > limit:
        content["paging"] = {"next": {"after": page[limit - 1], "link": f"?after={page[limit - 1]}"}}
    return 200, content


def get(crm: Crm, call: Call) -> tuple[int, Json]:
    """GET /crm/v3/objects/{kind}/{id}, or by the unique property `idProperty`."""
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


def create(crm: Crm, call: Call) -> tuple[int, Json]:
    """POST /crm/v3/objects/{kind}, with associations."""
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
                raise invalid(text)
            to_id = str((one.get("to") or {}).get("id", ""))
            _exists(crm, to_kind, to_id)
            links.append(((to_kind, to_id), int(type_id)))
    return links


def _exists(crm: Crm, kind: str, object_id: str) -> None:
    try:
        crm.view(kind, object_id)
    except HubSpotError:
        text = f"One or more associations are not valid: no {SINGULAR[kind]} with id {object_id or 'null'}"
        raise invalid(text) from None


def update(crm: Crm, call: Call) -> tuple[int, Json]:
    """PATCH /crm/v3/objects/{kind}/{id}."""
    object_id = crm.find(call.kind, call.parts["id"], call.query.get("idProperty"))
    view = crm.update(call.kind, object_id, call.body.get("properties"))
    return 200, crm.render(view, call.kind, call.body["properties"])


def batch_read(crm: Crm, call: Call) -> tuple[int, Json]:
    """POST …/batch/read: those that exist; 207 names the others."""
    wanted, by = call.body.get("properties"), call.body.get("idProperty")

    def read_one(row: Json) -> Json:
        return crm.render(crm.view(call.kind, crm.find(call.kind, str(row.get("id")), by)), call.kind, wanted)

    status, content = batch(crm, call.inputs(), read_one)
    if errors := content.get("errors"):
        missing = [name for error in errors for names_ in error["context"].values() for name in names_]
        text = f"Could not get some {call.kind} objects, they may be deleted or not exist. Check that ids are valid."
        content |= {"numErrors": 1, "errors": [{**errors[0], "message": text, "context": {"ids": missing}}]}
    return status, content


def batch_create(crm: Crm, call: Call) -> tuple[int, Json]:
    """POST …/batch/create."""

    def create_one(row: Json) -> Json:
        view = crm.create(call.kind, row.get("properties"), _links(crm, call.kind, row))
        return crm.render(view, call.kind, view["properties"])

    return batch(crm, call.inputs(), create_one, 201)


def batch_update(crm: Crm, call: Call) -> tuple[int, Json]:
    """POST …/batch/update."""

    def update_one(row: Json) -> Json:
        object_id = crm.find(call.kind, str(row.get("id")), row.get("idProperty"))
        return crm.render(crm.update(call.kind, object_id, row.get("properties")), call.kind, row.get("properties"))

    return batch(crm, call.inputs(), update_one)


def batch_upsert(crm: Crm, call: Call) -> tuple[int, Json]:
    """Create or update by a unique property. As in the real API the rows have no associations: those are not read."""
    rows = call.inputs()
    if any(not row.get("id") or not row.get("idProperty") for row in rows):
        raise invalid("Invalid input JSON: every input of an upsert needs an id and an idProperty")
    if len({row["id"] for row in rows}) < len(rows):
        raise invalid("Duplicate ids in batch: two inputs resolve to the same record")
    for name in {row["idProperty"] for row in rows}:
        crm.unique(call.kind, name)

    def upsert_one(row: Json) -> Json:
        view, new = crm.upsert(call.kind, str(row["id"]), row["idProperty"], row.get("properties"))
        return {**crm.render(view, call.kind, view["properties"]), "new": new}

    return batch(crm, rows, upsert_one)


def batch(crm: Crm, rows: list[Json], one: Callable[[Json], Json], status: int = 200) -> tuple[int, Json]:
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


def search(crm: Crm, call: Call) -> tuple[int, Json]:
    """POST /crm/v3/objects/{kind}/search."""
    return 200, crm_search.search(crm, call.kind, call.body)
