"""The pages about accounts: the ranked list, the same as CSV, one account, and why it stands where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response

from pql import insight, outbox, store
from pql.insight.board.account import account
from pql.insight.board.board import NOBODY, PAGE, SORTS, Asked, all_rows, board
from pql.insight.board.links import links, record_link
from pql.insight.board.states import STATES
from pql.page.chart import chart
from pql.page.tables import csv
from pql.page.viewing import Viewer
from pql.page.views import error_page
from pql.page.wiring import Wiring
from pql.pipeline.project import Project
from pql.types import UserError


def asked(
    definition: str = "",
    size: str = "",
    owner: str = "",
    state: str = "",
    q: str = "",
    sort: str = "score",
    turned: bool = False,
    page: int = Query(1, ge=1),
) -> Asked:
    """The board's filters as the address has them; an unknown sorting is the usual one."""
    return Asked(definition, size, owner, state, q, sort if sort in SORTS else "score", turned, page)


def router(wiring: Wiring, viewer: Callable[..., Viewer]) -> APIRouter:
    """Their routes."""
    api = APIRouter()

    @api.get("/")
    def ranked(wanted: Asked = Depends(asked), seen_by: Viewer = Depends(viewer)) -> HTMLResponse:
        with wiring.open_project() as project:
            if wanted.definition and wanted.definition not in {d.id for d in project.definitions}:
                return error_page(seen_by.request, 404, "There is no such definition", _missing(wanted, project))
            values = {"board": board(project, wanted, now=seen_by.now), "asked": wanted, "query": _query(wanted)}
            return seen_by.page("accounts", project, states=STATES, nobody=NOBODY, page_size=PAGE, **values)

    @api.get("/accounts.csv")
    def ranked_as_csv(wanted: Asked = Depends(asked)) -> Response:
        with wiring.open_project() as project:
            rows = all_rows(project, wanted, now=wiring.clock())
        return Response(csv(rows), media_type="text/csv", headers=_DOWNLOAD)

    @api.get("/account")
    def one_account(key: str, seen_by: Viewer = Depends(viewer)) -> HTMLResponse:
        with wiring.open_project() as project:
            try:
                found = account(project, key, now=seen_by.now)
            except UserError as error:
                return error_page(seen_by.request, 404, "There is no such account", str(error))
            charts = [
                chart(chapter.history, zone=project.settings.timezone, staged=chapter.row.activation_pct is not None)
                for chapter in found.chapters
            ]
            record = record_link(project, *_record(project, key))
            return seen_by.page("account", project, account=found, charts=charts, link=links(project), record=record)

    @api.get("/account/why")
    def why(key: str, seen_by: Viewer = Depends(viewer)) -> HTMLResponse:
        with wiring.open_project() as project:
            try:
                found = insight.explain(project, key, as_of=seen_by.now, now=seen_by.now)
            except UserError as error:
                return error_page(seen_by.request, 404, "There is no such account", str(error))
            return seen_by.page("why", project, explained=found, key=key)

    return api


_DOWNLOAD = {"Content-Disposition": 'attachment; filename="accounts.csv"'}


def _query(wanted: Asked) -> dict[str, Any]:
    """The filters as they stand in the address; what is usual is left out."""
    values = asdict(wanted)
    values["q"] = values.pop("search")
    usual = {"sort": "score", "page": 1}
    return {name: "" if usual.get(name) == value else value for name, value in values.items()}


def _missing(wanted: Asked, project: Project) -> str:
    known = ", ".join(definition.id for definition in project.definitions) or "none"
    return f"No definition is called `{wanted.definition}` (there are: {known})."


def _record(project: Project, key: str) -> tuple[str, str]:
    """The kind and id of the account's CRM record, as its newest alert has them."""
    with store.reading(project.engine) as connection:
        newest = outbox.list_deliveries(connection, account_key=key, limit=1)
    return (newest[0].alert.crm_kind, newest[0].alert.crm_id) if newest else ("", "")
