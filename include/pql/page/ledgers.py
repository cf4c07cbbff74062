"""The pages about what the ledger holds: deliveries by state, silent openings, definitions and their runs."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse

from pql import outbox, store
from pql.insight.board.definitions import versions
from pql.insight.board.deliveries import ATTENTION, DELIVERY_STATES, deliveries
from pql.insight.board.links import links
from pql.page import storms
from pql.page.viewing import Viewer
from pql.page.wiring import Wiring
from pql.pipeline.health.differences import sentence
from pql.store import discrepancies

MOST_OPENINGS = 500
MOST_DIFFERENCES = 20


def router(wiring: Wiring, viewer: Callable[..., Viewer]) -> APIRouter:
    """Their routes."""
    api = APIRouter()

    @api.get("/deliveries")
    def sent(
        state: str = "",
        destination: str = "",
        page: int = Query(1, ge=1),
        seen_by: Viewer = Depends(viewer),
    ) -> HTMLResponse:
        with wiring.open_project() as project:
            with store.reading(project.engine) as connection:
                found = deliveries(connection, state=state, destination=destination, page=page)
                stopped = storms.shown(connection, seen_by.now)
                differ = discrepancies.list_open(connection)
            told = [(each.seen_at, sentence(each.finding)) for each in differ[:MOST_DIFFERENCES]]
            values = {"differ": len(differ), "differences": told}
            values |= {"found": found, "link": links(project), "states": DELIVERY_STATES, "attention": ATTENTION}
            return seen_by.page("deliveries", project, state=state, destination=destination, storms=stopped, **values)

    @api.get("/openings")
    def openings(definition: str = "", seen_by: Viewer = Depends(viewer)) -> HTMLResponse:
        with wiring.open_project() as project:
            with store.reading(project.engine) as connection:
                found = outbox.list_silent(connection, definition=definition or None, limit=MOST_OPENINGS)
            return seen_by.page("openings", project, openings=found, definition=definition, most=MOST_OPENINGS)

    @api.get("/definitions")
    def defined(seen_by: Viewer = Depends(viewer)) -> HTMLResponse:
        with wiring.open_project() as project:
            return seen_by.page("definitions", project, versions=versions(project, now=seen_by.now))

    return api
