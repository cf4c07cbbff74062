"""HubSpot as a destination: whole requests, owners, values written back, and nothing done twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from pql.clients.hubspot import HubSpot
from pql.destinations.hubspot import HubSpotDestination
from pql.destinations.hubspot.notes import task_body
from pql.types import Alert, Connection, Reason

TOKEN = "pat-very-secret"
FRIDAY = datetime(2026, 3, 6, 14, 5, tzinfo=UTC)
OWNERS = {"dana@relay.example": "77", "sdr@relay.example": "88"}


class Crm:
    """A scripted HubSpot: owners, one company, tasks by key, properties; `fail` answers come first, by path ending."""

    def __init__(self, loopback) -> None:
        self.loopback = loopback
        self.tasks: dict[str, dict] = {}
        self.links: set[tuple[str, str]] = set()
        self.properties = {"pql_delivery_key": True, "pql_score": False}
        self.company_owner = ""
        self.values: dict[str, str] = {}
        self.fail: dict[str, list] = {}
        loopback.script = self

    def __call__(self, seen):
        path = unquote(urlsplit(seen.path).path)
        for ending, answers in self.fail.items():
            if path.endswith(ending) and answers:
                return answers.pop(0)
        parts = path.strip("/").split("/")
        if path.endswith("/batch/upsert"):
            return self.upsert(seen.body["inputs"])
        if path.endswith("/tasks/batch/read"):
            return self.read(seen.body)
        if path.endswith("/objects/companies/batch/read"):
            rows = [{"id": row["id"], "properties": {"hubspot_owner_id": "99"}} for row in seen.body["inputs"]]
            return self.loopback.answer({"status": "COMPLETE", "results": rows})
        if path.endswith("/batch/associate/default"):
            return self.associate(seen.body["inputs"])
        if parts[:2] == ["crm", "v4"]:
            return self.associations(parts, seen.body["inputs"])
        if parts[2] == "owners":
            email = parse_qs(urlsplit(seen.path).query)["email"][0]
            found = [{"id": OWNERS[email], "email": email}] if email in OWNERS else []
            return self.loopback.answer({"results": found})
        if parts[2] == "properties":
            return self.property(seen, parts)
        return self.record(seen, parts)

    def missing(self):
        return self.loopback.answer({"status": "error", "message": "resource not found"}, status=404)

    def upsert(self, inputs):
        results = []
        for row in inputs:
            new = row["id"] not in self.tasks
            task = self.tasks.setdefault(row["id"], {"id": str(900 + len(self.tasks))})
            task["properties"] = row["properties"]
            results.append({**task, "new": new, "objectWriteTraceId": row["objectWriteTraceId"]})
        return self.loopback.answer({"status": "COMPLETE", "results": results})

    def read(self, body):
        assert (body["idProperty"], body["properties"]) == ("pql_delivery_key", ["pql_delivery_key"])
        found = [self.tasks[row["id"]] for row in body["inputs"] if row["id"] in self.tasks]
        status = 200 if len(found) == len(body["inputs"]) else 207
        return self.loopback.answer({"status": "COMPLETE", "results": found}, status=status)

    def associate(self, inputs):
        self.links |= {(row["from"]["id"], row["to"]["id"]) for row in inputs}
        return self.loopback.answer({"status": "COMPLETE", "results": inputs})

    def associations(self, parts, inputs):
        if parts[3] != "tasks":
            return self.loopback.answer({"results": []})
        results = [
            {"from": {"id": row["id"]}, "to": [{"toObjectId": to, "associationTypes": []}]}
            for row in inputs
            for task, to in self.links
            if task == row["id"]
        ]
        return self.loopback.answer({"results": results})

    def property(self, seen, parts):
        if seen.method == "POST":
            self.properties[seen.body["name"]] = seen.body["hasUniqueValue"]
            return self.loopback.answer(seen.body, status=201)
        name = parts[4]
        if name not in self.properties:
            return self.missing()
        return self.loopback.answer({"name": name, "hasUniqueValue": self.properties[name]})

    def record(self, seen, parts):
        kind, id = parts[3], parts[4]
        if kind == "tasks":
            return self.loopback.answer(self.tasks[id]) if id in self.tasks else self.missing()
        if seen.method == "PATCH":
            unknown = [name for name in seen.body["properties"] if name not in self.properties]
            if unknown:
                error = {"message": f'Property "{unknown[0]}" does not exist', "code": "PROPERTY_DOESNT_EXIST"}
                body = {"status": "error", "message": "Property values were not valid", "errors": [error]}
                return self.loopback.answer({**body, "category": "VALIDATION_ERROR"}, status=400)
            self.values |= seen.body["properties"]
            return self.loopback.answer({"id": id, "properties": self.values})
        return self.loopback.answer({"id": id, "properties": {"hubspot_owner_id": self.company_owner}})


@pytest.fixture
def crm(loopback) -> Crm:
    return Crm(loopback)


@pytest.fixture
def destination(loopback) -> HubSpotDestination:
    client = HubSpot(Connection("hubspot_default", loopback.url, password=TOKEN), sleep=lambda seconds: None)
    return HubSpotDestination(client, clock=lambda: FRIDAY, timezone="Europe/Berlin")


OPTIONS = {"due": "1 business day", "subject": "Call Acme Inc", "fallback_owner": "sdr@relay.example"}


def test_whole_task(crm, loopback, destination, make_order) -> None:
    """The task's request, whole: due next business day, for the owner, all reasons in its notes, keyed and linked."""
    result = destination.send(make_order("crm_task", options=OPTIONS))
    assert result.outcome == "delivered", result.reason
    assert result.receipt == {"task": "900", "owner": "77", "linked": True}
    (sent,) = loopback.asked("/crm/v3/objects/tasks/batch/upsert")
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.body == {
        "inputs": [
            {
                "idProperty": "pql_delivery_key",
                "id": "key-1",
                "objectWriteTraceId": "key-1",
                "properties": {
                    "hs_timestamp": "2026-03-09T16:00:00.000Z",
                    "hs_task_subject": "Call Acme Inc",
                    "hs_task_body": "<strong>Acme Inc just qualified</strong> · New business"
                    "<br>Mid-size (240 employees) · trial day 9"
                    "<br>Activation 75 % · Score 82 (+31 since last night) · Grade B1"
                    "<br><strong>Why</strong>"
                    "<br>+25 turned on self-serve billing"
                    "<br>+20 messages on 6 of the last 7 days"
                    "<br>+15 12 teammates invited"
                    "<br>+12 4 integrations<br>+8 calls<br>+4 files<br>+3 docs read"
                    "<br>−5 admin on free mail"
                    "<br><strong>Champions</strong> Mia Chen (412 actions on 7 days) · Tom Ruiz (160 on 5)"
                    "<br><strong>Next</strong> they use 12 of 15 seats: offer the team plan",
                    "hs_task_status": "NOT_STARTED",
                    "hs_task_priority": "HIGH",
                    "hs_task_type": "TODO",
                    "hubspot_owner_id": "77",
                    "pql_delivery_key": "key-1",
                },
            }
        ]
    }
    (linked,) = loopback.asked("/crm/v4/associations/tasks/companies/batch/associate/default")
    assert linked.body == {"inputs": [{"from": {"id": "900"}, "to": {"id": "4711"}}]}


