"""Slack's Web API for a bot token: a call in, its answer or one classified `SlackError` out; nothing is retried."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from pql.clients.http import retry_after_s
from pql.clients.meanings import of_failure, of_slack
from pql.types import Connection, Outcome

DELIVERY_EVENT = "pql_delivery"  # metadata event type of our messages
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{7,}")
_TORN_ENTITY = re.compile(r"&[a-z]*$")
_CODE = re.compile(r"[a-z0-9_]{1,80}")
_PAGE = 200
_MAX_PAGES = 25
_NOTICE_LIMIT = 3000  # of a section's text

# The SDK logs bodies and host names of failed requests at ERROR; every failure reaches the caller as SlackError.
_SDK_LOG = logging.getLogger("pql.clients.slack.sdk")
_SDK_LOG.setLevel(logging.CRITICAL)


class SlackError(Exception):
    """One call that did not work: code, whether it took effect, what to do; never the token."""

    def __init__(
        self,
        connection_id: str,
        method: str,
        code: str,
        fate: Outcome,
        advice: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.code = code
        self.fate = fate
        self.retry_after_s = retry_after_s
        self.reason = f"Slack {method} (connection {connection_id}): {code}" + (f"; {advice}" if advice else "")
        super().__init__(self.reason)


@dataclass(frozen=True)
class Posted:
    """Where a message stands."""

    channel: str  # id
    ts: str
    thread_ts: str = ""

    def as_receipt(self) -> dict[str, str]:
        """The receipt kept with the delivery."""
        return {"channel": self.channel, "ts": self.ts} | ({"thread_ts": self.thread_ts} if self.thread_ts else {})


class Slack:
    """One workspace, seen by one bot. Looked-up users and channels are remembered for this object's life.

    connection.password is the bot token; connection.host (optional) the site, `https://slack.com` by default.
    """

    def __init__(self, connection: Connection, *, timeout_s: int = 15) -> None:
        self.connection_id = self._id = connection.id
        # retry_handlers=[]: the default handler posts twice when the connection breaks after Slack has posted
        self._web = WebClient(
            token=connection.password,
            base_url=api_url(connection.host),
            timeout=timeout_s,
            retry_handlers=[],
            logger=_SDK_LOG,
        )
        self._users: dict[str, str] = {}
        self._directs: dict[str, str] = {}
        self._channels: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Slack(connection={self._id!r})"

    def call(self, method: str, arguments: Mapping[str, object], *, as_json: bool = False) -> dict[str, Any]:
        """Slack's answer to one method call. Raises SlackError for everything else."""
        try:
            if as_json:
                answer = self._web.api_call(method, json=dict(arguments))
            else:
                answer = self._web.api_call(method, params=dict(arguments))
        except SlackApiError as error:
            raise self._refused(method, error) from None
        except URLError as error:
            raise self._unreachable(method, error.reason) from None
        except (OSError, HTTPException, SlackClientError, ValueError) as error:  # the request had left
            raise SlackError(self._id, method, f"no answer ({type(error).__name__})", "ambiguous") from None
        data = answer.data
        return data if isinstance(data, dict) else {}

    def post(self, message: Mapping[str, object]) -> Posted:
        """Post one message (chat.postMessage arguments); says where it stands."""
        data = self.call("chat.postMessage", message, as_json=True)
        return Posted(str(data["channel"]), str(data["ts"]), str(message.get("thread_ts") or ""))

    def user_id(self, email: str) -> str:
        """The Slack user with that e-mail; SlackError `users_not_found` if there is none."""
        if email not in self._users:
            self._users[email] = str(self.call("users.lookupByEmail", {"email": email})["user"]["id"])
        return self._users[email]

    def direct_channel(self, email: str) -> str:
        """The id of the direct-message channel with the user of that e-mail."""
        if email not in self._directs:
            data = self.call("conversations.open", {"users": self.user_id(email)})
            self._directs[email] = str(data["channel"]["id"])
        return self._directs[email]

    def channel_id(self, channel: str) -> str:
        """The id of `#name` (an id is returned as it is); SlackError `channel_not_found`."""
        if _CHANNEL_ID.fullmatch(channel):
            return channel
        name = channel.lstrip("#")
        if name not in self._channels:
            wanted = {"types": "public_channel,private_channel", "exclude_archived": True, "limit": _PAGE}
            for page in self._pages("conversations.list", wanted):
                self._channels.update({str(found["name"]): str(found["id"]) for found in page["channels"]})
                if name in self._channels:
                    break
            else:
                raise SlackError(
                    self._id, "conversations.list", "channel_not_found", "rejected", f"looking for #{name}"
                )
        return self._channels[name]

    def find_delivery(
        self, channel: str, key: str, *, since: float, thread_ts: str = "", witnesses: Collection[str] = ()
    ) -> Posted | None:
        """Our message with that delivery key in the channel id's history (or in one thread), or None: surely not there.

        `since`: Unix seconds, how far back to look. `witnesses`: the ts of messages that surely stand there. Metadata
        needs `include_all_metadata`; answers in a thread are in no channel's history
        (docs.slack.dev/reference/methods/conversations.history). Raises SlackError `ambiguous` when the history cannot
        be read to its end, is empty (a channel begins with somebody joining it, a thread with its first message),
        or lacks a witness: then "not there" would be a guess.
        """
        arguments: dict[str, object] = {"channel": channel, "include_all_metadata": True, "limit": _PAGE}
        method = "conversations.replies" if thread_ts else "conversations.history"
        missing = {ts for ts in witnesses if float(ts) > since and not thread_ts}
        seen = 0
        for page in self._pages(method, arguments | ({"ts": thread_ts} if thread_ts else {})):
            messages = page.get("messages", ())
            for message in messages:
                if delivery_key(message) == key:
                    return Posted(channel, str(message["ts"]), thread_ts)
                missing.discard(str(message["ts"]))
            seen += len(messages)
            if not thread_ts and messages and float(messages[-1]["ts"]) < since:
                break
        if missing or not seen:
            lacks = f"does not show {len(missing)} of our own messages" if missing else "is empty"
            raise SlackError(
                self._id,
                method,
                f"the history {lacks}",
                "ambiguous",
                "look into the channel, then retry or suppress it by hand",
            )
        return None

    def _pages(self, method: str, arguments: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        cursor = ""
        for _ in range(_MAX_PAGES):
            page = self.call(method, {**arguments, "cursor": cursor} if cursor else arguments)
            yield page
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor and page.get("has_more"):
                raise SlackError(self._id, method, "a page says there is more and not where", "ambiguous")
            if not cursor:
                return
        raise SlackError(self._id, method, f"more than {_MAX_PAGES * _PAGE} entries to search", "ambiguous")

    def _refused(self, method: str, error: SlackApiError) -> SlackError:
        response = error.response
        data = response.data if isinstance(response.data, dict) else {}
        stated = str(data.get("error") or "")
        code = stated if _CODE.fullmatch(stated) else ""
        ruling = of_slack(code, response.status_code)
        needed = f"needed: {data['needed']}" if "needed" in data else ""
        advice = "; ".join(part for part in (needed, ruling.advice) if part)
        headers = {name.title(): value for name in ("retry-after", "date") if (value := _first(response.headers, name))}
        wait_s = retry_after_s(headers, response.status_code)
        return SlackError(self._id, method, code or f"HTTP {response.status_code}", ruling.outcome, advice, wait_s)

    def _unreachable(self, method: str, cause: object) -> SlackError:
        # urllib wraps what fails while connecting or writing: not all of it can have delivered nothing
        fate = of_failure(cause).outcome
        return SlackError(self._id, method, f"cannot be reached ({type(cause).__name__})", fate)


def ops_notice(connection: Connection, channel: str, text: str) -> Posted:
    """Tell the people who run this: one plain message (failure, lateness, recovery). Raises SlackError.

    `text` may hold `code` and :emoji:, never a mention: error texts come from anywhere, so nothing in it is parsed.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    cut = escaped if len(escaped) <= _NOTICE_LIMIT else _TORN_ENTITY.sub("", escaped[: _NOTICE_LIMIT - 1]) + "…"
    block = {"type": "section", "text": {"type": "mrkdwn", "text": cut, "verbatim": True}}
    message = {
        "channel": channel,
        "text": cut,
        "blocks": [block],
        "unfurl_links": False,
        "unfurl_media": False,
        "parse": "none",
        "link_names": False,
    }
    return Slack(connection).post(message)


def api_url(host: str) -> str:
    """The base of all methods, with its slash.

    >>> api_url(""), api_url("http://127.0.0.1:81/slack"), api_url("https://slack.com/api/")
    ('https://slack.com/api/', 'http://127.0.0.1:81/slack/api/', 'https://slack.com/api/')
    """
    site = (host or "https://slack.com").rstrip("/")
    if "://" not in site:
        site = f"https://{site}"
    return f"{site}/" if urlsplit(site).path.endswith("/api") else f"{site}/api/"


def delivery_key(message: Mapping[str, Any]) -> str | None:
    """The delivery key in a message's metadata, None if it is none of ours."""
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != DELIVERY_EVENT:
        return None
    key = (metadata.get("event_payload") or {}).get("key")
    return None if key is None else str(key)


def _first(headers: Mapping[str, object], name: str) -> str:
    """The header's first value; the SDK hands out some as lists, and names as the server wrote them."""
    value = next((value for given, value in headers.items() if given.lower() == name), "")
    return str(value[0] if isinstance(value, list) and value else value)
