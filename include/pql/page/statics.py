"""The style sheet, the script and the icons of the page, served from the package."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

_TYPES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon-light.svg": "image/svg+xml",
    "icon-dark.svg": "image/svg+xml",
}


@cache
def content(name: str) -> bytes:
    """The file's bytes; it changes only with the installed package."""
    return (files("pql.page") / "static" / name).read_bytes()


def address(name: str) -> str:
    """Its path below the page's root, with its content's hash, so that browsers may keep it."""
    return f"/static/{name}?v={hashlib.sha256(content(name)).hexdigest()[:12]}"


def router() -> APIRouter:
    """The one route that serves them."""
    api = APIRouter()

    @api.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in _TYPES:
            raise HTTPException(404, "There is no such file.")
        keep = {"Cache-Control": "private, max-age=31536000, immutable"}
        return Response(content(name), media_type=_TYPES[name], headers=keep)

    return api
