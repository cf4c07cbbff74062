"""The HubSpot source: CRM objects in, snapshots and changes filed in the lake out (SEM-C1).

A live run files what it reads at its own T and a rerun never replaces that; any other read is filed at the moment it
was made. Nightly and first reads are full snapshots; hourly reads take what changed since the last one. A run done
after newer ones adds only what it can know of its own moment and leaves the cursor where the newest run put it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_bulk import Record, changes, owners, snapshot
from pql.settings import HubSpotSource
from pql.sources import sql
from pql.sources.hubspot_rows import Row, Table, owner_row, tables
from pql.sources.reading import Mark, Read, Request, newest_of
from pql.types import CRM_COLUMNS, Connection, IngestReport

_SEARCH_LAG = timedelta(minutes=10)  # a changed record shows up in search with a delay
_FACTS = {"accounts": "company", "contacts": "contact"}


def read(settings: HubSpotSource, request: Request, connection: Connection) -> Read:
    """A snapshot or the changes, filed; see `pql.sources.read`."""
    is_first = "snapshot_at" not in request.cursor
    if not request.is_live and not is_first and request.mode != "history":
        # filed now, it could not say anything about a moment long past (SEM-C1)
        note = "not read: today's CRM says nothing about this run's moment"
        return Read(IngestReport(request.source, 0, 0, 0, None, note), request.cursor, [])
    client = HubSpot(
        connection, not_a_fit_property=settings.not_a_fit_property, snooze_property=settings.snooze_property
    )
    filing = _Filing(request, filed_at=request.as_of if request.is_live else request.now)
    if request.mode == "hourly" and not is_first:
        return _read_changes(settings, request, client, filing)
    return _read_snapshot(settings, request, client, filing)


def check(connection: Connection) -> str:
    """One sentence that says HubSpot lets us in; RemoteError with what to do if not."""
    client = HubSpot(connection)
    client.get("/crm/v3/owners", {"limit": "1"})
    client.get("/crm/v3/objects/companies", {"limit": "1"})
    return f"Connection {connection.id}: HubSpot answers at {client.http.base_url}"


class _Filing:
    """Writes rows to disk and files them at one moment; counts as it goes.

    What is filed already is asked of the lake, table by table: it knows also when a run died before its cursor.
    """

    def __init__(self, request: Request, filed_at: datetime) -> None:
        self._request = request
        self.filed_at = filed_at
        self.read = 0
        self.filed = 0
        self.note = ""

    def is_newest(self, table: str) -> bool:
        """Whether nothing of the table is filed at this moment or later: only then may the cursor move over it."""
        return all(at < self.filed_at for at, _ in self._there(table))

    def is_late(self, table: str) -> bool:
        """Whether a newer run has filed the table: what it saw, and what comes after it, is not this run's to tell."""
        return any(at > self.filed_at for at, _ in self._there(table))

    def has_snapshot(self, table: str) -> bool:
        """Whether this moment's snapshot of the table is there; it is never replaced."""
        return (self.filed_at, "snapshot") in self._there(table)

    def _there(self, table: str) -> list[tuple[datetime, str]]:
        return self._request.lake.crm_filings(source=self._request.source, object=table)

    def file(self, table: str, rows: Iterable[Row], kind: Literal["snapshot", "changes"]) -> None:
        """File the rows; a filing of this moment and kind that is there already stays."""
        columns = CRM_COLUMNS[table]
        with TemporaryDirectory(prefix="pql-") as scratch:
            path = Path(scratch) / f"{table}.ndjson"
            count = 0
            with path.open("w", encoding="utf-8") as file:
                for row in rows:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    count += 1
            typed = ", ".join(f"{name}: {sql.text(kind_)}" for name, kind_ in columns.items())
            select = f"SELECT * FROM read_json({sql.text(path)}, format='newline_delimited', columns={{{typed}}})"
            filed = self._request.lake.file_crm(
                self._request.con,
                select,
                source=self._request.source,
                object=table,
                kind=kind,
                filed_at=self.filed_at,
            )
        self.read += count
        self.filed += filed
        if count and not filed:
            self.left_as_it_was()

    def left_as_it_was(self) -> None:
        """Say that this moment had been filed."""
        self.note = f"filed already for {self.filed_at.isoformat()}, left as it was"

    def left_to_newer(self) -> None:
        """Say that a newer run has been here."""
        self.note = f"a newer run has read the CRM: what changed after {self.filed_at.isoformat()} is left to the next"

    def done(self, cursor: Mapping[str, Any], marks: Iterable[Mark] = ()) -> Read:
        """What to hand back. A run that asked the CRM for nothing says nothing about how far it is complete."""
        complete_to = None if self.note and not self.read else self._request.now
        report = IngestReport(self._request.source, self.read, self.filed, 0, complete_to, self.note)
        return Read(report, dict(cursor), newest_of(marks))


