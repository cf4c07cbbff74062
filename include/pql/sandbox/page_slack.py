"""The Slack half of the page: a workspace in, its sidebar and one conversation as HTML out."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

from pql.sandbox.block_html import message_html
from pql.sandbox.slack_state import BOT_USER, Conversation, Workspace


def sidebar(workspace: Workspace, chosen: Conversation | None) -> str:
    """Channels and direct messages, busy ones first in weight, as links."""
    channels = [c for c in workspace.conversations.values() if not c.user and not c.archived]
    direct = [c for c in workspace.conversations.values() if c.user and c.messages]
    shown = sorted(channels, key=lambda c: c.name)
    people = "".join(_entry(c, "●", chosen) for c in direct)
    return (
        f"<h2>Channels</h2><ul>{''.join(_entry(c, '#', chosen) for c in shown)}</ul>"
        f"<h2>Direct messages</h2><ul>{people or '<li class=none>none yet</li>'}</ul>"
    )


def _entry(c: Conversation, sign: str, chosen: Conversation | None) -> str:
    current = ' aria-current="page"' if chosen is c else ""
    weight = ' class="busy"' if c.messages else ""
    count = f'<b class="count">{len(c.messages)}</b>' if c.messages else ""
    return f'<li{weight}><a href="/?channel={c.id}"{current}><i>{sign}</i> {html.escape(c.name)}{count}</a></li>'


def newest(workspace: Workspace) -> Conversation:
    """The conversation that spoke last, #pql while nobody has."""
    busy = [c for c in workspace.conversations.values() if c.messages]
    return max(busy, key=lambda c: max(c.messages), default=None) or workspace.find("#pql") or _never()


def _never() -> Conversation:
    raise LookupError("the workspace has no channel #pql")


def conversation(workspace: Workspace, c: Conversation) -> str:
    """A conversation's messages in order, each with its thread below it."""

    def name_of(thing: str) -> str:
        if thing in workspace.users:
            return workspace.users[thing].name
        return workspace.conversations[thing].name if thing in workspace.conversations else thing

    messages = list(c.messages.values())
    top = [m for m in messages if m.get("thread_ts", m["ts"]) == m["ts"]]
    parts, day = [], ""
    for message in top:
        if (today := _when(message["ts"]).strftime("%A, %-d %B")) != day:
            day = today
            parts.append(f'<div class="day"><span>{day}</span></div>')
        replies = [m for m in messages if m.get("thread_ts") == message["ts"] and m is not message]
        thread = "".join(_message(m, name_of) for m in replies)
        count = f"{len(replies)} {'reply' if len(replies) == 1 else 'replies'}"
        parts.append(_message(message, name_of, f'<div class="thread"><b>{count}</b>{thread}</div>' if replies else ""))
    return "".join(parts) or '<p class="empty">Nothing has been posted here yet.</p>'


def _message(message: dict[str, Any], name_of: Any, thread: str = "") -> str:
    ts = message["ts"]
    edited = " <small>(edited)</small>" if "edited" in message else ""
    author = html.escape(name_of(message.get("user", BOT_USER)))
    return (
        f'<article id="p{ts.replace(".", "")}"><div class="avatar" aria-hidden="true">P</div><div class="body">'
        f'<header><b>{author}</b><span class="app">APP</span><time>{_when(ts):%H:%M}</time>{edited}</header>'
        f"{message_html(message, name_of)}{thread}</div></article>"
    )


def _when(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), UTC)
