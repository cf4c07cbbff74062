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
from itertools import islice

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from pql.sandbox.credentials import MIXPANEL_SECRET, MIXPANEL_USER
from pql.sandbox.simulation import Sent, events_of
from pql.sandbox.world import Window, World

MAX_LIMIT = 100_000


class RefusedError(Exception):
    """An answer other than 200, in Mixpanel's words."""

    def __init__(self, status: int, error: str, **headers: str) -> None:
        super().__init__(error)
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}


def router(world: World) -> APIRouter:
    """The routes under /mixpanel."""
    api, gate = APIRouter(), _Gate(world)

    @api.get("/api/2.0/export", include_in_schema=False)
    def export(request: Request) -> Response:
        try:
            gate.check(request)
            query = _Query(request, world.now().date())
        except RefusedError as refused:
            world.refuse("mixpanel", "GET /api/2.0/export", f"{refused.status} {refused}")
            return JSONResponse({"error": str(refused), "status": "error"}, refused.status, refused.headers)
        lines = (_render(sent, query) for sent in query.select(world.seed, world.company_s()))
        if "gzip" in request.headers.get("accept-encoding", ""):
            return StreamingResponse(_gzip(lines), media_type="text/plain", headers={"Content-Encoding": "gzip"})
        return StreamingResponse(_joined(lines), media_type="text/plain")

    return api


class _Gate:
    """Who may export, and how often."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.windows = ((Window(3, 1), "3 queries per second"), (Window(60, 3600), "60 queries per hour"))

    def check(self, request: Request) -> None:
        """RefusedError with 401, 400 or 429."""
        if not _authorised(request.headers.get("authorization", "")):
            raise RefusedError(401, "Invalid service account credentials", WWW_Authenticate="Basic")
        if not request.query_params.get("project_id"):
            raise RefusedError(400, "project_id is a required parameter when authenticating with a service account")
        for window, text in self.windows if self.world.limits else ():
            if wait := window.wait_s():
                raise RefusedError(429, f"Rate limit exceeded: {text}", Retry_After=str(math.ceil(wait)))


class _Query:
    """The parameters of one export; RefusedError says what is wrong."""

    def __init__(self, request: Request, today: date) -> None:
        self.first, self.last = (_date(request, name) for name in ("from_date", "to_date"))
        if self.first > self.last:
            raise RefusedError(400, "from_date cannot be later than to_date")
        if self.last > today:
            raise RefusedError(400, "to_date cannot be later than today")
        given = request.query_params
        self.events = set(_names(given["event"])) if "event" in given else None
        limit = given.get("limit", str(MAX_LIMIT))
        self.limit = int(limit) if "limit" in given and limit.isdigit() else 2**60
        if not (limit.isdigit() and 1 <= int(limit) <= MAX_LIMIT):
            raise RefusedError(400, f"limit must be between 1 and {MAX_LIMIT}")
        if "where" in given:
            raise RefusedError(400, "where: the sandbox does not evaluate expressions")
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
        raise RefusedError(400, f"{name} is a required parameter")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise RefusedError(400, f"Invalid {name}: expected format yyyy-mm-dd") from None


def _names(text: str) -> list[str]:
    try:
        names = json.loads(text)
    except json.JSONDecodeError:
        names = None
    if not isinstance(names, list):
        raise RefusedError(400, "event must be a JSON array of event names")
    return [str(name) for name in names]


def _day_number(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _render(sent: Sent, query: _Query) -> bytes:
    line = sent.line.replace(f'"time":{sent.time}', f'"time":{sent.time}000', 1) if query.in_ms else sent.line
    return line.encode() + b"\n"


def _joined(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of a size that travels well."""
    while piece := b"".join(islice(lines, 2_000)):
        yield piece


def _gzip(lines: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, wbits=31)
    for piece in _joined(lines):
        yield packer.compress(piece)
    yield packer.flush()


def _authorised(header: str) -> bool:
    scheme, _, token = header.partition(" ")
    try:
        return scheme.lower() == "basic" and base64.b64decode(token).decode() == f"{MIXPANEL_USER}:{MIXPANEL_SECRET}"
    except (binascii.Error, UnicodeDecodeError):
        return False
