"""Webhooks as a destination: the whole body, the same on every attempt, under 20 kB whatever stands in it."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from pql.clients.webhook import WebhookEndpoint
from pql.destinations.webhook import WebhookDestination, payload
from pql.types import Connection, Reason

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmnopqrstuv").decode()
NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)


@pytest.fixture
def destination(loopback) -> WebhookDestination:
    connection = Connection("zapier", loopback.url + "/catch", password=SECRET, extra={"allow_private": True})
    return WebhookDestination(WebhookEndpoint(connection, clock=lambda: NOON))


def test_whole_request(loopback, destination, make_order, alert) -> None:
    """The request, whole: a Standard Webhooks envelope around the alert."""
    result = destination.send(make_order("webhook", options={"list": "nurture"}))
    assert (result.outcome, result.receipt) == ("delivered", {"status": 200, "webhook_id": "key-1"})
    (seen,) = loopback.seen
    assert (seen.method, seen.path) == ("POST", "/catch")
    assert seen.headers["webhook-timestamp"] == "1772798400"
    assert seen.body == {
        "type": "pql.alert",
        "timestamp": "2026-03-06T14:00:00+00:00",
        "data": {"key": "key-1", "alert": json.loads(json.dumps(asdict(alert))), "options": {"list": "nurture"}},
    }


def test_every_attempt_is_the_same_message(loopback, destination, make_order) -> None:
    """Id and body stay the same across attempts, so that a receiver can drop doubles."""
    for attempt in (1, 2):
        destination.send(make_order("webhook", attempt=attempt))
    first, second = loopback.seen
    assert first.raw == second.raw
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@pytest.mark.parametrize("text", ["x" * 10_000, "😀" * 10_000, '<!channel> & "Söhne" 😀', "\r\n\x00" * 4000, "\ud800"])
def test_body_stays_small_and_valid(make_order, alert, text: str) -> None:
    """However long the names and many the reasons, the body is JSON under 20 kB and keeps every field."""
    heavy = replace(alert, account_name=text, next_step=text, reasons=(Reason(1, text),) * 300, flags=(text,) * 300)
    order = make_order("webhook", alert=heavy, options={f"option_{n}": text for n in range(40)})
    body = payload(order)
    assert len(body.encode()) < 20_000
    assert set(json.loads(body)["data"]["alert"]) == set(asdict(alert))


def test_ambiguous_attempt_is_repeated(destination, make_order) -> None:
    """Nobody can be asked whether it arrived: the same id is sent again."""
    assert destination.find(make_order("webhook")).outcome == "not_sent"


def test_failure_shows_no_secret(loopback, destination, make_order) -> None:
    """A refusal names the connection; URL path and secret stay hidden."""
    loopback.script = lambda seen: loopback.answer({}, status=500)
    result = destination.send(make_order("webhook"))
    assert result.outcome == "ambiguous"
    assert "zapier" in result.reason
    shown = repr(result) + repr(destination)
    assert "/catch" not in shown
    assert SECRET not in shown
