"""The file source: NDJSON, CSV or Parquet with a mapping in, events in the lake out; one file is one unit.

A file that has not changed since it was read (and whose mapping has not) is not read again. What cannot be used is
quarantined with file and line; a file that cannot be read at all stops the run and leaves the lake as it was.
"""

from __future__ import annotations

import codecs
import difflib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from pql.settings import FilesSource
from pql.sources import emits, lines, sql
from pql.sources.lines import Format
from pql.sources.reading import Mark, Read, Request, marks_of, newest_of
from pql.sources.stored_files import StoredFile, listed, local_copy
from pql.types import EVENT_COLUMNS, IngestReport, Quarantined, UserError

_MAPPING_VERSION = 1  # raise when the same file and settings would give other events
_IDENTITIES = ("user", "anonymous")


def read(settings: FilesSource, request: Request, base: Path) -> Read:
    """Every file that is new or changed, published; see `pql.sources.read`."""
    _check_settings(settings, request.source)
    mapping = hashlib.sha256(f"{_MAPPING_VERSION}{request.timezone}{settings.model_dump_json()}".encode()).hexdigest()[
        :16
    ]
    known: dict[str, Any] = dict(request.cursor.get("files", {})) if request.mode != "history" else {}
    report = IngestReport(request.source, 0, 0, 0, None)
    marks: list[Mark] = []
    nobody = 0
    files = listed(settings.path, base, request.now)
    for number, file in enumerate(files):
        state = [file.size, file.version, mapping]
        if known.get(file.url) != state:
            done = _File(settings, request, file).publish()
            known[file.url] = state
            report = _added(report, done.report)
            marks += done.marks
            nobody += done.cursor["nobody"]
        request.progress(file.name, (number + 1) / len(files))
    report = replace(report, note=_about_nobody(nobody), left_out=nobody)
    return Read(report, {"files": known}, newest_of(marks))


def _about_nobody(rows: int) -> str:
    if rows == 1:
        return "1 row names neither a user nor a visitor and was left out"
    return f"{rows:,} rows name neither a user nor a visitor and were left out" if rows else ""


def _check_settings(settings: FilesSource, source: str) -> None:
    try:
        codecs.lookup(settings.encoding)
    except LookupError:
        raise UserError(f"sources.{source}.encoding: there is no encoding {settings.encoding}.") from None


def check(settings: FilesSource, source: str, base: Path) -> str:
    """One sentence on what the glob matches; UserError if nothing."""
    found = listed(settings.path, base, datetime.fromtimestamp(0, UTC))
    return f"Source {source}: {len(found)} files, {found[0].name} to {found[-1].name}"


