"""The HubSpot client, one record at a time: the whole request, and every way a batch can end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import Task
from pql.types import Connection, UserError

UPSERT = "/crm/v3/objects/tasks/batch/upsert"
DUE = {"hs_timestamp": "2026-03-02T09:00:00Z"}


def client(loopback: Any) -> HubSpot:
    return HubSpot(Connection("hubspot_default", host=loopback.url, password="pat-x"), sleep=lambda _s: None)


def routes(loopback: Any, table: dict[tuple[str, str], Any]) -> None:
    """Answer by (method, path without query); a callable gets the request."""

    def script(seen: Any) -> Any:
        found = table.get((seen.method, seen.path.partition("?")[0]), loopback.answer({"message": "no route"}, 404))
        return found(seen) if callable(found) else found

    loopback.script = script


def upserted(loopback: Any) -> Any:
    """A HubSpot that takes every task, except those whose subject is bad, each in a row error of its own."""

    def script(seen: Any) -> Any:
        good = [row for row in seen.body["inputs"] if row["properties"].get("hs_task_subject") != "bad"]
        bad = [row for row in seen.body["inputs"] if row not in good]
        results = [{"id": "t-" + row["id"], "new": True, "properties": row["properties"]} for row in good]
        errors = [
            {"status": "error", "category": "VALIDATION_ERROR", "message": "no such owner",
             "context": {"objectWriteTraceId": [row["objectWriteTraceId"]]}}
            for row in bad
        ]  # fmt: skip
        return loopback.answer({"results": results, "errors": errors, "numErrors": len(errors)}, 207 if bad else 200)

    return script


def linked(loopback: Any) -> Any:
    return lambda seen: loopback.answer({"results": seen.body["inputs"]})


def test_the_whole_request_of_a_task(loopback: Any) -> None:
    """A task is upserted by its delivery key and then linked to its records."""
    routes(
        loopback,
        {
            ("POST", UPSERT): upserted(loopback),
            ("POST", "/crm/v4/associations/tasks/companies/batch/associate/default"): linked(loopback),
        },
    )
    [outcome] = client(loopback).batch_upsert_tasks([Task("k1", DUE, company_ids=("77",))])
    assert [(seen.path, seen.body) for seen in loopback.seen] == [
        (
            UPSERT,
            {
                "inputs": [
                    {
                        "idProperty": "pql_delivery_key",
                        "id": "k1",
                        "objectWriteTraceId": "k1",
                        "properties": {**DUE, "pql_delivery_key": "k1"},
                    }
                ]
            },
        ),
        (
            "/crm/v4/associations/tasks/companies/batch/associate/default",
            {"inputs": [{"from": {"id": "t-k1"}, "to": {"id": "77"}}]},
        ),
    ]
    assert loopback.seen[0].headers["authorization"] == "Bearer pat-x"
    assert (outcome.outcome, outcome.id, outcome.created, outcome.linked) == ("delivered", "t-k1", True, True)


def test_one_bad_row_does_not_fail_its_neighbours(loopback: Any) -> None:
    """Of a 207 the good rows are delivered and the bad one is rejected with HubSpot's reason."""
    routes(loopback, {("POST", UPSERT): upserted(loopback)})
    tasks = [Task("a", DUE), Task("b", {"hs_task_subject": "bad"}), Task("c", DUE)]
    outcomes = client(loopback).batch_upsert_tasks(tasks)
    assert [(one.key, one.outcome) for one in outcomes] == [("a", "delivered"), ("b", "rejected"), ("c", "delivered")]
    assert "no such owner" in outcomes[1].reason


def test_a_batch_refused_whole_is_halved_until_the_bad_row_stands_alone(loopback: Any) -> None:
    """Where HubSpot answers 400 for the batch, only the row that is to blame is rejected."""

    def script(seen: Any) -> Any:
        if any(row["id"] == "bad" for row in seen.body["inputs"]):
            return loopback.answer({"message": "Invalid input JSON", "category": "VALIDATION_ERROR"}, 400)
        return upserted(loopback)(seen)

    routes(loopback, {("POST", UPSERT): script})
    tasks = [Task(key, DUE) for key in ("a", "b", "bad", "c", "d")]
    outcomes = client(loopback).batch_upsert_tasks(tasks)
    assert [one.outcome for one in outcomes] == ["delivered", "delivered", "rejected", "delivered", "delivered"]
    assert "Invalid input JSON" in outcomes[2].reason


