"""The simulated HubSpot reads, writes and refuses as HubSpot does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from pql.sandbox import Server
from pql.sandbox.names import HOSTILE_NAME

OBJECTS = "/crm/v3/objects"
TASK = {"hs_timestamp": "2026-11-19T17:00:00Z", "hs_task_subject": "Call", "hs_task_status": "NOT_STARTED"}
KEY = {
    "name": "pql_key",
    "label": "Key",
    "type": "string",
    "fieldType": "text",
    "groupName": "task",
    "hasUniqueValue": True,
}
HOSTILE_ID = "9000000002"


def pages(hubspot: Any, kind: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        answer = hubspot("GET", f"{OBJECTS}/{kind}", limit=100, **query, **({"after": after} if after else {})).json()
        found += answer["results"]
        after = answer.get("paging", {}).get("next", {}).get("after")
        if after is None:
            return found


def search(hubspot: Any, kind: str, *filters: dict[str, Any], **body: Any) -> requests.Response:
    groups = [{"filters": list(filters)}] if filters else []
    answer: requests.Response = hubspot("POST", f"{OBJECTS}/{kind}/search", {"filterGroups": groups, **body})
    return answer


def test_companies_are_listed_page_by_page(hubspot: Any) -> None:
    """Every company once, with the properties asked for as strings or null; some have no owner, one a wild name."""
    wanted = "name,domain,numberofemployees,hubspot_owner_id,lifecyclestage,plan,plan_seats,product_account_id"
    found = pages(hubspot, "companies", properties=wanted)
    values = [row["properties"] for row in found]
    assert len({row["id"] for row in found}) == len(found) > 400
    assert all(value is None or isinstance(value, str) for row in values for value in row.values())
    assert {row["lifecyclestage"] for row in values} >= {"lead", "opportunity", "customer"}
    assert any(row["hubspot_owner_id"] is None for row in values)
    assert any(row["product_account_id"] is None for row in values)
    assert HOSTILE_NAME in {row["name"] for row in values}


def test_contacts_and_deals_lead_to_their_companies(hubspot: Any) -> None:
    """Inline associations of a list and v4 batch reads agree, in both directions."""
    contact = next(row for row in pages(hubspot, "contacts", associations="companies") if "associations" in row)
    company = contact["associations"]["companies"]["results"][0]
    answer = hubspot(
        "POST", "/crm/v4/associations/companies/contacts/batch/read", {"inputs": [{"id": company["id"]}]}
    ).json()
    back = answer["results"][0]
    assert company["type"] == "contact_to_company"
    assert back["from"] == {"id": company["id"]}
    assert int(contact["id"]) in [to["toObjectId"] for to in back["to"]]
    assert {kind["typeId"] for kind in back["to"][0]["associationTypes"]} == {280, 2}


def test_a_batch_read_of_associations_names_those_without_any(hubspot: Any) -> None:
    """207 with NO_ASSOCIATIONS_FOUND."""
    answer = hubspot("POST", "/crm/v4/associations/companies/tasks/batch/read", {"inputs": [{"id": HOSTILE_ID}]})
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert answer.json()["errors"][0]["context"] == {"fromObjectId": [HOSTILE_ID]}


def test_search_filters_sorts_and_pages(hubspot: Any) -> None:
    """What changed since an instant, oldest first, two hundred at a time."""
    since = {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1794700800000"}
    sort = [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}]
    first = search(hubspot, "contacts", since, sorts=sort, limit=50).json()
    second = search(hubspot, "contacts", since, sorts=sort, limit=50, after=first["paging"]["next"]["after"]).json()
    stamps = [row["properties"]["lastmodifieddate"] for row in first["results"] + second["results"]]
    assert first["total"] == second["total"] > 100
    assert stamps == sorted(stamps)
    assert stamps[0] >= "2026-11-15"


@pytest.mark.parametrize(
    ("one", "names"),
    [
        ({"propertyName": "name", "operator": "EQ", "value": HOSTILE_NAME}, [HOSTILE_NAME]),
        ({"propertyName": "domain", "operator": "IN", "values": ["soehne.example", "x.example"]}, [HOSTILE_NAME]),
        (
            {"propertyName": "hs_object_id", "operator": "BETWEEN", "value": "9000000001", "highValue": "9000000003"},
            None,
        ),
        ({"propertyName": "name", "operator": "NOT_HAS_PROPERTY"}, []),
    ],
)
def test_search_operators(hubspot: Any, one: dict[str, Any], names: list[str] | None) -> None:
    """Text compares without regard to case, numbers as numbers, and absence can be asked for."""
    found = [row["properties"]["name"] for row in search(hubspot, "companies", one).json()["results"]]
    assert found == names if names is not None else HOSTILE_NAME in found


@pytest.mark.parametrize(
    ("filters", "body", "says"),
    [
        ([{"propertyName": "shoe_size", "operator": "EQ", "value": "44"}], {}, "shoe_size does not exist"),
        ([{"propertyName": "name", "operator": "LIKE", "value": "x"}], {}, "LIKE is not a valid operator"),
        ([{"propertyName": "name", "operator": "IN", "value": "x"}], {}, "requires values"),
        ([{"operator": "EQ", "value": "x"}], {}, "Cannot build Filter"),
        ([], {"limit": 201}, "between 1 and 200"),
        ([], {"after": "9900", "limit": 200}, "10000 results"),
        ([], {"sorts": ["name", "domain"]}, "Only one sort"),
        ([{"propertyName": "name", "operator": "EQ", "value": "x"}] * 7, {}, "Too many filters"),
    ],
)
def test_a_wrong_search_is_refused(hubspot: Any, filters: list[Any], body: dict[str, Any], says: str) -> None:
    """400 with category VALIDATION_ERROR and a correlation id."""
    answer = search(hubspot, "companies", *filters, **body)
    assert answer.status_code == 400
    assert says in answer.json()["message"]
    assert answer.json()["category"] == "VALIDATION_ERROR"
    assert answer.json()["correlationId"]


def test_an_update_is_seen_by_everybody(hubspot: Any) -> None:
    """PATCH changes the value and hs_lastmodifieddate; the record is then among those changed since."""
    path = f"{OBJECTS}/companies/{HOSTILE_ID}"
    patched = hubspot("PATCH", path, {"properties": {"pql_score": "82", "pql_reasons": "+20 a\n+5 b"}})
    read = hubspot("GET", path, properties="pql_score,pql_reasons,name").json()
    since = {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "2026-11-18T14:30:00Z"}
    assert patched.status_code == 200
    assert (read["properties"]["pql_score"], read["properties"]["pql_reasons"]) == ("82", "+20 a\n+5 b")
    assert HOSTILE_ID in [row["id"] for row in search(hubspot, "companies", since, limit=200).json()["results"]]


def test_an_unknown_property_is_refused_in_hubspots_own_words(hubspot: Any, sandbox: Server) -> None:
    """PROPERTY_DOESNT_EXIST, in the message as JSON text and in `errors`; nothing is written."""
    answer = hubspot("PATCH", f"{OBJECTS}/companies/{HOSTILE_ID}", {"properties": {"pql_scor": "1", "pql_score": "2"}})
    body = answer.json()
    listed = json.loads(body["message"].removeprefix("Property values were not valid: "))
    assert answer.status_code == 400
    assert listed[0]["error"] == body["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
    assert body["errors"][0]["context"] == {"propertyName": ["pql_scor"]}
    assert sandbox.effects() == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("pql_score", "eighty", "INVALID_INTEGER"),
        ("pql_qualified_at", "yesterday", "INVALID_DATE"),
        ("lifecyclestage", "friend", "INVALID_OPTION"),
        ("hubspot_owner_id", "12", "INVALID_OPTION"),
        ("hs_object_id", "12", "READ_ONLY_VALUE"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(hubspot: Any, name: str, value: str, code: str) -> None:
    """Numbers, dates, options, owners and read-only properties are checked."""
    answer = hubspot("PATCH", f"{OBJECTS}/companies/{HOSTILE_ID}", {"properties": {name: value}})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


def test_values_travel_as_strings(hubspot: Any) -> None:
    """A JSON number as a property value cannot be read."""
    answer = hubspot("PATCH", f"{OBJECTS}/companies/{HOSTILE_ID}", {"properties": {"pql_score": 82}})
    assert answer.status_code == 400
    assert "java.lang.String" in answer.json()["message"]


def test_a_task_needs_a_time_and_hangs_on_its_company(hubspot: Any) -> None:
    """Without hs_timestamp 400; with it and an association 201, and the company knows the task."""
    link = {"to": {"id": HOSTILE_ID}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}]}
    late = hubspot("POST", f"{OBJECTS}/tasks", {"properties": {"hs_task_subject": "Call"}})
    made = hubspot("POST", f"{OBJECTS}/tasks", {"properties": TASK, "associations": [link]})
    linked = hubspot("GET", f"/crm/v4/objects/companies/{HOSTILE_ID}/associations/tasks").json()["results"]
    assert (late.status_code, late.json()["context"]) == (400, {"properties": ["hs_timestamp"]})
    assert made.status_code == 201
    assert [row["toObjectId"] for row in linked] == [int(made.json()["id"])]


@pytest.mark.parametrize(("type_id", "to"), [(999, HOSTILE_ID), (192, "1")])
def test_an_association_that_cannot_be_fails_the_creation(hubspot: Any, sandbox: Server, type_id: int, to: str) -> None:
    """A wrong type or a company that is not there: 400 and no task."""
    link = {"to": {"id": to}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]}
    answer = hubspot("POST", f"{OBJECTS}/tasks", {"properties": TASK, "associations": [link]})
    assert answer.status_code == 400
    assert sandbox.effects() == []


def test_an_upsert_by_a_unique_property_makes_one_task(hubspot: Any) -> None:
    """Twice the same key: new, then not; the task is found by its key."""
    row = {"id": "k-1", "idProperty": "pql_key", "properties": TASK}
    assert hubspot("POST", "/crm/v3/properties/tasks", KEY).status_code == 201
    first, again = (hubspot("POST", f"{OBJECTS}/tasks/batch/upsert", {"inputs": [row]}).json() for _ in range(2))
    found = hubspot("GET", f"{OBJECTS}/tasks/k-1", idProperty="pql_key", properties="pql_key").json()
    assert [answer["results"][0]["new"] for answer in (first, again)] == [True, False]
    assert found["id"] == first["results"][0]["id"] == again["results"][0]["id"]
    assert found["properties"]["pql_key"] == "k-1"


def test_one_bad_row_of_a_batch_does_not_fail_its_neighbours(hubspot: Any) -> None:
    """207 with `numErrors` and the row's id and trace id beside the results."""
    hubspot("POST", "/crm/v3/properties/tasks", KEY)
    rows = [
        {"id": "good", "idProperty": "pql_key", "properties": TASK},
        {"id": "bad", "idProperty": "pql_key", "properties": {"hs_task_subject": "x"}, "objectWriteTraceId": "t-2"},
    ]
    answer = hubspot("POST", f"{OBJECTS}/tasks/batch/upsert", {"inputs": rows})
    body = answer.json()
    assert (answer.status_code, body["numErrors"], len(body["results"])) == (207, 1, 1)
    assert body["errors"][0]["context"]["id"] == ["bad"]
    assert body["errors"][0]["context"]["objectWriteTraceId"] == ["t-2"]


