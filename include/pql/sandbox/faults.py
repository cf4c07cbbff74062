"""Things that go wrong between a client and a service: a request in, an outage, a limit or a lost answer out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

How = Literal["lost", "error", "unavailable", "rate_limited", "unauthorised", "slow"]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# How a fault shows: status and body, sent instead of asking the service.
INSTEAD: dict[How, tuple[int, bytes]] = {
    "error": (500, b'{"ok":false,"error":"internal_error","status":"error","message":"internal error"}'),
    "unavailable": (503, b'{"ok":false,"error":"service_unavailable","status":"error","message":"unavailable"}'),
    "rate_limited": (429, b'{"ok":false,"error":"ratelimited","status":"error","category":"RATE_LIMITS"}'),
    "unauthorised": (401, b'{"ok":false,"error":"token_expired","status":"error","category":"EXPIRED_AUTHENTICATION"}'),
}


@dataclass
class Fault:
    """`lost`: the service acts, but the connection breaks before the answer; `slow`: it answers after two seconds."""

    path: str
    how: How
    times: int


class FaultInjector:
    """Wraps the application; passes everything on unless a fault was asked for."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Arm a fault."""
        with self._lock:
            self._faults.append(fault)

    def around(self, app: App) -> App:
        """The application with the faults in front of it."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            how = self._take(scope["path"]) if scope["type"] == "http" else None
            if how in INSTEAD:
                await _instead(how, send)
            elif how == "lost":
                await app(scope, receive, _nowhere)
                await _broken(send)
            else:
                await asyncio.sleep(2 if how == "slow" else 0)
                await app(scope, receive, send)

        return wrapped

    def _take(self, path: str) -> How | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.path in path:
                    fault.times -= 1
                    return fault.how
        return None


async def _instead(how: How, send: Send) -> None:
    status, body = INSTEAD[how]
    headers = [(b"content-type", b"application/json")] + [(b"retry-after", b"1")] * (how == "rate_limited")
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _nowhere(_: Scope) -> None:
    """What the service answers is thrown away."""


async def _broken(send: Send) -> None:
    """Half an answer, then the connection closes: the client cannot know what happened."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ConnectionResetError("the sandbox breaks this connection on purpose")