def test_a_row_the_answer_does_not_mention_is_ambiguous(loopback: Any) -> None:
    """Rows are never marked sent on the strength of a 200 alone."""
    routes(loopback, {("POST", UPSERT): loopback.answer({"results": []})})
    [outcome] = client(loopback).batch_upsert_tasks([Task("a", DUE)])
    assert outcome.outcome == "ambiguous"


def test_a_task_without_its_link_is_sent_again(loopback: Any) -> None:
    """When linking fails in passing the task counts as not sent, so that a second attempt adds the link."""
    path = "/crm/v4/associations/tasks/contacts/batch/associate/default"
    routes(loopback, {("POST", UPSERT): upserted(loopback), ("POST", path): loopback.answer({}, 502)})
    [outcome] = client(loopback).batch_upsert_tasks([Task("a", DUE, contact_ids=("5",))])
    assert (outcome.outcome, outcome.linked) == ("not_sent", False)
    routes(loopback, {("POST", UPSERT): upserted(loopback), ("POST", path): linked(loopback)})
    [again] = client(loopback).batch_upsert_tasks([Task("a", DUE, contact_ids=("5",))])
    assert (again.outcome, again.linked) == ("delivered", True)


def test_more_than_a_hundred_tasks_go_in_batches(loopback: Any) -> None:
    """HubSpot takes 100 inputs a batch; every task still has its outcome, in order."""
    routes(loopback, {("POST", UPSERT): upserted(loopback)})
    outcomes = client(loopback).batch_upsert_tasks([Task(f"k{n}", DUE) for n in range(250)])
    assert [len(seen.body["inputs"]) for seen in loopback.seen] == [100, 100, 50]
    assert [one.id for one in outcomes] == [f"t-k{n}" for n in range(250)]


def test_the_company_as_it_is_now(loopback: Any) -> None:
    """SEM-W4: owner, lifecycle stage, not a fit, snooze, and deals open and won are read at the moment of sending."""
    company = {"id": "9", "properties": {"name": "Acme", "hubspot_owner_id": "3", "lifecyclestage": "lead",
               "pql_not_a_fit": "true", "pql_snooze_until": "1772366400000"}}  # fmt: skip
    deals = [
        {"id": "1", "properties": {"dealstage": "new", "hs_is_closed": "false", "hs_is_closed_won": "false"}},
        {"id": "2", "properties": {"dealstage": "closedwon", "hs_is_closed": "true", "hs_is_closed_won": "true",
                                   "closedate": "2026-02-01T00:00:00Z"}},
        {"id": "3", "properties": {"dealstage": "closedlost", "hs_is_closed": "true", "hs_is_closed_won": "false"}},
    ]  # fmt: skip
    link = {"from": {"id": "9"}, "to": [{"toObjectId": n, "associationTypes": []} for n in (1, 2, 3)]}
    routes(
        loopback,
        {
            ("GET", "/crm/v3/objects/companies/9"): loopback.answer(company),
            ("POST", "/crm/v4/associations/companies/deals/batch/read"): loopback.answer({"results": [link]}),
            ("POST", "/crm/v3/objects/deals/batch/read"): loopback.answer({"results": deals}),
        },
    )
    now = client(loopback).company_now("9")
    assert now is not None
    assert (now.name, now.owner_id, now.lifecycle_stage, now.not_a_fit) == ("Acme", "3", "lead", True)
    assert now.snooze_until == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert [deal.id for deal in now.open_deals] == ["1"]
    assert [(deal.id, deal.closed_at) for deal in now.won_deals] == [("2", datetime(2026, 2, 1, tzinfo=UTC))]