def test_an_upsert_takes_no_associations(hubspot: Any) -> None:
    """As in the real API they are not read: the task hangs on nothing until it is associated by itself."""
    hubspot("POST", "/crm/v3/properties/tasks", KEY)
    link = {"to": {"id": HOSTILE_ID}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}]}
    row = {"id": "k-1", "idProperty": "pql_key", "properties": TASK, "associations": [link]}
    task = hubspot("POST", f"{OBJECTS}/tasks/batch/upsert", {"inputs": [row]}).json()["results"][0]["id"]
    path = f"/crm/v4/objects/tasks/{task}/associations"
    before = hubspot("GET", f"{path}/companies").json()["results"]
    hubspot("PUT", f"{path}/default/companies/{HOSTILE_ID}")
    hubspot("PUT", f"{path}/default/companies/{HOSTILE_ID}")
    after = hubspot("GET", f"{path}/companies").json()["results"]
    assert before == []
    assert [row["toObjectId"] for row in after] == [int(HOSTILE_ID)]


def test_a_unique_value_is_taken_once(hubspot: Any) -> None:
    """A second task with the same key is CONFLICTING_UNIQUE_VALUE and names who has it."""
    hubspot("POST", "/crm/v3/properties/tasks", KEY)
    first = hubspot("POST", f"{OBJECTS}/tasks", {"properties": {**TASK, "pql_key": "k"}}).json()["id"]
    error = hubspot("POST", f"{OBJECTS}/tasks", {"properties": {**TASK, "pql_key": "k"}}).json()["errors"][0]
    assert (error["code"], error["message"]) == ("CONFLICTING_UNIQUE_VALUE", f"{first} already has that value.")


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([{"id": str(i), "idProperty": "pql_key", "properties": TASK} for i in range(101)], "100"),
        ([{"id": "a", "idProperty": "pql_key", "properties": TASK}] * 2, "Duplicate ids"),
        ([{"id": "a", "idProperty": "hs_task_subject", "properties": TASK}], "not a unique property"),
        ([{"id": "a", "properties": TASK}], "idProperty"),
    ],
)
def test_a_wrong_batch_is_refused_whole(hubspot: Any, inputs: list[Any], says: str) -> None:
    """At most a hundred rows, each with an id of its own under a unique property."""
    hubspot("POST", "/crm/v3/properties/tasks", KEY)
    answer = hubspot("POST", f"{OBJECTS}/tasks/batch/upsert", {"inputs": inputs})
    assert answer.status_code == 400
    assert says in answer.json()["message"]


