"""What a Slack message announced is taken back: an order in, the message edited and a receipt out.

The message keeps its place and its delivery key; its metadata says, too, by which delivery it was taken back, so that
an edit whose answer was lost is found by reading the message again (docs.slack.dev/reference/methods/chat.update).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pql.clients.slack import DELIVERY_EVENT, Slack, SlackError
from pql.destinations.slack import table
from pql.destinations.slack.message import Block, headline
from pql.destinations.slack.text import FALLBACK_LIMIT, PHRASE_LIMIT, bold, cut, mrkdwn, safe, section
from pql.types import Alert, Order, Result

KIND = "slack_retract"
_BY = "retracted_by"
_REASON_LIMIT = 2 * PHRASE_LIMIT


def send(slack: Slack, order: Order, record_url: Callable[[Alert], str]) -> Result:
    """Edit the message; one that somebody has deleted says nothing any more, which is all that is wanted.

    Of a table only the rows of those that were taken back are struck out.
    """
    place = order.thread or {}
    try:
        slack.call("chat.update", _message(order, place, record_url), as_json=True)
    except SlackError as error:
        if error.code == "message_not_found":
            return Result("delivered", receipt=_receipt(place) | {"gone": True})
        return Result(error.fate, reason=error.reason, retry_after_s=error.retry_after_s)
    return Result("delivered", receipt=_receipt(place))


def find(slack: Slack, order: Order) -> Result:
    """Whether the message has been edited by this order."""
    place = order.thread or {}
    thread_ts, ts = str(place.get("thread_ts") or ""), str(place.get("ts"))
    only = {"oldest": ts, "latest": ts, "inclusive": True, "limit": 1, "include_all_metadata": True}
    method = "conversations.replies" if thread_ts else "conversations.history"
    if thread_ts:
        only |= {"ts": thread_ts, "limit": 2}  # replies may begin with the message that the thread hangs on
    try:
        found = slack.call(method, {"channel": str(place.get("channel")), **only})
    except SlackError as error:
        return Result("ambiguous", reason=error.reason, retry_after_s=error.retry_after_s)
    said: Mapping[str, Any] = next((each for each in found.get("messages", ()) if str(each.get("ts")) == ts), {})
    payload = (said.get("metadata") or {}).get("event_payload") or {}
    if payload.get(_BY) != order.key:
        return Result("not_sent", reason="the message is as it was; the same edit again changes nothing more")
    return Result("delivered", receipt=_receipt(place))


def blocks(order: Order) -> list[Block]:
    """The headline struck out and why; no next step, nothing to click on."""
    struck = headline(order.alert).replace("~", "∼")
    why = safe(order.options.get("reason") or "by corrected data", _REASON_LIMIT)
    return [
        section(f"~{struck}~"),
        {"type": "context", "elements": [mrkdwn(f"{bold('No longer qualified')}: {why}")]},
    ]


def _message(order: Order, place: Mapping[str, Any], record_url: Callable[[Alert], str]) -> dict[str, object]:
    said: list[Block]
    if order.listing is not None:
        said = table.table(order.alert, order.listing, record_url)
        text = table.fallback(order.alert, order.listing)
    else:
        name = safe(order.alert.account_name or order.alert.account_key)
        why = safe(order.options.get("reason") or "by corrected data", _REASON_LIMIT)
        said, text = blocks(order), cut(f"{name} no longer qualified: {why}", FALLBACK_LIMIT)
    return {
        "channel": str(place.get("channel")),
        "ts": str(place.get("ts")),
        "text": text,
        "blocks": said,
        "metadata": {"event_type": DELIVERY_EVENT, "event_payload": {"key": str(place.get("key")), _BY: order.key}},
        "parse": "none",
        "link_names": False,
    }


def _receipt(place: Mapping[str, Any]) -> dict[str, Any]:
    return {name: place[name] for name in ("channel", "ts", "thread_ts") if place.get(name)}