def test_same_order_twice_is_one_task(crm, destination, make_order) -> None:
    """The delivery key is the task's unique property: sending again leaves one task."""
    for attempt in (1, 2):
        destination.send(make_order("crm_task", options=OPTIONS, attempt=attempt))
    assert list(crm.tasks) == ["key-1"]


def test_contact_of_an_account_of_one(crm, loopback, destination, make_order, alert) -> None:
    """SEM-W1: where the account is one person, the task hangs on the contact."""
    destination.send(make_order("crm_task", options=OPTIONS, alert=replace(alert, crm_kind="contact", crm_id="31")))
    (linked,) = loopback.asked("/crm/v4/associations/tasks/contacts/batch/associate/default")
    assert linked.body["inputs"][0]["to"] == {"id": "31"}


def test_owner_in_the_crm_by_now(crm, destination, make_order, alert) -> None:
    """SEM-W4: an account that had no owner when it qualified gets the task for the owner it has by now."""
    crm.company_owner = "99"
    result = destination.send(make_order("crm_task", options=OPTIONS, alert=replace(alert, owner_email="")))
    assert result.receipt["owner"] == "99"


def test_fallback_owner(crm, destination, make_order, alert) -> None:
    """An account nobody owns gives its task to the play's fallback owner (PRODUCT-A3)."""
    result = destination.send(make_order("crm_task", options=OPTIONS, alert=replace(alert, owner_email="")))
    assert result.receipt["owner"] == "88"


