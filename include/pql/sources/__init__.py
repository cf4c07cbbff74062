"""Sources: an interval in, records in the lake out; one file per system behind one `read` and one `check`.

>>> read.__module__, check.__module__
('pql.sources', 'pql.sources')
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pql.settings import FilesSource, HubSpotSource, MixpanelSource, Source
from pql.sources import files, hubspot, mixpanel
from pql.sources.advice import advice
from pql.sources.reading import LakeWriter, Mode, Read, Request
from pql.types import Connection, Progress, UserError

__all__ = ["LakeWriter", "Mode", "Read", "advice", "check", "read"]


def read(
    source_name: str,
    settings: Source,
    lake: LakeWriter,
    con: duckdb.DuckDBPyConnection,
    *,
    connection: Connection | None,
    as_of: datetime,
    now: datetime,
    mode: Mode,
    cursor: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    base: Path | None = None,
    timezone: str = "UTC",
    horizon: timedelta = timedelta(hours=48),
) -> Read:
    """Bring what a source has for a run at `as_of` into the lake: (report, new cursor, fact keys with newest time).

    `mode` "hourly" reads what is new, "nightly" re-reads the source's lookback, "history" reads everything there is.
    The cursor is the source's own note; store it only together with the marks. `base`: folder that relative file paths
    start from. `timezone`: the project's. `horizon`: a run older than that is not live (SEM-D2, SEM-C1).
    Raises UserError (RemoteError for a vendor) with what to do; then nothing half-read is visible in the lake.
    """
    request = Request(
        source=source_name,
        lake=lake,
        con=con,
        as_of=as_of,
        now=now,
        mode=mode,
        cursor=dict(cursor or {}),
        progress=progress or (lambda _what, _done: None),
        timezone=timezone,
        horizon=horizon,
    )
    if isinstance(settings, FilesSource):
        return files.read(settings, request, base or Path())
    if isinstance(settings, MixpanelSource):
        return mixpanel.read(settings, request, _needed(source_name, connection))
    return hubspot.read(settings, request, _needed(source_name, connection))


def check(source_name: str, settings: Source, connection: Connection | None, *, now: datetime, base: Path) -> str:
    """One sentence that says the source can be reached; UserError with what to do if it cannot."""
    if isinstance(settings, FilesSource):
        return files.check(settings, source_name, base)
    if isinstance(settings, HubSpotSource):
        return hubspot.check(_needed(source_name, connection))
    return mixpanel.check(_needed(source_name, connection), now)


def _needed(source_name: str, connection: Connection | None) -> Connection:
    if connection is None:
        raise UserError(f"Source {source_name} needs a connection; its settings name which.")
    return connection
