"""Templates: a page's name and values in, escaped HTML out; and the words and forms of values that templates use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from pql.page import statics

_ENVIRONMENT = Environment(
    loader=PackageLoader("pql.page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    request: Request, template: str, *, status: int = HTTPStatus.OK, zone: str = "UTC", **values: Any
) -> HTMLResponse:
    """The page `template`.html with these values."""
    root = root_path(request)
    shared = {"root": root, "css": root + statics.address("page.css"), "js": root + statics.address("page.js")}
    content = _ENVIRONMENT.get_template(f"{template}.html").render(shared | {"zone": zone, "notice": None} | values)
    return HTMLResponse(content, status_code=status)


def error_page(request: Request, status: int, title: str, text: str) -> HTMLResponse:
    """What went wrong, and what the person can do."""
    heading = title or HTTPStatus(status).phrase
    airflow = root_path(request).rpartition("/")[0] + "/"
    return render(request, "error", status=status, title=heading, text=text, code=status, airflow=airflow)


def root_path(request: Request) -> str:
    """Where the page is mounted: `/pql`, or `/airflow/pql` where Airflow has a base path."""
    return str(request.scope.get("root_path") or "").rstrip("/")


def _when(value: datetime | str | None, zone: str, form: str = "%-d %b %Y, %H:%M") -> str:
    """An instant in the project's time zone, "21 Nov 2026, 14:00"; a bare ISO text is UTC."""
    if not value:
        return ""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo("UTC"))
    return aware.astimezone(ZoneInfo(zone)).strftime(form)


def _day(value: datetime | str | None, zone: str) -> str:
    return _when(value, zone, "%-d %b %Y")


def _signed(number: float) -> str:
    """With its sign and a true minus.

    >>> _signed(31), _signed(-4), _signed(0)
    ('+31', '−4', '±0')
    """
    return f"+{number:.0f}" if number > 0 else f"−{-number:.0f}" if number < 0 else "±0"


def _with_query(values: Mapping[str, Any]) -> str:
    """Query parameters with what is empty left out, "" if nothing is left."""
    kept = {name: value for name, value in values.items() if value not in ("", None, False)}
    return "?" + urlencode(kept) if kept else ""


def _outside(url: str) -> str:
    """The URL if a browser may be led there: http and https only."""
    return url if urlsplit(url).scheme in ("http", "https") else ""


def _humanised(name: str) -> str:
    return name.replace("_", " ")


_ENVIRONMENT.filters |= {
    "when": _when,
    "day": _day,
    "day_short": lambda value, zone: _when(value, zone, "%-d %b"),
    "signed": _signed,
    "query": _with_query,
    "outside": _outside,
    "humanised": _humanised,
}