def test_nobody_at_all(crm, destination, make_order, alert) -> None:
    """Without any owner the task still exists on the record, unassigned, and the result says so."""
    ownerless = replace(alert, owner_email="left@relay.example")
    result = destination.send(make_order("crm_task", options={"subject": "Call"}, alert=ownerless))
    assert result.outcome == "delivered"
    assert "unassigned" in result.reason
    assert "hubspot_owner_id" not in crm.tasks["key-1"]["properties"]


def test_account_without_a_record(crm, loopback, destination, make_order, alert) -> None:
    """An account HubSpot does not know gets a task without a link; values cannot be written anywhere."""
    unknown = replace(alert, crm_id="", crm_kind="")
    assert destination.send(make_order("crm_task", options=OPTIONS, alert=unknown)).outcome == "delivered"
    assert loopback.asked("/batch/associate/default") == []
    refused = destination.send(make_order("crm_update", options={"pql_score": 82}, alert=unknown))
    assert refused.outcome == "rejected"
    assert "org:acme" in refused.reason


def test_own_words_come_first(crm, destination, make_order) -> None:
    """The play's body stands above the reasons, line by line, as text."""
    destination.send(make_order("crm_task", options={**OPTIONS, "body": "Hello <b>Acme</b>\n\nCall today"}))
    body = crm.tasks["key-1"]["properties"]["hs_task_body"]
    assert body.startswith("Hello &lt;b&gt;Acme&lt;/b&gt;<br>Call today<br><strong>Acme Inc just qualified</strong>")


def test_unreadable_due_date(crm, loopback, destination, make_order) -> None:
    """A due date in other words is refused with an example."""
    result = destination.send(make_order("crm_task", options={"due": "soonish"}))
    assert result.outcome == "rejected"
    assert "1 business day" in result.reason
    assert crm.tasks == {}


def test_values_written_back(crm, loopback, destination, make_order) -> None:
    """Values travel as strings, onto the company."""
    crm.properties |= dict.fromkeys(("pql_qualified", "pql_reasons", "pql_rate", "pql_qualified_at"), False)
    values = {"pql_score": 82, "pql_qualified": True, "pql_reasons": "+25 billing", "pql_rate": 75.0}
    moments = {"pql_qualified_at": "2026-03-06T15:00:00+01:00"}
    result = destination.send(make_order("crm_update", options=values | moments))
    assert result.receipt == {"object": "companies", "id": "4711", "properties": sorted(values | moments)}
    (sent,) = loopback.asked("/crm/v3/objects/companies/4711")
    assert sent.method == "PATCH"
    assert sent.body == {
        "properties": {
            "pql_score": "82",
            "pql_qualified": "true",
            "pql_reasons": "+25 billing",
            "pql_rate": "75",
            "pql_qualified_at": "2026-03-06T14:00:00.000Z",
        }
    }


OWN = {"pql_grade": "B1", "pql_hot": True, "pql_at": "2026-03-06T14:00:00+00:00", "pql_pct": 7.5}


def test_own_properties_are_created_when_missing(crm, loopback, destination, make_order) -> None:
    """A missing property of ours is created with a fitting type, and the values are written then."""
    result = destination.send(make_order("crm_update", options={"pql_score": 82, **OWN}))
    assert result.outcome == "delivered", result.reason
    created = {seen.body["name"]: seen.body["type"] for seen in loopback.asked("/properties/companies")}
    assert created == {"pql_grade": "string", "pql_hot": "enumeration", "pql_at": "datetime", "pql_pct": "number"}
    assert crm.values["pql_grade"] == "B1"


def test_foreign_properties_are_never_created(crm, loopback, destination, make_order) -> None:
    """A misspelt property of the customer's own is refused by name, not created."""
    result = destination.send(make_order("crm_update", options={"industy": "x"}))
    assert result.outcome == "rejected"
    assert loopback.asked("/properties/companies") == []


