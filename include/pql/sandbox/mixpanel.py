"""The simulated Mixpanel raw export: a date range in, the events that have arrived by now out, as NDJSON.

After https://docs.mixpanel.com/reference/raw-event-export: basic auth by service account, whole UTC days, not
deduplicated, 60 calls an hour and 3 a second (429), gzip when asked for.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Iterator
from datetime import date

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from pql.sandbox.simulation import Sent, events_of
from pql.sandbox.world import Window, World

USER, SECRET = "sandbox", "sandbox"  # noqa: S105 - the sandbox's own, public credentials
MAX_LIMIT = 100_000


def router(world: World) -> APIRouter:
    """The routes under /mixpanel."""
    api = APIRouter()
    hourly, secondly = Window(60, 3600), Window(3, 1)

    def refused(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
        world.refuse("mixpanel", "GET /api/2.0/export", error)
        return JSONResponse({"error": error, "status": "error"}, status, headers)

    @api.get("/api/2.0/export")
    def export(request: Request) -> Response:
        if not _authorised(request.headers.get("authorization", "")):
            return refused(401, "Invalid service account credentials", {"WWW-Authenticate": "Basic"})
        if world.limits:
            for window, text in ((secondly, "3 queries per second"), (hourly, "60 queries per hour")):
                if wait := window.wait_s():
                    return refused(429, f"Rate limit exceeded: {text}", {"Retry-After": str(math.ceil(wait))})
        try:
            query = _Query(request, world.now().date())
        except ValueError as error:
            return refused(400, str(error))
        lines = (_render(sent, query) for sent in query.select(world.seed, world.now_s()))
        if "gzip" in request.headers.get("accept-encoding", ""):
            return StreamingResponse(_gzip(lines), media_type="text/plain", headers={"Content-Encoding": "gzip"})
        return StreamingResponse(lines, media_type="text/plain")

    return api


class _Query:
    """The parameters of one export; ValueError says what is wrong in Mixpanel's words."""

    def __init__(self, request: Request, today: date) -> None:
        self.first, self.last = (_date(request, name) for name in ("from_date", "to_date"))
        if self.first > self.last:
            raise ValueError("from_date cannot be later than to_date")
        if self.last > today:
            raise ValueError("to_date cannot be later than today")
        given = request.query_params
        self.events = set(_names(given["event"])) if "event" in given else None
        self.limit = int(given.get("limit", 2**60))
        if not 1 <= self.limit <= MAX_LIMIT and "limit" in given:
            raise ValueError(f"limit must be between 1 and {MAX_LIMIT}")
        if "where" in given:
            raise ValueError("where: the sandbox does not evaluate expressions")
        self.in_ms = given.get("time_in_ms", "").lower() in ("true", "1")

    def select(self, seed: int, now: int) -> Iterator[Sent]:
        """The chosen events that have arrived by that second."""
        left = self.limit
        for day in range(_day_number(self.first), _day_number(self.last) + 1):
            for sent in events_of(seed, day):
                if sent.arrives_at <= now and (self.events is None or sent.event in self.events):
                    yield sent
                    left -= 1
                    if not left:
                        return


def _date(request: Request, name: str) -> date:
    value = request.query_params.get(name)
    if not value:
        raise ValueError(f"{name} is a required parameter")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"Invalid {name}: expected format yyyy-mm-dd") from None


def _names(text: str) -> list[str]:
    try:
        names = json.loads(text)
    except json.JSONDecodeError:
        names = None
    if not isinstance(names, list):
        raise ValueError("event must be a JSON array of event names")
    return [str(name) for name in names]


def _day_number(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _render(sent: Sent, query: _Query) -> bytes:
    line = sent.line.replace(f'"time":{sent.time}', f'"time":{sent.time}000', 1) if query.in_ms else sent.line
    return line.encode() + b"\n"


def _gzip(lines: Iterator[bytes]) -> Iterator[bytes]:
    packer, buffer = zlib.compressobj(4, wbits=31), bytearray()
    for line in lines:
        buffer += line
        if len(buffer) > 1 << 18:
            yield packer.compress(bytes(buffer))
            buffer.clear()
    yield packer.compress(bytes(buffer)) + packer.flush()


def _authorised(header: str) -> bool:
    scheme, _, token = header.partition(" ")
    try:
        return scheme.lower() == "basic" and base64.b64decode(token).decode() == f"{USER}:{SECRET}"
    except (binascii.Error, UnicodeDecodeError):
        return False
