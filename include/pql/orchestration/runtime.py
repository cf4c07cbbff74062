"""What a running task needs from Airflow: the moment, the clock, its label, and the opened project."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Connection as AirflowConnection
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from pql import pipeline
from pql.connections import missing
from pql.pipeline.project import Project, paths_from_environment
from pql.types import Connection, UnknownConnection

log = logging.getLogger(__name__)


def now() -> datetime:
    """The clock, read only here, at the edge (SEM-T1)."""
    return datetime.now(UTC)


def moment() -> datetime:
    """The run's as-of: its param, else its data interval's end (SEM-T2).

    Raises AirflowFailException (no retry) if the run has neither.
    """
    context = get_current_context()
    written = context["params"].get("as_of")
    if written:
        parsed = datetime.fromisoformat(str(written))
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    end = context.get("data_interval_end")
    if end is None:
        raise AirflowFailException(
            "This run has no data interval, so it has no moment to compute: trigger it again with the parameter "
            "`as_of` (for example 2026-03-01T00:00:00Z)."
        )
    return datetime.fromtimestamp(end.timestamp(), UTC)


def label(**names: Any) -> None:
    """Give a mapped task its readable name in the UI."""
    get_current_context().update(names)  # type: ignore[typeddict-item]  # map_index_template reads extra keys


def connection(conn_id: str) -> Connection:
    """One of Airflow's connections in the project's own form.

    Raises UnknownConnection, which says where to put it.
    """
    try:
        found = AirflowConnection.get(conn_id)
    except AirflowNotFoundException:
        raise missing(conn_id) from None
    host = found.host or ""
    if host and "://" not in host:
        # Airflow reads the path of a URI (`https://host/a/b`) into `schema`; written by hand, schema is the scheme.
        schema = found.schema or ""
        scheme, path = (schema, "") if schema in ("", "http", "https") else ("", f"/{schema}")
        scheme = scheme or (found.conn_type if found.conn_type in ("http", "https") else "https")
        host = f"{scheme}://{host}" + (f":{found.port}" if found.port else "") + path
    return Connection(
        id=conn_id,
        host=host.rstrip("/"),
        login=found.login or "",
        password=found.password or "",
        extra=found.extra_dejson,
    )


def check_timezone(opened: Project) -> None:
    """Fail at once if nights are scheduled in another time zone than the settings count days in."""
    scheduled = os.environ.get("PQL_TIMEZONE", "UTC")
    if scheduled != opened.settings.timezone:
        raise AirflowFailException(
            f"nightly_scores runs at midnight of {scheduled} (PQL_TIMEZONE), but {opened.paths.settings} says "
            f"timezone: {opened.settings.timezone}. Set PQL_TIMEZONE to the same."
        )


def report_problems(opened: Project) -> None:
    """Log what is wrong in definition files; a file with errors is left out, the others go on."""
    for problem in opened.problems:
        log.log(logging.ERROR if problem.level == "error" else logging.WARNING, "%s", problem)


@contextmanager
def project() -> Iterator[Project]:
    """The project with this Airflow's connections, closed when the task is done."""
    opened = pipeline.open_project(paths_from_environment(), connection)
    try:
        yield opened
    finally:
        opened.close()


__all__ = ["UnknownConnection", "connection", "label", "moment", "now", "project", "report_problems"]