def test_values_for_many_records_go_in_one_request(crm, loopback, destination, make_order, alert) -> None:
    """A row that the batch does not confirm is written alone, and so is a second one for the same record, after it."""
    path = "/crm/v3/objects/companies/batch/update"
    crm.fail[path] = [loopback.answer({"results": [{"id": "1"}], "errors": [{"category": "x"}]}, status=207)]
    records = ["1", "4711", "1"]
    orders = [
        make_order(
            "crm_update", key=f"k{n}", delivery_id=n, options={"pql_score": n}, alert=replace(alert, crm_id=record)
        )
        for n, record in enumerate(records)
    ]
    crm.fail["/companies/1"] = [loopback.answer({"id": "1", "properties": {}})]
    results = destination.send_many(orders)
    assert [(each.outcome, each.receipt["id"]) for each in results] == [("delivered", id) for id in records]
    (together,) = loopback.asked("/batch/update")
    assert [row["id"] for row in together.body["inputs"]] == ["1", "4711"]
    alone = [(seen.path, seen.body["properties"]) for seen in loopback.seen if seen.method == "PATCH"]
    assert alone == [
        ("/crm/v3/objects/companies/4711", {"pql_score": "1"}),
        ("/crm/v3/objects/companies/1", {"pql_score": "2"}),
    ]


@pytest.mark.parametrize(("status", "outcome"), [(400, "delivered"), (429, "not_sent"), (502, "ambiguous")])
def test_a_batch_that_is_refused(crm, loopback, destination, make_order, status: int, outcome: str) -> None:
    """One wrong row refuses the batch: each is written alone then; a limit or a lost answer is everybody's."""
    crm.fail["/batch/update"] = [loopback.answer({"message": "no"}, status=status)]
    (result,) = destination.send_many([make_order("crm_update", options={"pql_score": 82})])
    assert result.outcome == outcome


@pytest.mark.parametrize(
    ("status", "outcome"), [(401, "not_sent"), (403, "not_sent"), (404, "rejected"), (502, "ambiguous")]
)
def test_what_a_refusal_means(crm, loopback, destination, make_order, status: int, outcome: str) -> None:
    """A wrong token is retried until ops put it right; a deleted record is final; a broken gateway is ambiguous."""
    crm.fail["/companies/4711"] = [loopback.answer({"message": f"token {TOKEN} is no good"}, status=status)]
    result = destination.send(make_order("crm_update", options={"pql_score": 82}))
    assert result.outcome == outcome
    assert "hubspot_default" in result.reason
    assert TOKEN not in repr(result) + repr(destination)


def test_token_refused_in_the_middle(crm, loopback, destination, make_order) -> None:
    """A token that expires between two tasks is not mistaken for a task that HubSpot will never take."""
    assert destination.send(make_order("crm_task", options=OPTIONS)).outcome == "delivered"
    expired = loopback.answer({"message": "expired"}, status=401)
    crm.fail = {"/batch/upsert": [expired], "/tasks/batch/read": [expired]}
    assert destination.send(make_order("crm_task", options=OPTIONS, key="key-2")).outcome == "not_sent"


def test_trouble_before_the_task_is_never_ambiguous(crm, loopback, destination, make_order) -> None:
    """While owners are looked up, nothing has been written."""
    crm.fail["/owners"] = [loopback.answer({}, status=500) for _ in range(9)]
    assert destination.send(make_order("crm_task", options=OPTIONS)).outcome == "not_sent"
    assert crm.tasks == {}


def test_row_refused_inside_a_207(crm, loopback, destination, make_order) -> None:
    """A batch that is accepted as a whole may still refuse the row: the row's own error counts."""
    error = {
        "status": "error",
        "category": "VALIDATION_ERROR",
        "message": "Property values were not valid",
        "context": {"objectWriteTraceId": ["key-1"]},
    }
    body = {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]}
    crm.fail["/batch/upsert"] = [loopback.answer(body, status=207)]
    result = destination.send(make_order("crm_task", options=OPTIONS))
    assert result.outcome == "rejected"
    assert "Property values were not valid" in result.reason


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "rejected"), (401, "not_sent"), (429, "not_sent"), (503, "not_sent")]
)
def test_what_a_batch_made_is_made_whatever_its_neighbour_meets(
    crm, loopback, destination, make_order, status: int, outcome: str
) -> None:
    """A row is refused and HubSpot fails when asked why: the row beside it is there, and is not said not to be."""
    crm.tasks["key-1"] = {"id": "901", "properties": {}}
    error = {"category": "VALIDATION_ERROR", "message": "no", "context": {"objectWriteTraceId": ["key-2"]}}
    made = {"id": "901", "new": True, "objectWriteTraceId": "key-1", "properties": {"pql_delivery_key": "key-1"}}
    crm.fail["/batch/upsert"] = [loopback.answer({"results": [made], "numErrors": 1, "errors": [error]}, status=207)]
    crm.fail["/tasks/batch/read"] = [loopback.answer({"results": []}, status=status)] * 9
    orders = [make_order("crm_task", options=OPTIONS, key=key) for key in ("key-1", "key-2")]
    assert [each.outcome for each in destination.send_many(orders)] == ["delivered", outcome]


