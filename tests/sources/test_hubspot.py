"""The HubSpot source: what is filed at which moment, and whom a change concerns."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pql.clients.http import RemoteError
from pql.types import Connection

SETTINGS = {
    "kind": "hubspot",
    "attributes": {"plan": "plan_name", "seats": "plan_seats"},
    "account_id_property": "product_account_id",
}
T = datetime(2026, 3, 5, tzinfo=UTC)
NOW = T + timedelta(minutes=10)
COMPANY = {
    "name": "Acme", "domain": "Acme.test ", "numberofemployees": "240", "hubspot_owner_id": "11",
    "lifecyclestage": "customer", "hs_v2_date_entered_customer": "2026-02-01T00:00:00Z", "plan_name": "pro",
    "plan_seats": "15", "product_account_id": "o1", "pql_not_a_fit": "true",
    "pql_snooze_until": "2026-04-01T00:00:00Z", "createdate": "2025-01-01T00:00:00Z",
}  # fmt: skip


class Fake:
    """A HubSpot with one of everything; `records` by object can be changed between reads."""

    def __init__(self, loopback: Any) -> None:
        self.loopback = loopback
        self.connection = Connection("hubspot_default", host=loopback.url, password="pat-x")
        self.records: dict[str, list[dict[str, Any]]] = {
            "companies": [{"id": "1", "properties": dict(COMPANY), "updatedAt": "2026-03-01T00:00:00Z"}],
            "contacts": [{"id": "2", "properties": {"email": "Mia@Acme.test", "firstname": "Mia", "lastname": "Chen"},
                          "associations": {"companies": {"results": [{"id": "1", "type": "contact_to_company"}]}}}],
            "deals": [{"id": "3", "properties": {"dealstage": "won", "amount": "1200.5", "hs_is_closed": "true",
                                                 "hs_is_closed_won": "true", "closedate": "2026-02-01T00:00:00Z"},
                       "associations": {"companies": {"results": [{"id": "1", "type": "deal_to_company"}]}}}],
            "meetings": [{"id": "4", "properties": {"hs_meeting_start_time": "2026-03-09T09:00:00Z"}}],
        }  # fmt: skip
        self.modified_since: list[int] = []
        loopback.script = self._answer

    def _answer(self, seen: Any) -> Any:
        path = seen.path.partition("?")[0]
        if path == "/crm/v3/owners":
            owner = {"id": "11", "email": "Dana@relay.example", "firstName": "Dana", "lastName": "Ito"}
            return self.loopback.answer({"results": [owner]})
        if path.startswith("/crm/v4/associations"):
            rows = [{"from": {"id": one["id"]}, "to": [{"toObjectId": "1"}]} for one in seen.body["inputs"]]
            return self.loopback.answer({"results": rows})
        object = path.split("/")[4]
        if path.endswith("/search"):
            self.modified_since.append(int(seen.body["filterGroups"][0]["filters"][0]["value"]))
        return self.loopback.answer({"results": self.records[object]})


@pytest.fixture
def hubspot(loopback: Any) -> Fake:
    return Fake(loopback)


def test_every_object_becomes_rows_of_its_table(reader: Any, hubspot: Fake) -> None:
    """Companies, contacts, owners, deals and meetings, each with the columns that the lake names."""
    done = reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T, mode="nightly")
    assert (done.report.read, done.report.published) == (5, 5)
    assert reader.crm(
        "accounts",
        "id, name, domain, employees, owner_id, lifecycle_stage, became_customer_at::VARCHAR, external_account_id, "
        "not_a_fit, snooze_until::VARCHAR, created_at::VARCHAR, updated_at::VARCHAR, archived",
    ) == [
        (
            "1", "Acme", "acme.test", 240, "11", "customer", "2026-02-01 00:00:00", "o1", True, "2026-04-01 00:00:00",
            "2025-01-01 00:00:00", "2026-03-01 00:00:00", False,
        )
    ]  # fmt: skip
    assert [json.loads(row[0]) for row in reader.crm("accounts", "properties")] == [{"plan": "pro", "seats": 15}]
    assert reader.crm("contacts", "id, email, name, account_id") == [("2", "mia@acme.test", "Mia Chen", "1")]
    assert reader.crm("owners", "id, email, name") == [("11", "dana@relay.example", "Dana Ito")]
    assert reader.crm("deals", "account_id, stage, is_closed, is_won, amount, closed_at::VARCHAR") == [
        ("1", "won", True, True, 1200.5, "2026-02-01 00:00:00")
    ]
    assert reader.crm("meetings", "id, starts_at::VARCHAR") == [("4", "2026-03-09 09:00:00")]


def test_a_live_run_files_at_its_own_moment_and_a_rerun_never_replaces_that(reader: Any, hubspot: Fake) -> None:
    """SEM-C1: what the run at T saw stays what it saw, whenever and however often it is done again."""
    reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T, mode="nightly")
    hubspot.records["companies"][0]["properties"]["name"] = "Renamed"
    again = reader.read(SETTINGS, connection=hubspot.connection, now=NOW + timedelta(hours=6), as_of=T, mode="nightly")
    assert reader.crm("accounts", "name, filed_at::VARCHAR") == [("Acme", "2026-03-05 00:00:00")]
    assert again.report.published == 0
    assert "filed already for 2026-03-05T00:00:00" in again.report.note


def test_any_other_read_is_filed_when_it_was_made(reader: Any, hubspot: Fake) -> None:
    """SEM-C1: a run for a moment long past cannot claim that the CRM looked like today then."""
    reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T - timedelta(days=30), mode="nightly")
    assert reader.crm("accounts", "filed_at::VARCHAR") == [("2026-03-05 00:10:00",)]


def test_a_backfill_does_not_read_the_crm_again_and_again(reader: Any, hubspot: Fake) -> None:
    """Thirty nights of the past ask HubSpot once, not thirty times: a snapshot of today says nothing about them."""
    for night in range(30, 25, -1):
        reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T - timedelta(days=night), mode="nightly")
    assert len([seen for seen in hubspot.loopback.seen if "/objects/companies" in seen.path]) == 1


def test_an_hour_files_what_changed_and_marks_whom_it_concerns(reader: Any, hubspot: Fake) -> None:
    """SEM-D1: a changed contact or deal also marks its company; the time of the fact is the filing's."""
    reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T, mode="nightly")
    hour = T + timedelta(hours=9)
    done = reader.read(SETTINGS, connection=hubspot.connection, now=hour + timedelta(minutes=5), as_of=hour)
    assert sorted(done.marks) == [("company:1", hour), ("contact:1", hour), ("contact:2", hour)]
    assert reader.crm("accounts", "filing, filed_at::VARCHAR") == [
        ("changes", "2026-03-05 09:00:00"),
        ("snapshot", "2026-03-05 00:00:00"),
    ]
    ten_minutes_before = int((NOW - timedelta(minutes=10)).timestamp() * 1000)
    assert set(hubspot.modified_since) == {ten_minutes_before}


