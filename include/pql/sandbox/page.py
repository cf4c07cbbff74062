"""The page at /: what a person would see."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from pql.sandbox.world import World


def router(world: World) -> APIRouter:
    """The route of the page."""
    api = APIRouter()

    @api.get("/", include_in_schema=False)
    def show() -> HTMLResponse:
        return HTMLResponse(f"<title>Sandbox</title><p>{len(world.effects)} effects</p>")

    return api
