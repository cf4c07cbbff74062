"""Building destinations from settings: the right kind, links to records, and clear errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pql.destinations import build, record_links
from pql.settings import Settings
from pql.types import Connection, UnknownConnection, UserError

SETTINGS = Settings.model_validate(
    {
        "destinations": {
            "slack": {"kind": "slack"},
            "crm": {"kind": "hubspot"},
            "zapier": {"kind": "webhook", "connection": "zapier_default"},
        }
    }
)


def connections(conn_id: str) -> Connection:
    return Connection(conn_id, password="very-secret", extra={"portal": "123"})


@pytest.mark.parametrize(("name", "kind"), [("slack", "slack"), ("crm", "hubspot"), ("zapier", "webhook")])
def test_each_kind(name: str, kind: str) -> None:
    """Each configured name gives its destination, which shows no secret."""
    destination = build(name, SETTINGS, connections)
    assert destination.kind == kind
    assert "very-secret" not in repr(destination)


def test_unknown_name() -> None:
    """A name nobody configured is refused with those that are known."""
    with pytest.raises(UserError, match="known: crm, slack, zapier"):
        build("salesforce", SETTINGS, connections)


def test_missing_connection() -> None:
    """A missing connection says so itself."""

    def none(conn_id: str) -> Connection:
        raise UnknownConnection(conn_id)

    with pytest.raises(UnknownConnection):
        build("slack", SETTINGS, none)


def test_record_links(alert) -> None:
    """Links go to the company or contact of the portal; without either there is no link."""
    link = record_links(SETTINGS, connections)
    assert link(alert) == "https://app.hubspot.com/contacts/123/record/0-2/4711"
    assert link(replace(alert, crm_kind="contact")) == "https://app.hubspot.com/contacts/123/record/0-1/4711"
    assert link(replace(alert, crm_id="a/../b?c")) == "https://app.hubspot.com/contacts/123/record/0-2/a%2F..%2Fb%3Fc"
    assert link(replace(alert, crm_id="", crm_kind="")) == ""
    assert record_links(Settings(), connections)(alert) == ""


def test_configured_base_of_links(alert) -> None:
    """A base in the settings wins over the portal."""
    settings = Settings.model_validate(
        {"destinations": {"crm": {"kind": "hubspot", "url": "http://127.0.0.1:9000/hubspot/"}}}
    )
    assert record_links(settings, connections)(alert) == "http://127.0.0.1:9000/hubspot/record/0-2/4711"


def test_portal_is_asked_for_once(alert, loopback) -> None:
    """Without a portal in the connection HubSpot is asked once; a stand-in gets its links on its own host."""
    loopback.script = lambda seen: loopback.answer({"portalId": 246, "uiDomain": "app-eu1.hubspot.com"})
    link = record_links(SETTINGS, lambda conn_id: Connection(conn_id, loopback.url, password="x"))
    assert [link(alert), link(alert)] == [f"{loopback.url}/contacts/246/record/0-2/4711"] * 2
    assert [seen.path for seen in loopback.seen] == ["/account-info/v3/details"]


def test_no_portal_no_link(alert, loopback) -> None:
    """A token that may not ask costs the button, not the message."""
    loopback.script = lambda seen: loopback.answer({"message": "no"}, status=403)
    link = record_links(SETTINGS, lambda conn_id: Connection(conn_id, loopback.url, password="x"))
    assert [link(alert), link(alert)] == ["", ""]
    assert len(loopback.seen) == 1