def test_the_cursor_moves_only_over_what_was_filed(reader: Any, hubspot: Fake) -> None:
    """An hour's rerun reads newer changes that it may not file: the next hour reads them again and files them."""
    reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T, mode="nightly")
    hour = T + timedelta(hours=9)
    first = reader.read(SETTINGS, connection=hubspot.connection, now=hour + timedelta(minutes=5), as_of=hour)
    hubspot.records["companies"][0]["properties"]["name"] = "Renamed"
    rerun = reader.read(SETTINGS, connection=hubspot.connection, now=hour + timedelta(minutes=50), as_of=hour)
    assert rerun.cursor == first.cursor
    assert rerun.marks == first.marks
    later = hour + timedelta(hours=1)
    reader.read(SETTINGS, connection=hubspot.connection, now=later + timedelta(minutes=5), as_of=later)
    assert reader.crm("accounts", "name, filed_at::VARCHAR")[-1] == ("Renamed", "2026-03-05 10:00:00")


def test_an_older_hour_done_late_reads_nothing(reader: Any, hubspot: Fake) -> None:
    """SEM-C1: what changed since newer hours read is the next hour's; an older moment never gets to see it."""
    reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T, mode="nightly")
    newer, older = T + timedelta(hours=9), T + timedelta(hours=8)
    first = reader.read(SETTINGS, connection=hubspot.connection, now=newer + timedelta(minutes=5), as_of=newer)
    hubspot.records["companies"][0]["properties"]["name"] = "Renamed"
    late = reader.read(SETTINGS, connection=hubspot.connection, now=newer + timedelta(minutes=50), as_of=older)
    assert (late.cursor, late.marks, late.report.read, late.report.complete_to) == (first.cursor, [], 0, None)
    assert "a newer run has read the CRM" in late.report.note
    later = newer + timedelta(hours=1)
    reader.read(SETTINGS, connection=hubspot.connection, now=later + timedelta(minutes=5), as_of=later)
    assert [at for name, at in reader.crm("accounts", "name, filed_at::VARCHAR") if name == "Renamed"] == [
        "2026-03-05 10:00:00"
    ]
    since_the_newer_hour = int((newer - timedelta(minutes=5)).timestamp() * 1000)
    assert set(hubspot.modified_since[-4:]) == {since_the_newer_hour}