def test_a_property_is_made_once(hubspot: Any) -> None:
    """404 before, 201, then 409; a name with capitals or a missing field is 400."""
    path = "/crm/v3/properties/tasks"
    codes = [
        hubspot("GET", f"{path}/pql_key").status_code,
        hubspot("POST", path, KEY).status_code,
        hubspot("POST", path, KEY).status_code,
        hubspot("POST", path, {**KEY, "name": "PQL Key"}).status_code,
        hubspot("POST", path, {"name": "x"}).status_code,
    ]
    assert codes == [404, 201, 409, 400, 400]
    assert hubspot("GET", f"{path}/pql_key").json()["hasUniqueValue"] is True


def test_owners_are_found_by_address(hubspot: Any) -> None:
    """All six, or the one with that e-mail; none is archived."""
    assert len(hubspot("GET", "/crm/v3/owners").json()["results"]) == 6
    found = hubspot("GET", "/crm/v3/owners", email="dana@relay.example").json()["results"]
    assert [(owner["firstName"], owner["type"]) for owner in found] == [("Dana", "PERSON")]
    assert hubspot("GET", "/crm/v3/owners", archived="true").json()["results"] == []


def test_missing_things_are_404_and_in_a_batch_207(hubspot: Any) -> None:
    """A single read says OBJECT_NOT_FOUND; a batch read gives what there is and names the rest."""
    single = hubspot("GET", f"{OBJECTS}/companies/1")
    batch = hubspot("POST", f"{OBJECTS}/companies/batch/read", {"inputs": [{"id": HOSTILE_ID}, {"id": "1"}]})
    assert (single.status_code, single.json()["category"]) == (404, "OBJECT_NOT_FOUND")
    assert batch.status_code == 207
    assert [row["id"] for row in batch.json()["results"]] == [HOSTILE_ID]
    assert batch.json()["errors"][0]["context"] == {"ids": ["1"]}


