"""HubSpot in bulk: every record once, however many pages and however the search index cuts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pql.clients import hubspot_bulk
from pql.clients.hubspot import HubSpot
from pql.types import Connection

SINCE = datetime(2026, 3, 1, tzinfo=UTC)


def client(loopback: Any) -> HubSpot:
    return HubSpot(Connection("hubspot_default", host=loopback.url, password="pat-x"), sleep=lambda _s: None)


def test_a_snapshot_follows_the_pages_and_puts_the_primary_company_first(loopback: Any) -> None:
    """Pages are followed by their cursor; of several companies the primary one comes first."""
    links = {"companies": {"results": [{"id": "8", "type": "contact_to_company_unlabeled"},
                                       {"id": "7", "type": "contact_to_company_unlabeled"},
                                       {"id": "7", "type": "contact_to_company"}]}}  # fmt: skip
    first = {"results": [{"id": "1", "properties": {"email": "a@x.test"}, "associations": links}],
             "paging": {"next": {"after": "1"}}}  # fmt: skip
    second = {"results": [{"id": "2", "properties": {}}]}
    loopback.script = lambda seen: loopback.answer(second if "after=1" in seen.path else first)
    found = list(hubspot_bulk.snapshot(client(loopback), "contacts", ["email"], ["companies"]))
    assert [(record.id, record.to["companies"]) for record in found] == [("1", ("7", "8")), ("2", ())]
    assert [seen.body["limit"] for seen in loopback.seen] == ["100", "100"]


def test_changes_past_ten_thousand_results_all_come(loopback: Any) -> None:
    """HubSpot shows 10,000 results of a search; paging by object id gets at the others too, each once."""
    total = 10_450

    def script(seen: Any) -> Any:
        filters = {one["propertyName"]: one for one in seen.body["filterGroups"][0]["filters"]}
        assert filters["hs_lastmodifieddate"] == {
            "propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "1772323200000",
        }  # fmt: skip
        last = int(filters["hs_object_id"]["value"])
        page = range(last + 1, min(last + 200, total) + 1)
        return loopback.answer({"total": total - last, "results": [{"id": str(n), "properties": {}} for n in page]})

    loopback.script = script
    found = [record.id for record in hubspot_bulk.changes(client(loopback), "companies", ["name"], SINCE)]
    assert found == [str(n) for n in range(1, total + 1)]


def test_changed_contacts_are_found_by_their_own_date_and_bring_their_companies(loopback: Any) -> None:
    """Contacts have a last-modified property of another name; search answers no links, so they are asked for."""

    def script(seen: Any) -> Any:
        if seen.path.endswith("/search"):
            assert seen.body["filterGroups"][0]["filters"][0]["propertyName"] == "lastmodifieddate"
            return loopback.answer({"total": 1, "results": [{"id": "5", "properties": {}}]})
        types = [{"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}]
        to = [{"toObjectId": 3, "associationTypes": []}, {"toObjectId": 9, "associationTypes": types}]
        return loopback.answer({"results": [{"from": {"id": "5"}, "to": to}]})

    loopback.script = script
    [record] = hubspot_bulk.changes(client(loopback), "contacts", ["email"], SINCE, ["companies"])
    assert record.to == {"companies": ("9", "3")}


def test_searches_keep_below_four_a_second(loopback: Any) -> None:
    """Between two searches the client waits of its own accord, before HubSpot has to refuse."""
    slept: list[float] = []
    pages = [[{"id": str(n), "properties": {}} for n in range(1, 201)], []]
    loopback.script = lambda _seen: loopback.answer({"total": 200, "results": pages.pop(0)})
    hubspot = HubSpot(Connection("h", host=loopback.url, password="pat-x"), sleep=slept.append)
    list(hubspot_bulk.changes(hubspot, "deals", [], SINCE))
    assert max(slept) > 0.1


def test_an_owner_comes_once(loopback: Any) -> None:
    """Owners who left are listed after those who stay, and nobody twice."""

    def script(seen: Any) -> Any:
        archived = "archived=true" in seen.path
        rows = [{"id": "1", "email": "a@x.test", "archived": False}]
        return loopback.answer({"results": rows + ([{"id": "2", "email": "b@x.test", "archived": True}] * archived)})

    loopback.script = script
    assert [(o["id"], o["archived"]) for o in hubspot_bulk.owners(client(loopback))] == [("1", False), ("2", True)]
