"""The pages about connecting: what they tell people to paste is what the code takes."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime

import pytest
import yaml
from tests.docs.test_pages import blocks

from pql.clients.hubspot import HubSpot
from pql.clients.mixpanel import Mixpanel
from pql.clients.slack import Slack
from pql.clients.webhook import WebhookEndpoint
from pql.connections import from_environment
from pql.definition import parse
from pql.pipeline.project import ROOT
from pql.settings import Settings
from pql.types import Connection

SCOPES = {  # docs.slack.dev, each method's page
    "chat.postMessage": {"chat:write"},
    "users.lookupByEmail": {"users:read", "users:read.email"},
    "conversations.open": {"im:write"},
    "conversations.list": {"channels:read", "groups:read"},
    "conversations.history": {"channels:history", "groups:history", "im:history"},
    "conversations.replies": {"channels:history", "groups:history", "im:history"},
}
CLIENTS = {
    "mixpanel_default": Mixpanel,
    "hubspot_default": HubSpot,
    "slack_default": Slack,
    "zapier_nudge": lambda one: WebhookEndpoint(one, clock=lambda: datetime(2026, 3, 2, tzinfo=UTC)),
}
DEFINITION = """
definition: new-business
title: New business
status: live
events: {acted: Act}
signals: {days: {active_days: acted, last: 7d}}
size: {by: employees, from: {small: 0, mid: 50}, unknown: small}
criteria: {value: {days: {min: 3}}}
score: {value: [{signal: days, points: 10, per: 1}]}
plays:
  - play: Tell sales
    on: newly_qualified
    do:
"""


def pasted(kind: type) -> list[object]:
    """What the YAML blocks of the pages hold, of that kind."""
    found = [yaml.safe_load(text) for page, text in blocks("yaml") if page.name.startswith("connect")]
    return [each for each in found if isinstance(each, kind)]


def conns() -> list[tuple[str, Connection]]:
    found = []
    for page, text in blocks("sh"):
        if page.name.startswith("connect") and "AIRFLOW_CONN_" in text:
            variable, _, value = shlex.split(text, comments=True)[0].partition("=")
            name = variable.removeprefix("AIRFLOW_CONN_").lower()
            found.append((name, from_environment({variable: value})(name)))
    return found


def test_the_manifest_asks_for_the_scopes_that_are_used() -> None:
    """Exactly those of the methods that the client calls: none is missing, none is more than needed."""
    source = (ROOT / "include" / "pql" / "clients" / "slack.py").read_text()
    called = set(re.findall(r"\"((?:chat|users|conversations)\.\w+)\"", source))
    assert called == SCOPES.keys()
    (manifest,) = (each for each in pasted(dict) if "oauth_config" in each)
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == set().union(*SCOPES.values())


def test_the_connections_are_connections() -> None:
    """Each line that is to be stored is read as a connection, and its client is content with it."""
    found = conns()
    assert {name for name, _ in found} == CLIENTS.keys()
    for name, connection in found:
        assert connection.password
        CLIENTS[name](connection)


@pytest.mark.parametrize("text", [each for each in pasted(dict) if "oauth_config" not in each], ids=str)
def test_the_settings_are_settings(text: object) -> None:
    """Each block of settings is valid as it stands."""
    assert Settings.model_validate(text)


def test_the_actions_are_actions() -> None:
    """Each block of a play's actions is one that a definition may have."""
    for actions in pasted(list):
        lines = "".join(f"      - {each!r}\n" for each in actions)
        assert parse(DEFINITION + lines, "page")[0] is not None, actions