class _File:
    """One file on its way into the lake."""

    def __init__(self, settings: FilesSource, request: Request, file: StoredFile) -> None:
        format = settings.format or file.format()
        if format is None:
            raise UserError(f"{file.name}: its name does not tell what it is. Set `format` (ndjson, csv, parquet).")
        self._format: Format = format
        self._settings = settings
        self._request = request
        self._file = file
        self._con = request.con

    def publish(self) -> Read:
        """The file's events are in the lake, its unusable records in quarantine."""
        with TemporaryDirectory(prefix="pql-") as scratch:
            folder = Path(scratch)
            path = local_copy(self._file, folder, self._settings.encoding)
            self._check_columns(lines.header(self._con, path, self._format))
            events = folder / "events.parquet"
            if not self._parse_fast(path, events):
                self._parse_slow(path, events, folder)
            return self._published(events)

    def _parse_fast(self, path: Path, events: Path) -> bool:
        """False if something in the file is bad, so that it has to be read with line numbers."""
        lines.fast_view(self._con, "pql_source_rows", path, self._format)
        try:
            self._parse(events)
        except duckdb.Error:
            return False
        bad = self._one(f"SELECT count(*) FROM read_parquet({sql.text(events)}) WHERE why IS NOT NULL")
        return not bad[0] or self._format == "parquet"

    def _parse_slow(self, path: Path, events: Path, folder: Path) -> None:
        lines.slow_view(self._con, "pql_source_rows", path, self._format, folder)
        try:
            self._parse(events)
        except duckdb.Error as error:  # every record has been looked at by itself, so it is not the file's fault alone
            raise UserError(f"{self._file.name} cannot be read with this mapping: {error}") from error

    def _parse(self, events: Path) -> None:
        if self._format == "ndjson":
            self._check_keys()
        query = emits.events_sql(
            "pql_source_rows",
            self._settings.emits,
            source=self._request.source,
            format=self._format,
            timezone=self._settings.timezone or self._request.timezone,
            ingested_at=self._file.modified_at,
        )
        self._con.execute(f"COPY ({query}) TO {sql.text(events)} (FORMAT parquet)")

    def _published(self, events: Path) -> Read:
        source = f"read_parquet({sql.text(events)})"
        named = "coalesce(user_id, anonymous_id) IS NOT NULL"
        usable, nobody, first, last = self._one(
            f"SELECT count(*) FILTER (why IS NULL AND {named}), count(*) FILTER (why IS NULL AND NOT {named}), "
            f"min(occurred_at), max(occurred_at) FROM {source}"
        )
        bad = self._con.execute(
            f"SELECT line, any_value(why), any_value(record) FROM {source} WHERE why IS NOT NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
        start = first.replace(tzinfo=UTC) if first else self._request.now
        published = self._request.lake.publish_events(
            self._con,
            f"SELECT {', '.join(EVENT_COLUMNS)} FROM {source} WHERE why IS NULL AND {named}",
            source=self._request.source,
            unit=self._file.unit,
            start=start,
            end=last.replace(tzinfo=UTC) if last else start,
            exported_at=self._request.now,
        )
        self._request.lake.quarantine(self._request.source, self._file.unit, self._quarantined(bad))
        report = IngestReport(self._request.source, usable + nobody + len(bad), published.rows, len(bad), None)
        return Read(report, {"nobody": nobody}, marks_of(published.newest_us))

    def _quarantined(self, bad: Iterable[tuple[int, str, str]]) -> Iterator[Quarantined]:
        for line, why, record in bad:
            yield Quarantined(f"{self._file.name}:{line}", why, record)

    def _check_columns(self, header: list[str] | None) -> None:
        """UserError for the first mapped column that a CSV or Parquet file does not have."""
        if header is None:
            return
        for number, emit in enumerate(self._settings.emits):
            for role, column in emits.mapped_columns(emit):
                if column not in header and column.split(".")[0] not in header:
                    raise self._missing(f"emits[{number}].{role}", column, header)

    def _check_keys(self) -> None:
        """The same for NDJSON: a key may be missing in some lines, but time, event and actor not in all of them."""
        found = self._con.execute(
            "SELECT DISTINCT unnest(json_keys(row)) FROM (SELECT row FROM pql_source_rows WHERE why IS NULL "
            "AND json_type(row) = 'OBJECT' LIMIT 10000)"
        ).fetchall()
        keys = sorted(row[0] for row in found)
        for number, emit in enumerate(self._settings.emits if keys else ()):
            mapped = dict(emits.mapped_columns(emit))
            actors = [role for role in _IDENTITIES if role in mapped]
            absent = [role for role in mapped if mapped[role] not in keys and mapped[role].split(".")[0] not in keys]
            for role in absent:
                if role in ("time", "event") or (role in actors and set(actors) <= set(absent)):
                    raise self._missing(f"emits[{number}].{role}", mapped[role], keys)

    def _missing(self, role: str, column: str, header: list[str]) -> UserError:
        near = difflib.get_close_matches(column, header, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        return UserError(
            f"{self._file.name} has no column `{column}` (sources.{self._request.source}.{role}).{hint} "
            f"Its columns: {', '.join(header)}."
        )

    def _one(self, query: str) -> tuple[Any, ...]:
        row = self._con.execute(query).fetchone()
        assert row is not None  # an aggregate has one row
        return row


def _added(a: IngestReport, b: IngestReport) -> IngestReport:
    return IngestReport(a.source, a.read + b.read, a.published + b.published, a.quarantined + b.quarantined, None)
