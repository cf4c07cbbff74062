"""How the sandbox is told to misbehave: faults armed, listed and cleared over HTTP, for whoever runs it elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse, Response

from pql.sandbox.faults import Fault, Faults
from pql.sandbox.world import World


def router(world: World, faults: Faults) -> APIRouter:
    """The routes under /admin. They are not struck themselves unless a fault's path names them."""
    api = APIRouter()

    @api.get("/faults")
    def armed() -> Response:
        """What may still strike, and which limits are kept."""
        return JSONResponse({"faults": faults.armed(), "limits": world.limits, "hides_bursts": world.hides_bursts})

    @api.post("/faults")
    def arm(fault: dict[str, Any] = Body()) -> Response:
        """Arm one fault, with the fields of `Fault`; 400 says what is wrong with it."""
        try:
            faults.arm(Fault(**fault))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"armed": faults.armed()}, 201)

    @api.put("/limits")
    def limit(limits: bool = Body(True), hides_bursts: bool = Body(False)) -> Response:
        """Keep the vendors' rate limits or not; let Slack silently drop what comes faster than one a second."""
        world.limits, world.hides_bursts = limits, hides_bursts
        return JSONResponse({"limits": limits, "hides_bursts": hides_bursts})

    @api.delete("/faults")
    def clear() -> Response:
        """Let nothing strike any more."""
        faults.clear()
        return JSONResponse({"armed": []})

    return api
