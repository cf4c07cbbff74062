"""HubSpot objects in bulk: everything there is, or what changed since a moment; one record after the other comes out.

`snapshot` lists (100 a page); `changes` searches (200 a page) and pages by object id rather than by `after`, because a
search answers at most 10,000 results in all and records move between pages while they are being edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pql.clients.http import Pace
from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import Object

LIST_PAGE = 100
SEARCH_PAGE = 200
_SEARCHES_PER_SECOND = 4.0
_MODIFIED: dict[Object, str] = {"contacts": "lastmodifieddate"}  # every other object: hs_lastmodifieddate


@dataclass(frozen=True)
class Record:
    """One CRM record: its values as HubSpot writes them, and the ids of what it hangs on, the primary one first."""

    id: str
    values: Mapping[str, str | None]
    archived: bool
    created_at: str  # ISO 8601
    updated_at: str
    to: Mapping[str, tuple[str, ...]]  # object → ids


def snapshot(
    client: HubSpot, object: Object, properties: Sequence[str], links: Sequence[Object] = ()
) -> Iterator[Record]:
    """Every record that is not archived. Properties the portal does not have are left out by HubSpot."""
    params = {"limit": str(LIST_PAGE), "properties": ",".join(properties), "archived": "false"}
    if links:
        params["associations"] = ",".join(links)
    while True:
        page = client.get(f"/crm/v3/objects/{object}", params)
        for row in page["results"]:
            yield _record(row, _listed_links(row, links))
        after = page.get("paging", {}).get("next", {}).get("after")
        if after is None:
            return
        params["after"] = str(after)


def changes(
    client: HubSpot, object: Object, properties: Sequence[str], since: datetime, links: Sequence[Object] = ()
) -> Iterator[Record]:
    """Every record modified at `since` or later, by object id."""
    pace = Pace(_SEARCHES_PER_SECOND, client.http.sleep)
    since_ms = str(int(since.timestamp() * 1000))
    last_id = 0
    while True:
        pace.wait()
        page = client.ask(f"/crm/v3/objects/{object}/search", _search(object, properties, since_ms, last_id))
        rows = page["results"]
        found = {to: client.linked(object, to, [str(row["id"]) for row in rows]) for to in links} if rows else {}
        for row in rows:
            id = str(row["id"])
            yield _record(row, {to: tuple(found[to].get(id, ())) for to in links})
        if len(rows) < SEARCH_PAGE:
            return
        last_id = max(int(row["id"]) for row in rows)


def owners(client: HubSpot) -> Iterator[Mapping[str, Any]]:
    """Every owner once, archived ones last: {id, email, firstName, lastName, archived, …}."""
    seen: set[str] = set()
    for archived in ("false", "true"):
        params = {"limit": str(LIST_PAGE), "archived": archived}
        while True:
            page = client.get("/crm/v3/owners", params)
            yield from (owner for owner in page["results"] if str(owner["id"]) not in seen)
            seen |= {str(owner["id"]) for owner in page["results"]}
            after = page.get("paging", {}).get("next", {}).get("after")
            if after is None:
                break
            params = {**params, "after": str(after)}


def _search(object: Object, properties: Sequence[str], since_ms: str, last_id: int) -> dict[str, Any]:
    filters = [
        {"propertyName": _MODIFIED.get(object, "hs_lastmodifieddate"), "operator": "GTE", "value": since_ms},
        {"propertyName": "hs_object_id", "operator": "GT", "value": str(last_id)},
    ]
    return {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": list(properties),
        "limit": SEARCH_PAGE,
    }


def _record(row: Mapping[str, Any], to: Mapping[str, tuple[str, ...]]) -> Record:
    return Record(
        id=str(row["id"]),
        values=row.get("properties", {}),
        archived=bool(row.get("archived", False)),
        created_at=row.get("createdAt") or "",
        updated_at=row.get("updatedAt") or "",
        to=to,
    )


def _listed_links(row: Mapping[str, Any], links: Sequence[Object]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for to in links:
        listed = row.get("associations", {}).get(to, {}).get("results", [])
        # an unlabeled twin stands beside the primary link: contact_to_company, contact_to_company_unlabeled
        by_primary = sorted(listed, key=lambda one: str(one.get("type", "")).endswith("_unlabeled"))
        found[to] = tuple(dict.fromkeys(str(one["id"]) for one in by_primary))
    return found
