"""How faults show on the line: a request and the fault that strikes it in, what the client gets to see of it out."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime, timedelta
from typing import Any

from pql.sandbox.faults import Fault, Faults, How

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Strike = Callable[[Fault, Scope, Receive, Send], Awaitable[None]]

# Status and body sent instead of the service's own.
SAID: dict[How, tuple[int, bytes]] = {
    "error": (500, b'{"ok":false,"error":"internal_error","status":"error","message":"internal error"}'),
    "unavailable": (503, b'{"ok":false,"error":"service_unavailable","status":"error","message":"unavailable"}'),
    "down": (503, b'{"ok":false,"error":"service_unavailable","status":"error","message":"unavailable"}'),
    "fatal_error": (200, b'{"ok":false,"error":"fatal_error"}'),
    "internal_error": (200, b'{"ok":false,"error":"internal_error"}'),
    "rate_limited": (429, b'{"ok":false,"error":"ratelimited","status":"error","category":"RATE_LIMITS"}'),
    "unauthorised": (401, b'{"ok":false,"error":"token_expired","status":"error","category":"EXPIRED_AUTHENTICATION"}'),
}
_POLL_S = 0.01
_DRIPS = 20


class FaultLine:
    """Wraps the application; passes everything on unless a fault strikes."""

    def __init__(self, app: App, faults: Faults, clock: Callable[[], datetime]) -> None:
        self._app, self._faults, self._clock = app, faults, clock
        self._late: dict[asyncio.Task[None], datetime] = {}
        self.in_hand = 0  # requests being answered; one that is late does not count
        self._strikes: dict[How, Strike] = {
            "lost": self._lost,
            "late": self._acts_late,
            "partial": self._partial,
            "slow": self._slow,
            "slow_body": self._slow_body,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.in_hand += 1
        try:
            await self._pass_on(scope, receive, send)
        finally:
            self.in_hand -= 1

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._faults.striking(scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._strikes.get(fault.how, self._instead)(fault, scope, receive, send)

    def landing_at(self) -> datetime | None:
        """When the next request that is late will have its effect, None if none is under way."""
        return min(list(self._late.values()), default=None)

    async def _instead(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.acts:
            await self._app(scope, receive, _nowhere)
        status, body = SAID[fault.how]
        limited = fault.how == "rate_limited" and fault.retry_after is not None
        more = [(b"retry-after", str(fault.retry_after).encode())] if limited else []
        await _answer(send, status, body, more)

    async def _lost(self, _: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, _nowhere)
        await _broken(send)

    async def _acts_late(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole(receive)
        at = self._clock() + timedelta(seconds=fault.delay_s)

        async def later() -> None:
            while self._clock() < at:
                await asyncio.sleep(_POLL_S)
            await self._app(scope, _again(body), _nowhere)

        task = asyncio.create_task(later())
        self._late[task] = at
        task.add_done_callback(self._late.pop)
        await _broken(send)

    async def _partial(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        request = json.loads(await _whole(receive))
        dice = random.Random(fault.seed)  # noqa: S311  # repeatable on purpose
        refused = [row for row in request.get("inputs", []) if dice.random() < fault.rows]
        done = [row for row in request.get("inputs", []) if row not in refused]
        said: dict[str, Any] = {"status": "COMPLETE", "results": []}
        if done:
            status, answer = await self._ask(scope, json.dumps(request | {"inputs": done}).encode())
            said = json.loads(answer)
            if status >= 300:
                await _answer(send, status, answer)
                return
        whys = itertools.cycle(fault.categories)
        errors = [*said.get("errors", []), *(_refusal(row, next(whys)) for row in refused)]
        merged = said | {"numErrors": len(errors), "errors": errors}
        await _answer(send, 207, json.dumps(merged).encode())

    async def _ask(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        """What the service answers to this body."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        parts: list[bytes] = []
        status = 0

        async def keep(message: Scope) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        sized = [*headers, (b"content-length", str(len(body)).encode())]
        await self._app({**scope, "headers": sized}, _again(body), keep)
        return status, b"".join(parts)

    async def _slow(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(fault.delay_s)
        await self._app(scope, receive, send)

    async def _slow_body(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = await self._ask(scope, await _whole(receive))
        await send({"type": "http.response.start", "status": status, "headers": _headers(body)})
        step = max(1, len(body) // _DRIPS)
        for start in range(0, len(body), step):
            await asyncio.sleep(fault.delay_s / _DRIPS)
            await send({"type": "http.response.body", "body": body[start : start + step], "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _refusal(row: dict[str, Any], category: str) -> dict[str, Any]:
    """A row's error as HubSpot's multi-status answers carry it."""
    named = {"objectWriteTraceId": [str(row["objectWriteTraceId"])]} if "objectWriteTraceId" in row else {}
    context = {"ids": [str(row.get("id", ""))], **named}
    return {"status": "error", "category": category, "message": f"refused on purpose ({category})", "context": context}


async def _answer(send: Send, status: int, body: bytes, more: list[tuple[bytes, bytes]] | None = None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _headers(body) + (more or [])})
    await send({"type": "http.response.body", "body": body})


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]


async def _whole(receive: Receive) -> bytes:
    """The request's body, all of it."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes) -> Receive:
    """A body that was read already, to be read once more."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Scope:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


async def _nowhere(_: Scope) -> None:
    """What the service answers is thrown away."""


async def _broken(send: Send) -> None:
    """Half an answer, then the connection closes: the client cannot know what happened."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ConnectionResetError("the sandbox breaks this connection on purpose")
