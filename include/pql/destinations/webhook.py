"""Any receiver of webhooks as a destination: an order in, one signed JSON message out; the same id on every attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pql.clients.webhook import WebhookEndpoint, WebhookError
from pql.types import Order, Pace, Result

EVENT_TYPE = "pql.alert"
RETRACTED_TYPE = "pql.retracted"
RETRACTION = "webhook_retract"
BODY_LIMIT = 20_000  # bytes; Standard Webhooks wants payloads under 20 kB
_MOST_FIELDS = 50
_SHAPES = ((500, 100), (200, 30), (100, 10), (60, 3))  # (characters of a text, entries of a list), tried in this order


class WebhookDestination:
    """Sends alerts as `{"type", "timestamp", "data": {"key", "alert", "options"}}` (Standard Webhooks payload).

    What takes one back is an event of its own: in its data `retracts` is that one's key and `reason` says why.
    """

    kind = "webhook"
    quiet_s = 0.0  # the receiver drops an id it has seen
    pace: Pace | None = None

    def __init__(self, endpoint: WebhookEndpoint) -> None:
        self._endpoint = endpoint

    def __repr__(self) -> str:
        return f"WebhookDestination({self._endpoint!r})"

    def send(self, order: Order) -> Result:
        """POST once."""
        try:
            accepted = self._endpoint.send(order.key, payload(order))
        except WebhookError as error:
            return Result(error.outcome, reason=error.reason, retry_after_s=error.retry_after_s)
        return Result("delivered", receipt={"status": accepted.status, "webhook_id": accepted.webhook_id})

    def find(self, order: Order) -> Result:
        """Nobody can be asked; the same webhook-id again is safe, as receivers drop what they have seen."""
        return Result("not_sent", reason="its receiver cannot be asked whether it arrived")


def payload(order: Order) -> str:
    """The JSON body, the same on every attempt and under 20 kB: texts are shortened, then the weakest reasons go."""
    text = ""
    for text_limit, keep in _SHAPES:
        data = {
            "key": order.key,
            "alert": _shortened(asdict(order.alert), text_limit, keep),
            "options": _shortened(order.options, text_limit, keep),
        }
        body = {"type": EVENT_TYPE, "timestamp": order.alert.as_of, "data": data}
        if order.kind == RETRACTION:
            body = {"type": RETRACTED_TYPE, "timestamp": order.options["at"], "data": data | _taken_back(order)}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        text = text.encode("utf-8", "replace").decode()  # lone surrogates cannot travel
        if len(text.encode()) < BODY_LIMIT:
            break
    return text


def _taken_back(order: Order) -> dict[str, Any]:
    reason = str(order.options.get("reason") or "")
    return {"options": {}, "retracts": (order.thread or {}).get("key"), "reason": _shortened(reason, 500, 1)}


def _shortened(value: Any, text_limit: int, keep: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= text_limit else value[: text_limit - 1] + "…"
    if isinstance(value, Mapping):
        return {key: _shortened(inner, text_limit, keep) for key, inner in list(value.items())[:_MOST_FIELDS]}
    if isinstance(value, list | tuple):
        return [_shortened(inner, text_limit, keep) for inner in value[:keep]]
    return value
