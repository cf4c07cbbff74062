"""Connections for the command line: the same `AIRFLOW_CONN_<ID>` variables that Airflow reads, JSON or URI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pql.types import Connection, Connections, UnknownConnection, UserError


def from_environment(environment: Mapping[str, str]) -> Connections:
    """A resolver over environment variables.

    The resolver raises UnknownConnection where the variable is absent and UserError where it cannot be read; neither
    shows the variable's value.

    >>> get = from_environment({"AIRFLOW_CONN_SLACK_DEFAULT": '{"host": "https://slack.com", "password": "xoxb-1"}'})
    >>> get("slack_default")
    Connection(id='slack_default', host='https://slack.com', login='')
    """

    def resolve(conn_id: str) -> Connection:
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        text = environment.get(variable, "").strip()
        if not text:
            raise missing(conn_id)
        try:
            return _from_json(conn_id, text) if text.startswith("{") else _from_uri(conn_id, text)
        except (ValueError, TypeError, AttributeError):
            raise UserError(
                f"{variable} can be read neither as JSON ({{'host': …, 'password': …}}) nor as a URI "
                "(https://login:password@host/?extra=value)."
            ) from None

    return resolve


def missing(conn_id: str) -> UnknownConnection:
    """The error for a connection nobody configured; it says where to put it."""
    return UnknownConnection(
        f"There is no connection `{conn_id}`. Add it in Airflow (Admin → Connections) or set "
        f"AIRFLOW_CONN_{conn_id.upper()} in the environment."
    )


def _from_json(conn_id: str, text: str) -> Connection:
    data: dict[str, Any] = json.loads(text)
    host = str(data.get("host") or "")
    if host and "://" not in host:
        port = f":{data['port']}" if data.get("port") else ""
        host = f"{data.get('schema') or 'https'}://{host}{port}"
    extra = data.get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    return Connection(conn_id, host.rstrip("/"), str(data.get("login") or ""), str(data.get("password") or ""), extra)


def _from_uri(conn_id: str, text: str) -> Connection:
    parts = urlsplit(text)
    if not parts.scheme:
        raise ValueError("no scheme")
    host = parts.hostname or ""
    if host and "://" not in host:
        scheme = parts.scheme if parts.scheme in ("http", "https") else "https"
        host = f"{scheme}://{host}" + (f":{parts.port}" if parts.port else "") + parts.path.rstrip("/")
    extra: dict[str, Any] = dict(parse_qsl(parts.query))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    return Connection(conn_id, host, unquote(parts.username or ""), unquote(parts.password or ""), extra)
