"""The page as a web application: wiring in, a FastAPI app out that refuses whoever may not read and explains errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from pql.page import accounts, acts, ledgers, statics, storms
from pql.page.acting import editor
from pql.page.guard import Guard, Refused
from pql.page.viewing import viewer
from pql.page.views import error_page
from pql.page.wiring import Wiring
from pql.types import UserError

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # `no-referrer` would turn the Origin of our own posts into `null`
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app(wiring: Wiring) -> FastAPI:
    """The page. Every route asks `can_read` first; those that change something ask `can_edit` and where they come from.

    It opens the project anew for each request and closes it, so edited settings and definitions show at once.
    """
    app = FastAPI(title="PQL", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(wiring.can_read)])
    guard = Guard(wiring.secret, wiring.origins)
    app.include_router(statics.router())
    seen_by = viewer(wiring, guard)
    app.include_router(accounts.router(wiring, seen_by))
    app.include_router(ledgers.router(wiring, seen_by))
    edited_by = editor(wiring, guard)
    app.include_router(acts.router(edited_by))
    app.include_router(storms.router(edited_by))
    app.middleware("http")(_add_headers)
    _explain_errors(app)
    return app


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")  # who may see it may change
    return response


def _explain_errors(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> HTMLResponse:
        page = error_page(request, error.status_code, _TITLES.get(error.status_code, ""), str(error.detail))
        page.headers.update(error.headers or {})
        return page

    @app.exception_handler(Refused)
    def foreign(request: Request, error: Refused) -> HTMLResponse:
        return error_page(request, HTTPStatus.FORBIDDEN, "Nothing was changed", str(error))

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, error: RequestValidationError) -> HTMLResponse:
        fields = ", ".join(sorted({str(each["loc"][-1]) for each in error.errors()}))
        return error_page(request, HTTPStatus.BAD_REQUEST, "That address or form cannot be read", f"Wrong: {fields}.")

    @app.exception_handler(UserError)
    def to_put_right(request: Request, error: UserError) -> HTMLResponse:
        return error_page(request, HTTPStatus.SERVICE_UNAVAILABLE, "Something has to be put right first", str(error))

    @app.exception_handler(SQLAlchemyError)
    def no_ledger(request: Request, error: SQLAlchemyError) -> HTMLResponse:
        log.error("the ledger cannot be read", exc_info=error)
        return error_page(request, HTTPStatus.SERVICE_UNAVAILABLE, "The ledger cannot be read", _LEDGER)

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> HTMLResponse:
        page = error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "The page failed", _UNEXPECTED)
        page.headers.update(HEADERS)  # this handler stands outside the middleware
        return page


_TITLES = {401: "You are not signed in", 403: "You may not do this", 404: "There is no such page"}
_LEDGER = (
    "Is the database of PQL_LEDGER up, and was `python -m pql.orchestration.init` run since the last upgrade? "
    "The log of Airflow's API server says more."
)
_UNEXPECTED = "The log of Airflow's API server says why. Airflow itself and the runs are not affected."
