"""Slack as a destination: an order in, one message (or answer in a thread) and its receipt out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pql.clients.slack import DELIVERY_EVENT, Posted, Slack, SlackError
from pql.clients.slack_errors import NOBODY_CODES, THREAD_CODES
from pql.destinations import slack_message
from pql.types import Alert, Order, Outcome, Result

PACE_S = 1.0  # about one message a second and channel; bursts above that may silently not be shown (docs.slack.dev)
PATIENCE_S = 5.0  # longest wait in place; longer ones go back to the outbox with a time
_LOOK_BACK_MARGIN_S = 3600.0

RecordUrl = Callable[[Alert], str]


class SlackDestination:
    """Posts alerts to channels (by name or id) or, by e-mail, to people.

    Options of an order: `channel` ("#name" or id) and/or `dm` ("owner" or an e-mail; `channel` is then where to post
    when there is no such person), `mention` ("owner" or an e-mail). "dm:dana@x.com" works as a channel, too.
    """

    kind = "slack"

    def __init__(
        self,
        slack: Slack,
        *,
        record_url: RecordUrl = lambda alert: "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._slack = slack
        self._record_url = record_url
        self._clock = clock
        self._sleep = sleep
        self._free_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"SlackDestination({self._slack!r})"

    def send(self, order: Order) -> Result:
        """Post once. Only the post itself can be ambiguous; what fails before it surely had no effect."""
        try:
            message = self._message(order)
        except SlackError as error:
            fate: Outcome = "rejected" if error.fate == "rejected" else "not_sent"
            return Result(fate, reason=error.reason, retry_after_s=error.retry_after_s)
        try:
            posted = self._post(message)
        except SlackError as error:
            if order.thread and error.code in THREAD_CODES:  # the first message was deleted: say it in the channel
                return self.send(_without_thread(order))
            return Result(error.fate, reason=error.reason, retry_after_s=error.retry_after_s)
        return Result("delivered", receipt=posted.as_receipt())

    def find(self, order: Order) -> Result:
        """Look for the order's key in the channel's (or thread's) metadata; any trouble leaves it ambiguous."""
        since = datetime.fromisoformat(order.alert.as_of).timestamp() - _LOOK_BACK_MARGIN_S
        try:
            channel, thread_ts = self._place(order)
            posted = self._slack.find_delivery(
                self._slack.channel_id(channel), order.key, since=since, thread_ts=thread_ts
            )
        except SlackError as error:
            return Result("ambiguous", reason=error.reason, retry_after_s=error.retry_after_s)
        if posted is None:
            return Result("not_sent", reason="not in the channel's history")
        return Result("delivered", receipt=posted.as_receipt())

    def _message(self, order: Order) -> dict[str, object]:
        channel, thread_ts = self._place(order)
        alert = order.alert
        if thread_ts:
            blocks = slack_message.follow_up(alert)
        else:
            blocks = slack_message.full(alert, self._owner(order), record_url=self._record_url(alert))
        message: dict[str, object] = {
            "channel": channel,
            "text": slack_message.fallback(alert),
            "blocks": blocks,
            "metadata": {"event_type": DELIVERY_EVENT, "event_payload": {"key": order.key}},
            "unfurl_links": False,
            "unfurl_media": False,
            "parse": "none",
            "link_names": False,
        }
        return message | ({"thread_ts": thread_ts} if thread_ts else {})

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
        name = slack_message.owner_name(order.alert)
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

    def _post(self, message: Mapping[str, object]) -> Posted:
        self._pace(str(message["channel"]))
        try:
            return self._slack.post(message)
        except SlackError as error:
            wait_s = error.retry_after_s
            if error.fate != "not_sent" or wait_s is None or wait_s > PATIENCE_S:
                raise
            self._sleep(wait_s)
            return self._slack.post(message)

    def _pace(self, channel: str) -> None:
        wait_s = self._free_at.get(channel, 0.0) - self._clock()
        if wait_s > 0:
            self._sleep(min(wait_s, PATIENCE_S))
        self._free_at[channel] = self._clock() + PACE_S


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