def test_the_crm_moves_with_time(hubspot: Any, clock: Any) -> None:
    """Deals are opened and won as days pass, and a company that became a customer says so."""
    before = {row["id"] for row in pages(hubspot, "deals", properties="hs_is_closed_won")}
    clock.pass_(days=6)
    deals = pages(hubspot, "deals", properties="hs_is_closed_won,closedate,dealstage")
    won = [row["properties"] for row in deals if row["properties"]["hs_is_closed_won"] == "true"]
    assert {row["id"] for row in deals} - before
    assert won
    assert all(row["closedate"] and row["dealstage"] == "closedwon" for row in won)


def test_a_stranger_is_turned_away(sandbox: Server) -> None:
    """401 with category INVALID_AUTHENTICATION."""
    answer = requests.get(f"{sandbox.url}/hubspot/account-info/v3/details", timeout=10)
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_too_many_searches_are_told_to_wait(strict: Server) -> None:
    """429 with RATE_LIMITS, SECONDLY and Retry-After; other reads go on."""
    headers = {"Authorization": "Bearer pat-sandbox"}
    url = f"{strict.url}/hubspot{OBJECTS}/companies/search"
    answers = [requests.post(url, json={"limit": 0}, headers=headers, timeout=10) for _ in range(40)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.json()["policyName"] for answer in refused} == {"SECONDLY"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert requests.get(f"{strict.url}/hubspot/crm/v3/owners", headers=headers, timeout=10).status_code == 200


def test_a_restart_forgets_nothing(tmp_path: Path, clock: Any) -> None:
    """Tasks, their keys and associations, custom properties and updates are back after the process is gone."""
    headers = {"Authorization": "Bearer pat-sandbox"}

    def call(server: Server, method: str, path: str, json: Any = None) -> Any:
        return requests.request(method, f"{server.url}/hubspot{path}", json=json, headers=headers, timeout=10).json()

    with Server(tmp_path, clock=clock) as server:
        call(server, "POST", "/crm/v3/properties/tasks", KEY)
        row = {"id": "k", "idProperty": "pql_key", "properties": TASK}
        task = call(server, "POST", f"{OBJECTS}/tasks/batch/upsert", {"inputs": [row]})["results"][0]["id"]
        call(server, "PUT", f"/crm/v4/objects/tasks/{task}/associations/default/companies/{HOSTILE_ID}")
        call(server, "PATCH", f"{OBJECTS}/companies/{HOSTILE_ID}", {"properties": {"pql_score": "82"}})
    with Server(tmp_path, clock=clock) as server:
        found = call(server, "GET", f"{OBJECTS}/tasks/k?idProperty=pql_key&associations=companies")
        score = call(server, "GET", f"{OBJECTS}/companies/{HOSTILE_ID}?properties=pql_score")["properties"]["pql_score"]
    assert found["id"] == task
    assert found["associations"]["companies"]["results"][0]["id"] == HOSTILE_ID
    assert score == "82"
    kinds = [(effect["kind"], effect["key"]) for effect in server.effects()]
    assert kinds == [("other", None), ("crm_task", "k"), ("other", None), ("crm_update", None)]
