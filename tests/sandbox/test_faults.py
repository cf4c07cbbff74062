"""Outages and lost answers on demand."""

from __future__ import annotations

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from pql.sandbox import Server


def test_a_lost_answer_leaves_the_effect(sandbox: Server, slack: WebClient) -> None:
    """The client sees a broken connection although the message is there; the next call works."""
    sandbox.fail("chat.postMessage", "lost")
    with pytest.raises(OSError):  # urllib raises one of several kinds
        _post(slack)
    assert [effect["message"]["text"] for effect in sandbox.effects("slack")] == ["x"]
    assert slack.chat_postMessage(channel="#pql", text="y")["ok"]


def _post(slack: WebClient) -> None:
    try:
        slack.chat_postMessage(channel="#pql", text="x")
    except Exception as error:  # http.client.IncompleteRead is no OSError
        raise OSError(str(error)) from error


def test_an_outage_has_no_effect(sandbox: Server, slack: WebClient) -> None:
    """Errors, limits and expired tokens are answered before the service acts, as often as was asked for."""
    sandbox.fail("chat.postMessage", "rate_limited")
    with pytest.raises(SlackApiError) as caught:
        slack.chat_postMessage(channel="#pql", text="x")
    sandbox.fail("/crm/v3/owners", "unavailable", times=2)
    codes = [requests.get(f"{sandbox.url}/hubspot/crm/v3/owners", timeout=10).status_code for _ in range(3)]
    assert caught.value.response.headers["retry-after"] == "1"
    assert codes == [503, 503, 401]
    assert sandbox.effects() == []
