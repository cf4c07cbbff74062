"""The simulated Slack Web API: the calls of slack_sdk's WebClient in, Slack's own answers and errors out.

After https://docs.slack.dev/reference/methods: errors are 200 with `ok: false`, a rate limit is 429 with Retry-After;
about one message a second and channel, short bursts allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pql.sandbox.credentials import SLACK_TOKEN
from pql.sandbox.slack_message import Answer, Args, SlackError, message
from pql.sandbox.slack_state import BOT_ID, BOT_USER, TEAM_ID, Conversation, Message, Workspace, joined
from pql.sandbox.world import Window, World

BURST, BURST_SECONDS = 5, 5.0  # messages a channel takes: one a second, a few at once


def router(world: World, workspace: Workspace) -> APIRouter:
    """The routes under /slack."""
    api = APIRouter()
    calls = Calls(world, workspace)

    def answer(method: str, args: Args, token: str) -> Response:
        try:
            if token != SLACK_TOKEN:
                raise SlackError("invalid_auth" if token else "not_authed")
            handler = calls.methods().get(method)
            if handler is None:
                raise SlackError("unknown_method")
            with world.lock:
                return JSONResponse({"ok": True, **handler(args)})
        except SlackError as error:
            detail = "; ".join([error.error, *error.messages])
            world.refuse("slack", method, detail)
            if error.retry_after is not None:
                return JSONResponse(error.body(), 429, {"Retry-After": str(math.ceil(error.retry_after))})
            return JSONResponse(error.body())

    @api.api_route("/api/{method}", methods=["GET", "POST"], include_in_schema=False)
    async def call(method: str, request: Request) -> Response:
        args = await _arguments(request)
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        token = bearer if scheme.lower() == "bearer" else str(args.get("token") or "")
        return await run_in_threadpool(answer, method, args, token)

    @api.get("/archives/{channel}/p{ts}", include_in_schema=False)
    def permalink(channel: str, ts: str) -> Response:
        """Where a message's permalink leads in the sandbox: its page."""
        return RedirectResponse(f"/?channel={channel}#p{ts}")

    return api


async def _arguments(request: Request) -> Args:
    """Query, form and JSON arguments together, as Slack accepts them."""
    args: Args = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        try:
            body = await request.json()
        except ValueError:
            body = {}
        args.update(body if isinstance(body, dict) else {})
    elif kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        args.update({name: str(value) for name, value in (await request.form()).items()})
    return args