def test_many_companies_as_they_are_now(loopback: Any) -> None:
    """SEM-W4: all in three requests; what they lack is asked for alone, where a merged record answers."""
    rows = [{"id": id, "properties": {"name": f"C{id}", "pql_not_a_fit": None}} for id in ("1", "2")]
    deal = {"id": "5", "properties": {"dealstage": "new", "hs_is_closed": "false", "hs_is_closed_won": "false"}}
    link = {"from": {"id": "2"}, "to": [{"toObjectId": 5, "associationTypes": []}]}
    routes(
        loopback,
        {
            ("POST", "/crm/v3/objects/companies/batch/read"): loopback.answer({"results": rows}, 207),
            ("POST", "/crm/v4/associations/companies/deals/batch/read"): loopback.answer({"results": [link]}),
            ("POST", "/crm/v3/objects/deals/batch/read"): loopback.answer({"results": [deal]}),
            ("GET", "/crm/v3/objects/companies/3"): loopback.answer({"id": "33", "properties": {"name": "Merged"}}),
        },
    )
    found = client(loopback).records_now("companies", ["1", "2", "3", "4"])
    assert {id: (one.id, one.name, len(one.open_deals)) for id, one in found.items()} == {
        "1": ("1", "C1", 0),
        "2": ("2", "C2", 1),
        "3": ("33", "Merged", 0),
    }
    asked = [seen.method + " " + seen.path.partition("?")[0] for seen in loopback.seen if "/companies/" in seen.path]
    assert asked.count("POST /crm/v3/objects/companies/batch/read") == 1
    assert [one for one in asked if one.startswith("GET")] == [f"GET /crm/v3/objects/companies/{n}" for n in "34"]


def test_a_company_that_is_gone_is_none(loopback: Any) -> None:
    """A deleted company is an answer, not an error."""
    routes(loopback, {})
    assert client(loopback).company_now("9/1") is None
    assert loopback.seen[-1].path.startswith("/crm/v3/objects/companies/9%2F1?")


def test_tasks_that_nobody_made_are_left_out(loopback: Any) -> None:
    """All keys in one request, which names the others with a 207."""
    there = {"id": "5", "properties": {"pql_delivery_key": "k/1"}}
    batch = ("POST", "/crm/v3/objects/tasks/batch/read")
    routes(loopback, {batch: loopback.answer({"results": [there]}, 207)})
    assert client(loopback).tasks_by_keys(["k/1", "k/2"]) == {"k/1": "5"}
    assert loopback.seen[-1].body["idProperty"] == "pql_delivery_key"


def test_the_key_property_is_created_once_and_must_be_unique(loopback: Any) -> None:
    """The property is made if it is missing, left if it is there, and refused if it does not hold unique values."""
    path = "/crm/v3/properties/tasks/pql_delivery_key"
    routes(loopback, {("POST", "/crm/v3/properties/tasks"): loopback.answer({}, 201)})
    client(loopback).ensure_task_key_property()
    made = loopback.asked("/crm/v3/properties/tasks")[0].body
    assert (made["name"], made["hasUniqueValue"], made["type"], made["fieldType"]) == (
        "pql_delivery_key", True, "string", "text",
    )  # fmt: skip
    routes(loopback, {("GET", path): loopback.answer({"name": "pql_delivery_key", "hasUniqueValue": True})})
    client(loopback).ensure_task_key_property()
    assert len(loopback.asked("/crm/v3/properties/tasks")) == 1
    routes(loopback, {("GET", path): loopback.answer({"name": "pql_delivery_key", "hasUniqueValue": False})})
    with pytest.raises(UserError, match="does not hold unique values"):
        client(loopback).ensure_task_key_property()


def test_a_property_somebody_else_has_just_made_is_fine(loopback: Any) -> None:
    """Two workers that create the same property at once do not fail each other."""
    routes(loopback, {("POST", "/crm/v3/properties/companies"): loopback.answer({"message": "exists"}, 409)})
    assert client(loopback).ensure_property("companies", "pql_score", type="number") is False


def test_an_owner_is_found_by_address_and_asked_once(loopback: Any) -> None:
    """Only an exact address counts, in whatever case; nobody is None."""
    owners = {"results": [{"id": 11, "email": "dana@relay.example"}]}
    routes(loopback, {("GET", "/crm/v3/owners"): loopback.answer(owners)})
    hubspot = client(loopback)
    assert [hubspot.owner_by_email(mail) for mail in ("Dana@relay.example", " dana@relay.example", "d@x.test")] == [
        "11", "11", None,
    ]  # fmt: skip
    assert len(loopback.seen) == 2


def test_a_connection_without_token_is_refused_by_name() -> None:
    """An empty password is said at once, with the connection's id."""
    with pytest.raises(UserError, match=r"Connection hubspot_default: it has no password"):
        HubSpot(Connection("hubspot_default"))
