"""Every destination against the sandbox, which refuses what the real services refuse: one effect each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pql.connections import from_environment
from pql.destinations import build
from pql.sandbox import Server
from pql.sandbox.credentials import connections
from pql.settings import Settings
from pql.types import Order, Result

SETTINGS = Settings.model_validate(
    {
        "destinations": {
            "slack": {"kind": "slack"},
            "crm": {"kind": "hubspot"},
            "nudge": {"kind": "webhook", "connection": "zapier_nudge"},
        }
    }
)
TASK = {"due": "1 business day", "subject": 'Call <!channel> & "Söhne" 😀', "fallback_owner": "nobody@relay.example"}
UPDATE = {"pql_score": 82, "pql_activation_pct": 75, "pql_qualified": True, "pql_reasons": "+25 billing"}
ORDERS = {
    "slack": ("slack", "slack", {"channel": "#pql-mid", "mention": "owner"}),
    "direct message": ("slack", "slack", {"dm": "owner"}),
    "task": ("crm", "crm_task", TASK),
    "update": ("crm", "crm_update", UPDATE),
    "webhook": ("nudge", "webhook", {}),
}
# what each order's own request is called, for faults and effects
PATHS = {
    "slack": "chat.postMessage",
    "direct message": "chat.postMessage",
    "task": "tasks/batch/upsert",
    "update": "objects/companies/",
    "webhook": "/webhook/",
}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, seed=7) as server:
        yield server


@pytest.fixture
def people(sandbox):
    """A company and the e-mail of somebody who is in both Slack and HubSpot."""
    from pql.clients.hubspot import HubSpot

    client = HubSpot(from_environment(connections(sandbox.url))("hubspot_default"))
    company = client.get("/crm/v3/objects/companies", {"limit": "1"})["results"][0]["id"]
    owners = client.get("/crm/v3/owners", {"limit": "100"})["results"]
    return company, next(owner["email"] for owner in owners if not owner.get("archived"))


@pytest.fixture
def order(alert, people):
    company, owner = people

    def make(name: str, **changes) -> Order:
        _, kind, options = ORDERS[name]
        named = replace(alert, account_name='<!channel> & "Söhne" 😀', crm_id=company, owner_email=owner)
        return replace(Order(1, f"key-{kind}", kind, options, named), **changes)

    return make


def deliver(sandbox: Server, name: str, order: Order, how: str = "send") -> Result:
    """Each attempt in a process of its own, as it were: nothing is remembered."""
    destination = build(ORDERS[name][0], SETTINGS, from_environment(connections(sandbox.url)))
    return getattr(destination, how)(order)


def made(sandbox: Server, name: str) -> list[str]:
    """What a person would see of it, by action; links and properties made on the way are not counted."""
    return [effect["action"] for effect in sandbox.effects() if effect["kind"] == ORDERS[name][1]]


@pytest.mark.parametrize("name", ORDERS)
def test_delivered_once(sandbox, order, name: str) -> None:
    """A valid order passes the sandbox's checks and leaves exactly its one effect."""
    result = deliver(sandbox, name, order(name))
    assert result.outcome == "delivered", result.reason
    assert len(made(sandbox, name)) == 1
    assert "Söhne" in str(sandbox.effects()) or name == "update"
    assert [one.reason for one in sandbox.world.refusals if not one.request.startswith("GET ")] == []


@pytest.mark.parametrize("name", ["slack", "direct message", "task"])
def test_lost_answer_is_found_again(sandbox, order, name: str) -> None:
    """When the service acted and the answer was lost, another process finds the effect and sends nothing more."""
    sandbox.fail(PATHS[name], "lost")
    assert deliver(sandbox, name, order(name)).outcome == "ambiguous"
    found = deliver(sandbox, name, order(name), "find")
    if name == "task":  # the task is there, its link is not yet: sending again completes it
        assert found.outcome == "not_sent"
        assert deliver(sandbox, name, order(name)).receipt["linked"] is True
        found = deliver(sandbox, name, order(name), "find")
    assert found.outcome == "delivered"
    assert made(sandbox, name).count("task.created" if name == "task" else "chat.postMessage") == 1


@pytest.mark.parametrize("name", ["update", "webhook"])
def test_lost_answer_is_repeated_harmlessly(sandbox, order, name: str) -> None:
    """Values are the same when written twice, and a receiver knows the webhook-id: both may be sent again."""
    sandbox.fail(PATHS[name], "lost")
    # a webhook's 200 arrived before the connection broke, and its body does not matter
    assert deliver(sandbox, name, order(name)).outcome == ("delivered" if name == "webhook" else "ambiguous")
    assert deliver(sandbox, name, order(name), "find").outcome == "not_sent"
    assert deliver(sandbox, name, order(name)).outcome == "delivered"
    assert made(sandbox, name).count("received") == (1 if name == "webhook" else 0)


@pytest.mark.parametrize("name", ORDERS)
def test_never_sent_is_known_as_such(sandbox, order, name: str) -> None:
    """Nothing was posted yet: looking for it finds nothing."""
    # an empty direct conversation proves nothing, a channel begins with somebody joining it
    expected = "ambiguous" if name == "direct message" else "not_sent"
    assert deliver(sandbox, name, order(name), "find").outcome == expected
    assert made(sandbox, name) == []


@pytest.mark.parametrize("name", ORDERS)
def test_expired_token_loses_nothing(sandbox, order, name: str) -> None:
    """An expired token leaves no effect and no verdict: once it is renewed, the same order goes through."""
    sandbox.fail("/hubspot/" if name == "task" else PATHS[name], "unauthorised")
    refused = deliver(sandbox, name, order(name))
    assert refused.outcome == "not_sent", refused.reason
    assert deliver(sandbox, name, order(name)).outcome == "delivered"
    assert len(made(sandbox, name)) == 1


def test_thread_follow_up_is_found_in_its_thread(sandbox, order) -> None:
    """SEM-D5: a further message stands in the thread of the first, and is found there when its answer was lost."""
    first = deliver(sandbox, "slack", order("slack"))
    further = order("slack", key="key-2", thread=first.receipt)
    sandbox.fail("chat.postMessage", "lost")
    assert deliver(sandbox, "slack", further).outcome == "ambiguous"
    found = deliver(sandbox, "slack", further, "find")
    assert (found.outcome, found.receipt["thread_ts"]) == ("delivered", first.receipt["ts"])
