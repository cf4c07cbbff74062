"""The simulated endpoint accepts what is signed by the Standard Webhooks scheme, and nothing else."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
import requests
from standardwebhooks import Webhook

from pql.sandbox import WEBHOOK_SECRET, Server

BODY = json.dumps({"type": "pql.newly_qualified", "data": {"account_name": "Söhne <b>"}}, ensure_ascii=False)


def send(
    server: Server, *, name: str = "zapier_nudge", body: str = BODY, secret: str = WEBHOOK_SECRET, age_s: int = 0
) -> int:
    at = datetime.fromtimestamp(int(time.time()) - age_s, UTC)  # noqa: TID251 # the scheme is about the real time
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body),
    }
    return requests.post(f"{server.url}/webhook/{name}", data=body.encode(), headers=headers, timeout=10).status_code


def test_a_signed_webhook_is_received_once(sandbox: Server) -> None:
    """The same webhook-id again is accepted but counted as a repetition."""
    assert [send(sandbox), send(sandbox)] == [200, 200]
    effects = sandbox.effects("webhook")
    assert [(e["kind"], e["key"], e["name"]) for e in effects] == [
        ("webhook", "msg_1", "zapier_nudge"),
        ("webhook_again", "msg_1", "zapier_nudge"),
    ]
    assert effects[0]["payload"]["data"]["account_name"] == "Söhne <b>"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"secret": "whsec_" + "QUJD" * 8}, 401),
        ({"age_s": 3600}, 401),
        ({"name": "gone"}, 410),
        ({"name": "not a name"}, 404),
        ({"body": json.dumps({"data": "x" * 20_001})}, 413),
    ],
)
def test_anything_else_is_refused(sandbox: Server, change: dict[str, object], status: int) -> None:
    """Another secret, an old time, an endpoint that is gone or unknown, too large a body: no effect."""
    assert send(sandbox, **change) == status  # type: ignore[arg-type] # keyword arguments by name
    assert sandbox.effects() == []


def test_a_request_without_signature_is_refused(sandbox: Server) -> None:
    """No headers, no effect."""
    assert requests.post(f"{sandbox.url}/webhook/zapier_nudge", data=BODY.encode(), timeout=10).status_code == 401
    assert sandbox.effects() == []
