"""Slack as a destination: an order in, one message (or answer in a thread) and its receipt out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pql.clients.meanings import NOBODY_CODES, THREAD_CODES
from pql.clients.slack import DELIVERY_EVENT, Posted, Slack, SlackError
from pql.destinations.slack import message, retract, table
from pql.types import Alert, Listing, Order, Outcome, Pace, Result

# About one message a second and channel; bursts above that may silently not be shown (docs.slack.dev).
PACE = Pace(1.0, "lane")
# Slack has no idempotency key: a request that seems lost may land until its own time-outs end it.
QUIET_S = 120.0
_LOOK_BACK_MARGIN_S = 3600.0

RecordUrl = Callable[[Alert], str]


class SlackDestination:
    """Posts alerts to channels (by name or id) or, by e-mail, to people.

    Options of an order: `channel` ("#name" or id) and/or `dm` ("owner" or an e-mail; `channel` is then where to post
    when there is no such person), `mention` ("owner" or an e-mail). "dm:dana@x.com" works as a channel, too.
    An order with `table: true` lists others (`listing`), whose messages stand whole in its thread.
    """

    kind = "slack"
    quiet_s = QUIET_S
    pace: Pace | None = PACE

    def __init__(
        self,
        slack: Slack,
        *,
        record_url: RecordUrl = lambda alert: "",
    ) -> None:
        self._slack = slack
        self._record_url = record_url

    def __repr__(self) -> str:
        return f"SlackDestination({self._slack!r})"

    def send(self, order: Order) -> Result:
        """Post once. Only the post itself can be ambiguous; what fails before it surely had no effect."""
        if order.kind == retract.KIND:
            return retract.send(self._slack, order, self._record_url)
        try:
            wanted = self._message(order)
        except SlackError as error:
            fate: Outcome = "rejected" if error.fate == "rejected" else "not_sent"
            return Result(fate, reason=error.reason, retry_after_s=error.retry_after_s)
        try:
            posted = self._slack.post(wanted)
        except SlackError as error:
            if order.thread and error.code in THREAD_CODES:  # the first message was deleted: say it in the channel
                return self.send(_without_thread(order))
            return Result(error.fate, reason=error.reason, retry_after_s=error.retry_after_s)
        return Result("delivered", receipt=_receipt(order, posted))

    def find(self, order: Order) -> Result:
        """Look for the order's key in the metadata of its thread and channel; any trouble leaves it ambiguous."""
        if order.kind == retract.KIND:
            return retract.find(self._slack, order)
        try:
            posted = self._found(order)
        except SlackError as error:
            return Result("ambiguous", reason=error.reason, retry_after_s=error.retry_after_s)
        if posted is None:
            return Result("not_sent", reason="not in the channel's history")
        return Result("delivered", receipt=_receipt(order, posted))

    def _found(self, order: Order) -> Posted | None:
        """Where it stands, None if surely nowhere: what a thread did not take was said in the channel."""
        since = datetime.fromisoformat(order.alert.as_of).timestamp() - _LOOK_BACK_MARGIN_S
        channel, thread_ts = self._place(order)
        channel_id = self._slack.channel_id(channel)
        known = frozenset(str(w["ts"]) for w in order.witnesses if w.get("channel") == channel_id)
        if thread_ts:
            try:
                posted = self._slack.find_delivery(channel_id, order.key, since=since, thread_ts=thread_ts)
            except SlackError as error:
                if error.code not in THREAD_CODES:
                    raise
                posted = None
            if posted is not None:
                return posted
        return self._slack.find_delivery(channel_id, order.key, since=since, witnesses=known)

    def _message(self, order: Order) -> dict[str, object]:
        channel, thread_ts = self._place(order)
        blocks, text = self._said(order, in_thread=bool(thread_ts))
        posting: dict[str, object] = {
            "channel": channel,
            "text": text,
            "blocks": blocks,
            "metadata": {"event_type": DELIVERY_EVENT, "event_payload": {"key": order.key}},
            "unfurl_links": False,
            "unfurl_media": False,
            "parse": "none",
            "link_names": False,
        }
        if not thread_ts:
            return posting
        in_channel_too = {"reply_broadcast": True} if order.thread and order.thread.get("broadcast") else {}
        return posting | {"thread_ts": thread_ts} | in_channel_too

    def _said(self, order: Order, *, in_thread: bool) -> tuple[list[message.Block], str]:
        """The blocks and the notification's text: a table, the first message about an account, or a further one."""
        alert = order.alert
        if order.options.get("table"):
            listing = order.listing or Listing(())
            return table.table(alert, listing, self._record_url), table.fallback(alert, listing)
        under_a_table = order.thread is not None and bool(order.thread.get("table"))
        if in_thread and not under_a_table:
            return message.follow_up(alert), message.fallback(alert)
        blocks = message.full(alert, self._owner(order), record_url=self._record_url(alert))
        return blocks, message.fallback(alert)

    def _place(self, order: Order) -> tuple[str, str]:
        """(channel, thread_ts); raises SlackError `rejected` where there is nobody and nowhere to post."""
        if order.thread:
            return str(order.thread["channel"]), str(order.thread.get("thread_ts") or order.thread["ts"])
        channel, person = _address(order)
        if person:
            try:
                return self._slack.direct_channel(person), ""
            except SlackError as error:
                if not channel or error.code not in NOBODY_CODES:
                    raise
        if not channel:
            asked = "the account has no owner" if order.options.get("dm") == "owner" else "the play names no channel"
            raise SlackError(self._slack.connection_id, "chat.postMessage", "no channel", "rejected", asked)
        return channel, ""

    def _owner(self, order: Order) -> str:
        """The owner, mentioned if the play says so and Slack knows the person; a name otherwise."""
        name = message.owner_name(order.alert)
        asked = str(order.options.get("mention") or "")
        email = order.alert.owner_email if asked == "owner" else asked
        if "@" not in email:
            return name
        try:
            mention = f"<@{self._slack.user_id(email)}>"
        except SlackError as error:
            if error.code in NOBODY_CODES:
                return name
            raise
        return mention if email == order.alert.owner_email else f"{name} · {mention}"


def _receipt(order: Order, posted: Posted) -> dict[str, object]:
    """Where it stands; that it is a table is for those who answer under it."""
    return posted.as_receipt() | ({"table": True} if order.options.get("table") else {})


def _address(order: Order) -> tuple[str, str]:
    """(channel or "", e-mail or "") as the play wants it."""
    channel = str(order.options.get("channel") or "")
    person = str(order.options.get("dm") or "")
    if channel.startswith("dm:"):
        channel, person = "", channel.removeprefix("dm:")
    return channel, order.alert.owner_email if person == "owner" else person


def _without_thread(order: Order) -> Order:
    values: dict[str, Any] = {**vars(order), "thread": None}
    return Order(**values)
