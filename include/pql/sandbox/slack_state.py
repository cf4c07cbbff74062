"""The simulated Slack workspace: people, channels and messages, rebuilt from the effects log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pql.sandbox import names
from pql.sandbox.effects import Effect
from pql.sandbox.world import World

TEAM_ID, BOT_USER, BOT_ID, APP_ID = "T0RELAY01", "U0PQLBOT1", "B0PQLBOT1", "A0PQLAPP1"
# (name, the bot is a member, archived)
CHANNELS = (
    ("general", False, False),
    ("sales", True, False),
    ("pql", True, False),
    ("pql-small", True, False),
    ("pql-mid", True, False),
    ("pql-large", True, False),
    ("pql-unknown", True, False),
    ("pql-upsell", True, False),
    ("pql-hand-raisers", True, False),
    ("pql-usage-limit", True, False),
    ("pql-ops", True, False),
    ("customer-success", True, False),
    ("sales-2019", True, True),
)
Message = dict[str, Any]


@dataclass(frozen=True)
class User:
    """A person in the workspace."""

    id: str
    name: str
    email: str


@dataclass
class Conversation:
    """A channel, or a direct-message conversation with one person, and its messages by ts."""

    id: str
    name: str
    member: bool = True
    archived: bool = False
    user: str = ""  # the other person, in a direct message
    messages: dict[str, Message] = field(default_factory=dict)


class Workspace:
    """Who is there and what was said. Callers hold `world.lock`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.users = {u.id: u for u in _users()}
        self.conversations = {c.id: c for c in (_channel(*row) for row in CHANNELS)}
        self._last_ts = 0
        for effect in world.effects.all("slack"):
            self._apply(effect)

    def find(self, channel: str) -> Conversation | None:
        """A conversation by id, by `#name`, by name, or by a person's id (their direct messages)."""
        if channel in self.conversations:
            return self.conversations[channel]
        if channel in self.users:
            return self.direct(channel)
        name = channel.removeprefix("#")
        return next((c for c in self.conversations.values() if not c.user and c.name == name), None)

    def direct(self, user_id: str) -> Conversation:
        """The direct messages with a person."""
        channel_id = "D" + user_id[1:]
        if channel_id not in self.conversations:
            opened = Conversation(channel_id, self.users[user_id].name, user=user_id)
            self.conversations[channel_id] = opened
        return self.conversations[channel_id]

    def post(self, conversation: Conversation, message: Message, *, hidden: bool = False) -> Message:
        """Add a message durably and return it with its ts; a hidden one is in the log and in nobody's history."""
        action = "chat.postMessage, not shown" if hidden else "chat.postMessage"
        effect = self.world.record("slack", action, self._what(conversation, self._ts(), message))
        self._apply(effect)
        return conversation.messages.get(effect["ts"], {**message, "ts": effect["ts"]})

    def update(self, conversation: Conversation, ts: str, message: Message) -> Message:
        """Change a message durably."""
        self._apply(self.world.record("slack", "chat.update", self._what(conversation, ts, message)))
        return conversation.messages[ts]

    def delete(self, conversation: Conversation, ts: str) -> None:
        """Remove a message durably: the log keeps that it was there."""
        what = {"channel": conversation.id, "channel_name": conversation.name, "ts": ts, "message": {}}
        self._apply(self.world.record("slack", "chat.delete", what))

    def _what(self, conversation: Conversation, ts: str, message: Message) -> Message:
        payload = message.get("metadata", {}).get("event_payload", {})
        key = payload.get("retracted_by", payload.get("key"))  # of the delivery that does it
        place = {"channel": conversation.id, "channel_name": conversation.name, "ts": ts}
        return {"key": key, **place, "message": message}

    def _ts(self) -> str:
        self._last_ts = max(self._last_ts + 1, int(self.world.now().timestamp() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def _apply(self, effect: Effect) -> None:
        channel = effect["channel"]
        if channel.startswith("D") and channel not in self.conversations:
            self.direct("U" + channel[1:])
        messages, ts = self.conversations[channel].messages, effect["ts"]
        self._last_ts = max(self._last_ts, int(ts.replace(".", "")))
        if effect["kind"] == "slack_hidden":
            return
        if effect["action"] == "chat.delete":
            del messages[ts]
        elif effect["action"] == "chat.update":
            edited = str(datetime.fromisoformat(effect["at"]).timestamp())
            messages[ts] = {**messages[ts], **effect["message"], "edited": {"user": BOT_USER, "ts": edited}}
        else:
            fixed = {"type": "message", "user": BOT_USER, "bot_id": BOT_ID, "app_id": APP_ID, "team": TEAM_ID}
            messages[ts] = {**fixed, "ts": ts, **effect["message"]}


def joined() -> Message:
    """What every channel's history begins with: the bot joined it."""
    said = f"<@{BOT_USER}> has joined the channel"
    return {"type": "message", "subtype": "channel_join", "user": BOT_USER, "ts": "1704067200.000100", "text": said}


def _users() -> list[User]:
    people = [User(_id("U", o[3]), f"{o[1]} {o[2]}", o[3]) for o in names.OWNERS if o[4]]
    return [*people, User(BOT_USER, "PQL", "")]


def _channel(name: str, member: bool, archived: bool) -> Conversation:
    return Conversation(_id("C", name), name, member, archived)


def _id(letter: str, name: str) -> str:
    digest = hashlib.sha256(name.encode()).digest()
    return letter + "0" + "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[b % 36] for b in digest[:8])