def test_a_night_done_late_files_what_nobody_touched_since(reader: Any, hubspot: Fake) -> None:
    """SEM-C1: of a record changed since nobody knows what it was, and who is gone may have gone later: both stay what
    earlier filings said. The cursor stays where the newer hour put it."""
    untouched = {"id": "7", "properties": {"name": "Beta"}, "updatedAt": "2026-03-04T23:00:00Z"}
    gone = {"id": "8", "properties": {"name": "Gone"}, "updatedAt": "2026-01-01T00:00:00Z"}
    hubspot.records["companies"] += [untouched, gone]
    before = T - timedelta(days=1)
    reader.read(SETTINGS, connection=hubspot.connection, now=before, as_of=before, mode="nightly")
    hour = T + timedelta(hours=1)
    done = reader.read(SETTINGS, connection=hubspot.connection, now=hour, as_of=hour)
    hubspot.records["companies"] = [
        {"id": "1", "properties": {"name": "Renamed"}, "updatedAt": "2026-03-05T08:00:00Z"},
        {"id": "7", "properties": {"name": "Beta"}, "updatedAt": "2026-03-04T23:00:00Z"},
    ]
    morning = T + timedelta(hours=9)
    late = reader.read(SETTINGS, connection=hubspot.connection, now=morning, as_of=T, mode="nightly")
    assert late.cursor == done.cursor
    filed = reader.crm("accounts", "filed_at::VARCHAR, filing, name")
    assert [row[1:] for row in filed if row[0] == "2026-03-05 00:00:00"] == [("changes", "Beta")]
    assert reader.crm("owners", "filed_at::VARCHAR") == [("2026-03-04 00:00:00",)]


def test_an_hour_and_a_night_of_one_moment_move_the_cursor_once(reader: Any, hubspot: Fake) -> None:
    """SEM-C1: at one moment changes lie over the snapshot, so what came between the two reads is read again."""
    before = T - timedelta(days=1)
    reader.read(SETTINGS, connection=hubspot.connection, now=before, as_of=before, mode="nightly")
    hour = reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T)
    late = NOW + timedelta(minutes=40)
    night = reader.read(SETTINGS, connection=hubspot.connection, now=late, as_of=T, mode="nightly")
    assert night.report.published == 5
    assert night.cursor == hour.cursor


def test_the_first_hour_ever_takes_everything(reader: Any, hubspot: Fake) -> None:
    """Without a snapshot there is nothing that changes could be laid over."""
    reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T, mode="hourly")
    assert reader.crm("accounts", "filing") == [("snapshot",)]


def test_an_open_deal_has_no_closing_date(reader: Any, hubspot: Fake) -> None:
    """SEM-C1: HubSpot's close date of an open deal is a hope; only a closed one has closed."""
    hubspot.records["deals"][0]["properties"] |= {"hs_is_closed": "false", "hs_is_closed_won": "false"}
    reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T, mode="nightly")
    assert reader.crm("deals", "is_closed, is_won, closed_at") == [(False, False, None)]


def test_a_company_name_from_hell_arrives_as_it_is(reader: Any, hubspot: Fake) -> None:
    """Names are data: no character in them is special to the way they are stored; an account may have no owner."""
    hubspot.records["companies"][0]["properties"] = {"name": '<!channel> & "Söhne" \'; DROP 😀\n', "domain": None}
    reader.read(SETTINGS, connection=hubspot.connection, now=NOW, as_of=T, mode="nightly")
    assert reader.crm("accounts", "name, owner_id, domain") == [('<!channel> & "Söhne" \'; DROP 😀\n', None, None)]


def test_a_missing_permission_names_the_connection(reader: Any, loopback: Any) -> None:
    """A 403 says that a scope is lacking and on which connection."""
    body = {"message": "This app hasn't been granted all required scopes", "category": "MISSING_SCOPES"}
    loopback.script = lambda _seen: loopback.answer(body, 403)
    connection = Connection("hubspot_default", host=loopback.url, password="pat-x")
    with pytest.raises(RemoteError, match=r"Connection hubspot_default.*required scopes.*lack a permission"):
        reader.read(SETTINGS, connection=connection, now=NOW, as_of=T)