class Calls:
    """The methods of the Web API the sandbox speaks."""

    def __init__(self, world: World, workspace: Workspace) -> None:
        self.world, self.workspace = world, workspace
        self.posts = Window(BURST, BURST_SECONDS, world.seconds)
        self.shown = Window(1, 1.0, world.seconds)

    def methods(self) -> dict[str, Callable[[Args], Answer]]:
        """Handlers by the API's own method names."""
        return {
            "auth.test": self.auth_test,
            "chat.postMessage": self.post,
            "chat.update": self.update,
            "chat.delete": self.delete,
            "chat.getPermalink": self.permalink,
            "conversations.history": self.history,
            "conversations.replies": self.replies,
            "conversations.open": self.open,
            "conversations.list": self.list,
            "conversations.info": self.info,
            "users.lookupByEmail": self.lookup,
        }

    def auth_test(self, _: Args) -> Answer:
        who = {"team": "Relay", "user": "pql", "team_id": TEAM_ID, "user_id": BOT_USER, "bot_id": BOT_ID}
        return {"url": f"{self.world.base_url}/slack/", **who, "is_enterprise_install": False}

    def post(self, args: Args) -> Answer:
        conversation = self._writable(args)
        said = message(args)
        thread = args.get("thread_ts")
        if thread is not None:
            parent = conversation.messages.get(str(thread))
            if parent is None or parent.get("thread_ts", thread) != thread:
                raise SlackError("invalid_thread_ts")
            said["thread_ts"] = str(thread)
            if _true(args.get("reply_broadcast")):
                said |= {"subtype": "thread_broadcast", "broadcast": True}
        if self.world.limits and (wait := self.posts.wait_s(conversation.id)):
            raise SlackError("ratelimited", retry_after=wait)
        hidden = self.world.hides_bursts and self.shown.wait_s(conversation.id) > 0
        posted = self.workspace.post(conversation, said, hidden=hidden)
        return {"channel": conversation.id, "ts": posted["ts"], "message": _shown(posted, metadata=True)}

    def update(self, args: Args) -> Answer:
        conversation = self._writable(args)
        ts = str(args.get("ts", ""))
        if ts not in conversation.messages:
            raise SlackError("message_not_found")
        changed = self.workspace.update(conversation, ts, message(args))
        return {
            "channel": conversation.id,
            "ts": ts,
            "text": changed["text"],
            "message": _shown(changed, metadata=True),
        }

    def delete(self, args: Args) -> Answer:
        conversation, ts = self._readable(args), str(args.get("ts", ""))
        if ts not in conversation.messages:
            raise SlackError("message_not_found")
        self.workspace.delete(conversation, ts)
        return {"channel": conversation.id, "ts": ts}

    def permalink(self, args: Args) -> Answer:
        conversation, ts = self._readable(args), str(args.get("message_ts", ""))
        if ts not in conversation.messages:
            raise SlackError("message_not_found")
        link = f"{self.world.base_url}/slack/archives/{conversation.id}/p{ts.replace('.', '')}"
        return {"channel": conversation.id, "permalink": link}

    def history(self, args: Args) -> Answer:
        conversation = self._readable(args)
        top = [
            m for m in conversation.messages.values() if m.get("thread_ts", m["ts"]) == m["ts"] or m.get("broadcast")
        ]
        beginning = [] if conversation.user else [joined()]
        return self._page(conversation, sorted(top + beginning, key=lambda m: str(m["ts"]), reverse=True), args)

    def replies(self, args: Args) -> Answer:
        conversation, thread = self._readable(args), str(args.get("ts", ""))
        if thread not in conversation.messages:
            raise SlackError("thread_not_found")
        within = [m for m in conversation.messages.values() if thread in (m["ts"], m.get("thread_ts"))]
        return self._page(conversation, sorted(within, key=lambda m: str(m["ts"])), args)

    def _page(self, conversation: Conversation, messages: list[Message], args: Args) -> Answer:
        oldest, latest = str(args.get("oldest") or "0"), str(args.get("latest") or "9" * 10)
        edges = _true(args.get("inclusive"))
        chosen = [
            m
            for m in messages
            if float(oldest) < float(m["ts"]) < float(latest) or (edges and m["ts"] in (oldest, latest))
        ]
        start, limit = _whole(args.get("cursor") or "0"), _whole(args.get("limit") or "100")
        if not 0 < limit <= 999:
            raise SlackError("invalid_limit")
        page, more = chosen[start : start + limit], start + limit < len(chosen)
        with_metadata = _true(args.get("include_all_metadata"))
        shown = [_shown(self._with_thread(conversation, m), metadata=with_metadata) for m in page]
        answer: Answer = {"messages": shown, "has_more": more, "pin_count": 0}
        return answer | {"response_metadata": {"next_cursor": str(start + limit) if more else ""}}

    def _with_thread(self, conversation: Conversation, message: Message) -> Message:
        ts = message["ts"]
        replies = [m for m in conversation.messages.values() if m.get("thread_ts") == ts and m["ts"] != ts]
        if not replies:
            return message
        return {**message, "thread_ts": ts, "reply_count": len(replies), "latest_reply": replies[-1]["ts"]}

    def open(self, args: Args) -> Answer:
        users = [u for u in str(args.get("users") or "").split(",") if u]
        if args.get("channel"):
            return {"channel": {"id": self._readable(args).id}}
        if not users:
            raise SlackError("users_list_not_supplied")
        if users[0] not in self.workspace.users:
            raise SlackError("user_not_found")
        if len(users) > 1:
            raise SlackError("method_not_supported_for_channel_type")  # group messages are not part of the sandbox
        known = "D" + users[0][1:] in self.workspace.conversations
        opened = self.workspace.direct(users[0])
        flags = {"no_op": True, "already_open": True} if known else {}
        return {
            **flags,
            "channel": {"id": opened.id, "created": self.world.now_s(), "is_im": True, "user": opened.user},
        }

    def list(self, args: Args) -> Answer:
        types = str(args.get("types") or "public_channel").split(",")
        skip_archived = _true(args.get("exclude_archived"))
        chosen = [
            c
            for c in self.workspace.conversations.values()
            if ("im" if c.user else "public_channel") in types and not (skip_archived and c.archived)
        ]
        start, limit = _whole(args.get("cursor") or "0"), _whole(args.get("limit") or "100")
        cursor = str(start + limit) if start + limit < len(chosen) else ""
        channels = [_channel(c) for c in chosen[start : start + limit]]
        return {"channels": channels, "response_metadata": {"next_cursor": cursor}}

    def info(self, args: Args) -> Answer:
        return {"channel": _channel(self._readable(args))}

    def lookup(self, args: Args) -> Answer:
        email = str(args.get("email") or "").lower()
        for user in self.workspace.users.values():
            if email and user.email == email:
                profile = {"real_name": user.name, "display_name": user.name.split()[0].lower(), "email": user.email}
                flags = {"deleted": False, "is_bot": False}
                who = {"id": user.id, "team_id": TEAM_ID, "name": user.email.split("@")[0], "real_name": user.name}
                return {"user": {**who, **flags, "profile": profile}}
        raise SlackError("users_not_found")

    def _readable(self, args: Args) -> Conversation:
        conversation = self.workspace.conversations.get(str(args.get("channel") or ""))
        if conversation is None:
            raise SlackError("channel_not_found")
        if not conversation.member:
            raise SlackError("not_in_channel")
        return conversation

    def _writable(self, args: Args) -> Conversation:
        conversation = self.workspace.find(str(args.get("channel") or ""))
        if conversation is None:
            raise SlackError("channel_not_found")
        if conversation.archived:
            raise SlackError("is_archived")
        if not conversation.member:
            raise SlackError("not_in_channel")
        return conversation


def _shown(message: Message, *, metadata: bool) -> Message:
    return {name: value for name, value in message.items() if metadata or name != "metadata"}


def _channel(c: Conversation) -> Answer:
    if c.user:
        return {"id": c.id, "is_im": True, "user": c.user}
    flags = {"is_channel": True, "is_private": False, "is_im": False}
    return {"id": c.id, "name": c.name, **flags, "is_archived": c.archived, "is_member": c.member}


def _true(value: object) -> bool:
    return str(value).lower() in ("true", "1")


def _whole(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise SlackError("invalid_arguments") from None
