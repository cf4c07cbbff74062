"""Receipts read back from HubSpot, and who can be asked at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pql.clients.hubspot import HubSpot
from pql.connections import missing
from pql.destinations.hubspot.history import HubSpotTasks
from pql.destinations.read_back import CANNOT_BE_ASKED, reader
from pql.settings import Settings
from pql.types import Connection, Expected

NOW = datetime(2026, 3, 6, tzinfo=UTC)
SINCE = NOW - timedelta(days=2)
PROPERTY = "/crm/v3/properties/tasks/pql_delivery_key"
SEARCH = "/crm/v3/objects/tasks/search"


def task(number: int, key: str = "") -> dict[str, Any]:
    at = "2026-03-05T10:00:00.000Z"
    return {"id": str(number), "properties": {"pql_delivery_key": key or f"k{number}", "hs_createdate": at}}


def expected(number: int) -> Expected:
    return Expected(f"k{number}", "crm_task", "crm_task", {"task": str(number)})


@pytest.fixture
def crm(loopback: Any) -> Callable[..., HubSpotTasks]:
    """A portal with these tasks in its search, and these that it knows by their id."""

    def portal(searched: list[int], known: list[int], *, has_property: bool = True, status: int = 200) -> HubSpotTasks:
        def script(seen: Any) -> Any:
            path = seen.path.partition("?")[0]
            if path == PROPERTY:
                return loopback.answer({"name": "pql_delivery_key"}, 200 if has_property else 404)
            if path == SEARCH:
                last = int(seen.body["filterGroups"][0]["filters"][2]["value"])
                rows = [task(number) for number in searched if number > last][: seen.body["limit"]]
                return loopback.answer({"results": rows}, status)
            number = int(path.rpartition("/")[2])
            return loopback.answer(task(number)) if number in known else loopback.answer({}, 404)

        loopback.script = script
        client = HubSpot(Connection("hubspot_default", loopback.url, password="pat-x"), sleep=lambda _s: None)
        return HubSpotTasks(client, clock=lambda: NOW, sleep=lambda _s: None, seconds=60)

    return portal


def test_tasks_are_found_by_their_key_page_by_page(crm: Any, loopback: Any) -> None:
    """A search pages by id; each task with a key counts once, at the moment it was made."""
    back = crm(list(range(1, 251)), []).read([expected(7)], SINCE)
    assert [each.key for each in back.standing] == [f"k{n}" for n in range(1, 251)]
    assert (back.gone, back.read, back.unread) == ({}, {"tasks"}, {})
    assert back.standing[0].at == datetime(2026, 3, 5, 10, tzinfo=UTC)
    searches = [seen.body for seen in loopback.seen if seen.path == SEARCH]
    assert len(searches) == 2
    assert searches[0]["filterGroups"][0]["filters"][:2] == [
        {"propertyName": "pql_delivery_key", "operator": "HAS_PROPERTY"},
        {"propertyName": "hs_createdate", "operator": "GTE", "value": str(int(SINCE.timestamp() * 1000))},
    ]


def test_a_search_that_lags_behind_loses_no_task(crm: Any) -> None:
    """What the search does not show is asked for by its id: it stands there, or HubSpot says that it does not."""
    back = crm([1], [2]).read([expected(1), expected(2), expected(3)], SINCE)
    assert sorted(each.key for each in back.standing) == ["k1", "k2"]
    assert back.gone == {"k3": "tasks"}


def test_a_portal_without_the_property_has_no_task_of_ours(crm: Any) -> None:
    """Before the first task nothing is searched for, and nothing is created."""
    back = crm([], [], has_property=False).read([], SINCE)
    assert (back.standing, back.read) == ((), {"tasks"})


@pytest.mark.parametrize("status", [401, 403])
def test_a_portal_that_refuses_is_unread(crm: Any, status: int) -> None:
    """No task is gone because nobody may look."""
    back = crm([], [], status=status).read([expected(3)], SINCE)
    assert (back.gone, back.read) == ({}, frozenset())
    assert "hubspot_default" in back.unread["tasks"]


def test_who_can_be_asked() -> None:
    """Slack and HubSpot can; a webhook's receiver cannot; without a connection nobody can, and it is said which."""
    settings = Settings.model_validate(
        {
            "destinations": {
                "slack": {"kind": "slack"},
                "crm": {"kind": "hubspot", "connection": "nobody_has_it"},
                "nudge": {"kind": "webhook", "connection": "zapier"},
            }
        }
    )

    def connections(id: str) -> Connection:
        if id == "nobody_has_it":
            raise missing(id)
        return Connection(id, "http://127.0.0.1:9", password="xoxb-x")

    ways: dict[str, Any] = {"clock": lambda: NOW, "sleep": lambda _s: None, "seconds": 1}
    found = {name: reader(name, settings, connections, **ways) for name in settings.destinations}
    assert type(found["slack"]).__name__ == "SlackHistory"
    assert "nobody_has_it" in str(found["crm"])
    assert found["nudge"] == CANNOT_BE_ASKED
