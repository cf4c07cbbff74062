"""Endpoints for webhooks: a signed request in, 200 and a note in the log out, or a refusal.

The receiver's half of https://www.standardwebhooks.com: signature over id.timestamp.body, five minutes of tolerance,
the same webhook-id is accepted again but counted as a repetition. `/webhook/gone` answers 410.
"""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.concurrency import run_in_threadpool

from pql.sandbox.credentials import WEBHOOK_SECRET
from pql.sandbox.world import World

MAX_BYTES = 20_000


def router(world: World) -> APIRouter:
    """The routes under /webhook."""
    api = APIRouter()
    verifier = Webhook(WEBHOOK_SECRET)
    seen = {effect["key"] for effect in world.effects.all("webhook")}

    def refused(name: str, status: int, reason: str) -> Response:
        world.refuse("webhook", f"POST /webhook/{name}", reason)
        return JSONResponse({"error": reason}, status)

    @api.post("/{name}", include_in_schema=False)
    async def receive(name: str, request: Request) -> Response:
        if name == "gone" or not re.fullmatch(r"[\w-]{1,64}", name):
            return refused(name, 410 if name == "gone" else 404, "no such endpoint")
        body, headers = await request.body(), dict(request.headers)
        # not here: whoever waits for the lock must not keep all other requests waiting
        return await run_in_threadpool(taken, name, body, headers)

    def taken(name: str, body: bytes, headers: dict[str, str]) -> Response:
        if len(body) > MAX_BYTES:
            return refused(name, 413, f"payload of {len(body)} bytes; at most {MAX_BYTES}")
        try:
            payload = verifier.verify(body, headers)
        except (WebhookVerificationError, ValueError) as error:
            return refused(name, 401, f"signature not accepted: {error}")
        with world.lock:
            webhook_id = headers["webhook-id"]
            action = "received again" if webhook_id in seen else "received"
            seen.add(webhook_id)
            world.record("webhook", action, {"key": webhook_id, "name": name, "payload": payload})
        return JSONResponse({"received": True})

    return api