def _read_snapshot(settings: HubSpotSource, request: Request, client: HubSpot, filing: _Filing) -> Read:
    """Everything there is. Marks nobody: a nightly run evaluates everybody anyway."""
    since = dict(request.cursor.get("since", {}))
    wanted = tables(settings)
    late = any(filing.is_late(table.table) for table in wanted)
    if not late and not filing.has_snapshot("owners"):  # owners bear no date of their last change, so never late
        filing.file("owners", (owner_row(owner) for owner in owners(client)), "snapshot")
    for number, table in enumerate(wanted):
        request.progress(f"HubSpot {table.object}", number / len(wanted))
        moves = filing.is_newest(table.table)
        _file_snapshot(table, client, filing)
        if moves:
            since[table.table] = request.now.isoformat()
        else:  # what is filed there was read at that run's moment or later
            since.setdefault(table.table, filing.filed_at.isoformat())
    request.progress("HubSpot", 1.0)
    return filing.done({"snapshot_at": filing.filed_at.isoformat(), **request.cursor, "since": since})


def _file_snapshot(table: Table, client: HubSpot, filing: _Filing) -> None:
    """One table as it is now, or, when newer runs have filed theirs, what it was at this run's moment (SEM-C1).

    Late, today's state of a record is its state of then only if nobody has touched it since. The others, and those that
    may have gone in between, stay what earlier filings said: so it is filed as changes, from which nothing vanishes,
    and what newer runs computed stays true.
    """
    if filing.has_snapshot(table.table):
        filing.left_as_it_was()
        return
    late = filing.is_late(table.table)
    rows: Iterable[Row] = (
        table.row(record) for record in snapshot(client, table.object, table.properties, table.links)
    )
    if late:
        rows = (row for row in rows if _last_changed(row) <= filing.filed_at)
    filing.file(table.table, rows, "changes" if late else "snapshot")
    if late:
        filing.left_to_newer()


def _last_changed(row: Row) -> datetime:
    """When the record was last touched; a record that does not say may have been touched just now."""
    written = row.get("updated_at")
    return datetime.fromisoformat(written).replace(tzinfo=UTC) if written else datetime.max.replace(tzinfo=UTC)


def _read_changes(settings: HubSpotSource, request: Request, client: HubSpot, filing: _Filing) -> Read:
    """What changed since the last read, by table. The cursor moves only over what has been filed, and never for a run
    of an older moment than those that were filed: it reads nothing, what changed since is the next run's to read.
    """
    since = dict(request.cursor.get("since", {}))
    marks: list[Mark] = []
    wanted = tables(settings)
    for number, table in enumerate(wanted):
        request.progress(f"HubSpot {table.object}", number / len(wanted))
        if filing.is_late(table.table):
            filing.left_to_newer()
            continue
        moves = filing.is_newest(table.table)
        last = datetime.fromisoformat(since.get(table.table) or request.cursor["snapshot_at"])
        records = changes(client, table.object, table.properties, last - _SEARCH_LAG, table.links)
        filing.file(table.table, _marking(table, records, filing.filed_at, marks), "changes")
        if moves:
            since[table.table] = request.now.isoformat()
    request.progress("HubSpot", 1.0)
    return filing.done({**request.cursor, "since": since}, marks)


def _marking(table: Table, records: Iterable[Record], filed_at: datetime, marks: list[Mark]) -> Iterator[Row]:
    """The rows as they pass, each noting whom it concerns: also its company, and the contact of a meeting."""
    for record in records:
        row = table.row(record)
        if table.table in _FACTS:
            marks.append((f"{_FACTS[table.table]}:{record.id}", filed_at))
        marks += [
            (f"{kind}:{row[column]}", filed_at)
            for column, kind in (("account_id", "company"), ("contact_id", "contact"))
            if row.get(column)
        ]
        yield row
