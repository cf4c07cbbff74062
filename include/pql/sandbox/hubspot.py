"""The simulated HubSpot API: CRM v3 objects, search, owners, properties, v4 associations, account details.

After https://developers.hubspot.com/docs/api-reference: bearer token, 190 requests in 10 seconds, 5 searches a second,
100 inputs a batch, HubSpot's error envelope.
"""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pql.sandbox import hubspot_directory as directory
from pql.sandbox import hubspot_objects as objects
from pql.sandbox.credentials import HUBSPOT_TOKEN
from pql.sandbox.crm import Crm
from pql.sandbox.crm_schema import HubSpotError
from pql.sandbox.hubspot_call import Call, Handler
from pql.sandbox.world import Window, World

UNAUTHORISED = (
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at "
    "https://developers.hubspot.com/docs/methods/auth/oauth-overview"
)


def router(world: World, crm: Crm) -> APIRouter:
    """The routes under /hubspot."""
    api, portal = APIRouter(), _Portal(world, crm)
    for method, path, handler in ROUTES:
        api.add_api_route(path, portal.endpoint(handler), methods=[method], include_in_schema=False)

    @api.get("/contacts/{portal}/{rest:path}", include_in_schema=False)
    def record_link(portal: str, rest: str) -> Response:
        """Where links to a record lead in the sandbox: its page."""
        found = re.search(r"(0-[12]|company|contact)/(\d+)$", rest)
        query = {"view": "record", "type": found[1], "id": found[2]} if found else {"view": "tasks"}
        return RedirectResponse("/?" + urlencode(query))

    return api


class _Portal:
    """One HubSpot account: who may call, how often, and the CRM behind it."""

    def __init__(self, world: World, crm: Crm) -> None:
        self.world, self.crm = world, crm
        self.rolling, self.searches = (
            Window(190, 10, world.seconds),
            Window(5, 1, world.seconds),
        )

    def endpoint(self, handler: Handler) -> Any:
        """The handler as a route."""

        async def endpoint(request: Request) -> Response:
            try:
                body = await request.json() if request.method in ("POST", "PATCH") else None
            except ValueError:
                body = None
            return await run_in_threadpool(self.answer, request, handler, body)

        return endpoint

    def answer(self, request: Request, handler: Handler, body: Any) -> Response:
        """What the handler says, or HubSpot's error envelope."""
        path = request.url.path.removeprefix("/hubspot")
        try:
            self.gate(request, path)
            with self.world.lock, self.world.effects.answering():
                status, content = handler(self.crm, Call(request.query_params, request.path_params, body))
            return JSONResponse(content, status)
        except HubSpotError as error:
            if error.status != 404:  # looking whether something is there is no mistake
                self.world.refuse("hubspot", f"{request.method} {path}", f"{error.status} {error.message}")
            wait = error.more.pop("wait", None)
            headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
            return JSONResponse(error.body(), error.status, headers)

    def gate(self, request: Request, path: str) -> None:
        """HubSpotError if the caller is not known (401) or too fast (429)."""
        if request.headers.get("authorization") != f"Bearer {HUBSPOT_TOKEN}":
            raise HubSpotError(401, "INVALID_AUTHENTICATION", UNAUTHORISED)
        window, policy = (
            (self.searches, "SECONDLY") if path.endswith("/search") else (self.rolling, "TEN_SECONDLY_ROLLING")
        )
        if self.world.limits and (wait := window.wait_s()):
            text = f"You have reached your {policy.lower()} limit."
            raise HubSpotError(429, "RATE_LIMITS", text, errorType="RATE_LIMIT", policyName=policy, wait=wait)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/crm/v3/owners", directory.owners),
    ("GET", "/crm/v3/owners/", directory.owners),
    ("GET", "/crm/v3/owners/{id}", directory.one_owner),
    ("GET", "/crm/v3/properties/{kind}", directory.properties),
    ("POST", "/crm/v3/properties/{kind}", directory.create_property),
    ("GET", "/crm/v3/properties/{kind}/{name}", directory.one_property),
    ("POST", "/crm/v3/objects/{kind}/search", objects.search),
    ("POST", "/crm/v3/objects/{kind}/batch/read", objects.batch_read),
    ("POST", "/crm/v3/objects/{kind}/batch/create", objects.batch_create),
    ("POST", "/crm/v3/objects/{kind}/batch/update", objects.batch_update),
    ("POST", "/crm/v3/objects/{kind}/batch/upsert", objects.batch_upsert),
    ("GET", "/crm/v3/objects/{kind}", objects.list_),
    ("POST", "/crm/v3/objects/{kind}", objects.create),
    ("GET", "/crm/v3/objects/{kind}/{id}", objects.get),
    ("PATCH", "/crm/v3/objects/{kind}/{id}", objects.update),
    ("GET", "/crm/v4/objects/{from}/{id}/associations/{to}", directory.read_links),
    ("PUT", "/crm/v4/objects/{from}/{id}/associations/default/{to}/{to_id}", directory.associate),
    ("POST", "/crm/v4/associations/{from}/{to}/batch/read", directory.batch_read_links),
    ("POST", "/crm/v4/associations/{from}/{to}/batch/associate/default", directory.batch_associate),
    ("POST", "/crm/v4/associations/{from}/{to}/batch/create", directory.batch_associate),
    ("GET", "/account-info/v3/details", directory.account),
)
