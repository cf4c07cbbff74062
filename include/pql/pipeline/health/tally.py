"""The lake as sources write to it, counting on the way what was new, what came twice, and the newest event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import duckdb

from pql.lake import Lake, Published
from pql.types import Quarantined


@dataclass
class Tally:
    """A `LakeWriter` (see `pql.sources`) over the project's lake."""

    lake: Lake
    added: int = 0
    duplicates: int = 0
    newest_at: datetime | None = None
    first_unusable: Quarantined | None = None

    def publish_events(self, con: duckdb.DuckDBPyConnection, select_sql: str, **unit: Any) -> Published:
        """`Lake.publish_events`, counted."""
        published = self.lake.publish_events(con, select_sql, **unit)
        self.added += published.added
        self.duplicates += published.duplicates
        known = [at for at in (self.newest_at, published.newest_occurred_at) if at is not None]
        self.newest_at = max(known, default=None)
        return published

    def file_crm(
        self,
        con: duckdb.DuckDBPyConnection,
        select_sql: str,
        *,
        source: str,
        object: str,
        kind: Literal["snapshot", "changes"],
        filed_at: datetime,
        replace: bool = False,
    ) -> int:
        """`Lake.file_crm`, counted."""
        filed = self.lake.file_crm(
            con, select_sql, source=source, object=object, kind=kind, filed_at=filed_at, replace=replace
        )
        self.added += filed
        return filed

    def crm_filings(self, *, source: str, object: str) -> list[tuple[datetime, str]]:
        """`Lake.crm_filings`."""
        return self.lake.crm_filings(source=source, object=object)

    def quarantine(self, source: str, unit: str, records: Iterable[Quarantined]) -> object:
        """`Lake.quarantine`, the first of them remembered."""
        return self.lake.quarantine(source, unit, self._noted(records))

    def _noted(self, records: Iterable[Quarantined]) -> Iterator[Quarantined]:
        for record in records:
            self.first_unusable = self.first_unusable or record
            yield record