def test_lost_answer_is_found_by_its_key(crm, loopback, destination, make_order) -> None:
    """A task whose answer was lost is looked up by its key: there with its link, there without, or not there."""
    order = make_order("crm_task", options=OPTIONS)
    assert destination.find(order).outcome == "not_sent"
    destination.send(order)
    found = destination.find(order)
    assert (found.outcome, found.receipt) == ("delivered", {"task": "900"})
    crm.links.clear()
    assert destination.find(order).outcome == "not_sent"
    assert destination.send(order).receipt["linked"] is True
    assert list(crm.tasks) == ["key-1"]


def test_owners_of_many_are_asked_for_in_a_few_requests(crm, loopback, destination, make_order, alert) -> None:
    """Sixty accounts of which no owner is known: their records are read together, and each task is its owner's."""
    unowned = [replace(alert, owner_email="", crm_id=str(n)) for n in range(60)]
    orders = [make_order("crm_task", key=f"key-{n}", alert=each, options=OPTIONS) for n, each in enumerate(unowned)]
    found = destination.send_many(orders)
    assert {each.receipt["owner"] for each in found} == {"99"}
    assert len(loopback.asked("/objects/companies/batch/read")) == 1
    paths = [each.path for each in loopback.seen if "/objects/companies/" in each.path]
    assert all("/batch/" in path for path in paths)


def test_many_are_looked_for_in_a_few_requests(crm, loopback, destination, make_order) -> None:
    """150 lost answers: two reads of tasks and two of their links; there or not, each has its own result."""
    orders = [make_order("crm_task", key=f"key-{n}", options=OPTIONS) for n in range(150)]
    destination.send_many(orders[:140])
    crm.links -= {(task, to) for task, to in crm.links if task == "905"}
    before = len(loopback.seen)
    found = destination.find_many(orders)
    assert len(loopback.seen) - before == 4
    assert {n for n, each in enumerate(found) if each.outcome == "not_sent"} == {5, *range(140, 150)}
    assert found[6].receipt == {"task": "906"}


def test_find_that_cannot_tell(crm, loopback, destination, make_order) -> None:
    """When HubSpot cannot be asked, it stays ambiguous; values are simply written again."""
    crm.fail["/tasks/batch/read"] = [loopback.answer({}, status=401)]
    assert destination.find(make_order("crm_task", options=OPTIONS)).outcome == "ambiguous"
    assert destination.find(make_order("crm_update", options={"pql_score": 1})).outcome == "not_sent"


@pytest.mark.parametrize(
    "text",
    [
        '<!channel> & "Söhne" 😀',
        "<script>alert(1)</script>",
        "a\r\nb",
        "x" * 10_000,
        "<" * 10_000,
        "\u202eevil",
        "\ud800",
    ],
)
def test_hostile_names_are_inert(crm, destination, make_order, alert: Alert, text: str) -> None:
    """Names cannot become markup in HubSpot's rich text, and subject and notes fit."""
    hostile = replace(alert, account_name=text, next_step=text, reasons=(Reason(1, text),) * 200, titles=(text,))
    body = task_body(hostile)
    assert set(part.split(">")[0] for part in body.split("<")[1:]) <= {"br", "strong", "/strong"}
    assert len(body) <= 65_536
    order = make_order("crm_task", options={"subject": f"Call {text}"}, alert=hostile)
    assert destination.send(order).outcome == "delivered"
    subject = crm.tasks["key-1"]["properties"]["hs_task_subject"]
    assert len(subject) <= 255
    assert "\n" not in subject
    json.dumps(crm.tasks, ensure_ascii=False).encode()
