"""What an order says, as plain text for people: nobody is asked, so an owner is named and not mentioned; pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pql.destinations.hubspot.notes import task_body
from pql.destinations.slack import message
from pql.destinations.webhook import payload
from pql.destinations.words import one_line
from pql.types import Order

_TAG = re.compile(r"<[^>]*>")


def said(order: Order) -> str:
    """The message, task, values or body that this order stands for; several lines.

    Of what takes another one back it is the reason.
    """
    if order.kind.endswith(("_retract", "_close")):
        return f"takes back what was said: {one_line(order.options.get('reason') or 'no reason kept')}"
    if order.kind == "webhook":
        return json.dumps(json.loads(payload(order)), indent=2, ensure_ascii=False)
    return "\n".join(_LINES[order.kind](order))


def _slack(order: Order) -> Iterator[str]:
    alert = order.alert
    if order.options.get("table"):
        yield message.headline(alert)
        return
    blocks = message.follow_up(alert) if order.thread else message.full(alert, message.owner_name(alert))
    for block in blocks:
        yield from (html.unescape(text) for text in _texts(block))


def _texts(block: Mapping[str, Any]) -> Iterator[str]:
    for held in (block.get("text"), *(block.get("elements") or ())):
        if isinstance(held, Mapping) and isinstance(held.get("text"), str):
            yield held["text"]


def _task(order: Order) -> Iterator[str]:
    yield one_line(order.options.get("subject") or f"{order.alert.account_name} {order.alert.headline}")
    body = task_body(order.alert, str(order.options.get("body") or ""))
    yield from (html.unescape(_TAG.sub("", line)) for line in body.split("<br>"))


def _values(order: Order) -> Iterator[str]:
    yield from (f"{name}: {one_line(value)}" for name, value in sorted(order.options.items()))


_LINES = {"slack": _slack, "crm_task": _task, "crm_update": _values}
