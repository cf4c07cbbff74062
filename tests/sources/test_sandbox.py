"""The real clients against the sandbox, unchanged: the simulated company goes into the lake and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pql.clients.http import RemoteError
from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import Task
from pql.sandbox import Server
from pql.types import Connection

NOW = datetime(2026, 11, 20, 15, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIXPANEL = {"kind": "mixpanel", "account": "org_id", "history_days": 3, "lookback_days": 3,
            "user_traits": {"name": "$name", "plan": "plan"}}  # fmt: skip
HUBSPOT = {"kind": "hubspot", "attributes": {"plan": "plan", "seats": "plan_seats"},
           "account_id_property": "product_account_id"}  # fmt: skip


class World:
    """A running sandbox with a clock that tests turn, and the connections to it."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.server = Server(folder, 7, lambda: self.now)

    @property
    def mixpanel(self) -> Connection:
        host = f"{self.server.url}/mixpanel"
        return Connection("mixpanel_default", host=host, login="sandbox", password="sandbox", extra={"project_id": 1})

    @property
    def hubspot(self) -> Connection:
        return Connection("hubspot_default", host=f"{self.server.url}/hubspot", password="pat-sandbox")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "sandbox")
    with made.server:
        yield made


def test_mixpanel_from_history_to_the_next_hour(reader: Any, world: World) -> None:
    """PRODUCT-S4: duplicates are one event, the next hour brings the newer ones, and a rerun nothing."""
    first = reader.read(MIXPANEL, connection=world.mixpanel, now=NOW, as_of=NOW.replace(minute=0))
    assert first.report.read > first.report.published > 1000
    assert first.report.quarantined == 0
    newest = max(at for _, at in first.marks)
    world.now = NOW + HOUR
    reader.read(MIXPANEL, connection=world.mixpanel, now=NOW + HOUR, as_of=NOW.replace(hour=16, minute=0))
    [(latest,)] = reader.events("max(occurred_at)")
    assert latest.replace(tzinfo=UTC) > newest
    before = reader.events("event_id")
    rerun = reader.read(MIXPANEL, connection=world.mixpanel, now=NOW + HOUR, as_of=NOW.replace(hour=16, minute=0))
    assert (rerun.report.read, rerun.marks) == (0, [])
    assert reader.events("event_id") == before
    assert len({row[0] for row in before}) == len(before)


def test_who_did_it_is_known_where_the_sandbox_says_so(reader: Any, world: World) -> None:
    """SEM-W3: visitors have a device only, users both, and `$identify` joins the two."""
    reader.read(MIXPANEL, connection=world.mixpanel, now=NOW)
    assert reader.events("count(*)") == reader.events("count(*) FILTER (coalesce(user_id, anonymous_id) IS NOT NULL)")
    [(visitors,)] = reader.events("count(*) FILTER (user_id IS NULL AND anonymous_id IS NOT NULL)")
    [(joined, identified)] = reader.events(
        "count(*) FILTER (event = '$identify' AND user_id IS NOT NULL AND anonymous_id IS NOT NULL), "
        "count(*) FILTER (event = '$identify')"
    )
    assert visitors > 0
    assert joined == identified > 0


def test_hubspot_from_snapshot_to_changes(reader: Any, world: World) -> None:
    """SEM-C1: the night's snapshot is filed at T; what a colleague changes next is filed with the next hour."""
    done = reader.read(HUBSPOT, connection=world.hubspot, now=NOW, mode="nightly")
    assert done.report.published == done.report.read > 1000
    [(company,)] = [row[:1] for row in reader.crm("accounts", "id, name") if row[1].startswith("<!channel>")]
    world.now = NOW + HOUR
    HubSpot(world.hubspot).update("companies", company, {"pql_not_a_fit": "true"})
    hour = reader.read(HUBSPOT, connection=world.hubspot, now=NOW + HOUR)
    assert f"company:{company}" in dict(hour.marks)
    mine = [row[1:] for row in reader.crm("accounts", "id, filed_at::VARCHAR, not_a_fit") if row[0] == company]
    assert mine == [("2026-11-20 15:00:00", False), ("2026-11-20 16:00:00", True)]


def test_a_task_is_one_task_however_often_it_is_sent(world: World) -> None:
    """The delivery key makes the second write find the first one's task, and only links what was not linked."""
    hubspot = HubSpot(world.hubspot)
    hubspot.ensure_task_key_property()
    hubspot.ensure_task_key_property()
    company = hubspot.get("/crm/v3/objects/companies", {"limit": "1"})["results"][0]["id"]
    due = {"hs_timestamp": "2026-11-23T09:00:00Z", "hs_task_subject": "Call"}
    tasks = [Task("k1", due, (company,)), Task("k2", {"hs_task_subject": "no due date"}, (company,))]
    first = hubspot.batch_upsert_tasks(tasks)
    assert [(one.outcome, one.created, one.linked) for one in first] == [
        ("delivered", True, True),
        ("rejected", False, False),
    ]
    [again] = hubspot.batch_upsert_tasks(tasks[:1])
    assert (again.id, again.created, again.linked) == (first[0].id, False, True)
    assert hubspot.tasks_by_keys(["k1", "k2"]) == {"k1": first[0].id}
    assert hubspot.linked("tasks", "companies", [first[0].id]) == {first[0].id: [company]}


def test_what_was_written_back_is_read_back(world: World) -> None:
    """SEM-W4: a property written onto a company shows when the company is asked right before sending."""
    hubspot = HubSpot(world.hubspot)
    company = hubspot.get("/crm/v3/objects/companies", {"limit": "1"})["results"][0]["id"]
    hubspot.update("companies", company, {"pql_not_a_fit": "true", "pql_score": "82"})
    now = hubspot.company_now(company, ["pql_score"])
    assert now is not None
    assert (now.not_a_fit, now.properties["pql_score"]) == (True, "82")


@pytest.mark.parametrize("source", ["mixpanel", "hubspot"])
def test_a_wrong_secret_names_the_connection(reader: Any, world: World, source: str) -> None:
    """The sandbox refuses as the vendors do, and the error says whose secret is to be replaced, not which it was."""
    settings, right = (MIXPANEL, world.mixpanel) if source == "mixpanel" else (HUBSPOT, world.hubspot)
    wrong = Connection("expired", host=right.host, login=right.login, password="the-old-secret")
    with pytest.raises(RemoteError, match=r"Connection expired: .* answered 401 .*AIRFLOW_CONN_EXPIRED") as raised:
        reader.read(settings, connection=wrong, now=NOW)
    assert "the-old-secret" not in str(raised.value)
