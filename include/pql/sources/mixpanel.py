"""The Mixpanel source: days of the raw export in, events in the lake out; one Mixpanel day is one unit.

Days are Mixpanel's own: UTC for projects made since 2023, the project's time zone for older ones, whose export also
counts `time` in that zone (docs.mixpanel.com, raw export); the setting `timezone` says which. A day is exported whole
and replaces itself, so what arrives late or twice is put right by the next export of its day (PRODUCT-S4).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import duckdb

from pql.clients.mixpanel import Mixpanel
from pql.settings import MixpanelSource
from pql.sources import lines, sql
from pql.sources.mixpanel_events import events_sql
from pql.sources.reading import Mark, Mode, Read, Request, newest_of
from pql.types import EVENT_COLUMNS, Connection, IngestReport, Quarantined

_REMEMBERED_DAYS = 500


def read(settings: MixpanelSource, request: Request, connection: Connection) -> Read:
    """The days this run needs in one ranged export, each published as its own unit; see `pql.sources.read`."""
    exported = {date.fromisoformat(d): datetime.fromisoformat(at) for d, at in request.cursor.get("days", {}).items()}
    span = days_to_export(settings, exported, as_of=request.as_of, now=request.now, mode=request.mode)
    if span is None:
        note = "nothing to fetch: these days were exported after this run's moment"
        report = IngestReport(request.source, 0, 0, 0, _complete_to(settings, exported), note)
        return Read(report, request.cursor, [])
    first, last = span
    with TemporaryDirectory(prefix="pql-") as scratch:
        request.progress(f"Mixpanel {first} to {last}", 0.0)
        file = Mixpanel(connection).export(first, last, Path(scratch))
        export = _Export(settings, request, file, Path(scratch))
        published, marks = export.publish(first, last)
        bad = export.quarantine(first, last)
    exported |= {day: request.now for day in _days(first, last)}
    oldest_kept = max(exported) - timedelta(days=_REMEMBERED_DAYS)
    days = {day.isoformat(): at.isoformat() for day, at in sorted(exported.items()) if day >= oldest_kept}
    report = IngestReport(request.source, export.read, published, bad, _complete_to(settings, exported), export.note)
    return Read(report, {"days": days}, newest_of(marks))


def check(connection: Connection, now: datetime) -> str:
    """One sentence that says Mixpanel lets us in; RemoteError with what to do if not. Costs one of 60 calls an hour."""
    yesterday = (now - timedelta(days=1)).date()
    client = Mixpanel(connection)
    client.probe(yesterday)
    return f"Connection {connection.id}: Mixpanel answers at {client.http.base_url}"


def days_to_export(
    settings: MixpanelSource, exported: dict[date, datetime], *, as_of: datetime, now: datetime, mode: Mode
) -> tuple[date, date] | None:
    """The days (first, last) a run at `as_of` must fetch, None if the lake has them as new as they need to be.

    First read or mode "history": `history_days` back. Hourly: today, unless it was exported at `as_of` or later.
    Nightly: each day of the lookback, unless it was exported after the lookback had passed over it. Both: days that
    were never exported since the newest one before them, and days last exported before they were over.
    """
    today = _day(settings, as_of)
    if not exported or mode == "history":
        return today - timedelta(days=settings.history_days - 1), today
    lookback = timedelta(days=settings.lookback_days if mode == "nightly" else 0)
    known = [day for day in exported if day <= today]
    looked_back = today - timedelta(days=settings.lookback_days - 1)
    since = min(max(known), max(looked_back, min(known))) if known else looked_back

    def is_wanted(day: date) -> bool:
        at = exported.get(day)
        if at is None:
            return True
        over_at = _end(settings, day)
        if day == today and mode == "hourly":
            return at < as_of
        return at < min(over_at, as_of) or at < min(over_at + lookback, now)

    wanted = [day for day in _days(since, today) if is_wanted(day)]
    return (wanted[0], wanted[-1]) if wanted else None


class _Export:
    """One export file on its way into the lake."""

    def __init__(self, settings: MixpanelSource, request: Request, file: Path, folder: Path) -> None:
        self._request = request
        self._con = request.con
        self._file = file
        self._events = folder / "events"  # a folder per day, so that publishing a day reads that day only
        self._query = events_sql("pql_source_rows", settings, exported_at=request.now)
        self._settings = settings
        self._parse(folder)
        named = "why IS NULL AND coalesce(user_id, anonymous_id) IS NOT NULL"
        counts = self._con.execute(
            f"SELECT count(*), count(*) FILTER (why IS NULL AND NOT ({named})) FROM {self._source}"
        ).fetchone()
        assert counts is not None
        self.read, nobody = counts
        self.note = f"{nobody} events name neither a user nor a device and were left out" if nobody else ""
        self._named = named

    def publish(self, first: date, last: date) -> tuple[int, list[Mark]]:
        """(rows in the lake, marks), each day as a unit of its own; a day without events is emptied."""
        marks: list[Mark] = []
        rows = 0
        days = _days(first, last)
        for number, day in enumerate(days):
            published = self._request.lake.publish_events(
                self._con,
                self._select(day),
                source=self._request.source,
                unit=day.isoformat(),
                start=_end(self._settings, day - timedelta(days=1)),
                end=_end(self._settings, day),
                exported_at=self._request.now,
            )
            rows += published.rows
            marks += published.raw_ids_with_newest
            self._request.progress(f"Mixpanel {day}", (number + 1) / len(days))
        return rows, marks

    def _select(self, day: date) -> str:
        own = self._events / f"mixpanel_day={day}"
        source = f"read_parquet({sql.text(own / '*.parquet')})" if own.exists() else self._source
        return f"SELECT {', '.join(EVENT_COLUMNS)} FROM {source} WHERE {self._named} AND mixpanel_day = {sql.text(day)}"

    def quarantine(self, first: date, last: date) -> int:
        """How many lines could not be used; they are in quarantine, under the span they were exported in."""
        bad = self._con.execute(
            f"SELECT line, why, record FROM {self._source} WHERE why IS NOT NULL ORDER BY line"
        ).fetchall()
        records = (Quarantined(f"{self._file.name}:{line}", why, record) for line, why, record in bad)
        self._request.lake.quarantine(self._request.source, f"{first}-{last}", records)
        return len(bad)

    @property
    def _source(self) -> str:
        return f"read_parquet({sql.text(self._events / '**' / '*.parquet')})"

    def _parse(self, folder: Path) -> None:
        lines.fast_view(self._con, "pql_source_rows", self._file, "ndjson")
        try:
            if not self._write():
                return
        except duckdb.Error:
            pass  # a line that is no JSON: number the lines and say which
        self._events = folder / "numbered"
        lines.slow_view(self._con, "pql_source_rows", self._file, "ndjson", folder)
        self._write()

    def _write(self) -> int:
        """Write the events by day; how many are unusable."""
        by_day = "FORMAT parquet, PARTITION_BY (mixpanel_day), WRITE_PARTITION_COLUMNS"
        self._con.execute(f"COPY ({self._query}) TO {sql.text(self._events)} ({by_day})")
        self._events.mkdir(
            exist_ok=True
        )  # an export without a line writes no file: the columns are needed all the same
        none = f"SELECT * FROM ({self._query}) LIMIT 0"
        self._con.execute(f"COPY ({none}) TO {sql.text(self._events / 'none.parquet')} (FORMAT parquet)")
        found = self._con.execute(f"SELECT count(*) FROM {self._source} WHERE why IS NOT NULL").fetchone()
        assert found is not None
        return int(found[0])


def _day(settings: MixpanelSource, as_of: datetime) -> date:
    """The day of the instant just before `as_of` (SEM-T3) in Mixpanel's calendar."""
    return (as_of - timedelta(microseconds=1)).astimezone(ZoneInfo(settings.timezone)).date()


def _end(settings: MixpanelSource, day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(settings.timezone)).astimezone(UTC)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _complete_to(settings: MixpanelSource, exported: dict[date, datetime]) -> datetime | None:
    """Up to where the newest exported day is complete: what is younger than `settles_after_hours` may still come."""
    if not exported:
        return None
    newest = max(exported)
    settled = exported[newest] - timedelta(hours=settings.settles_after_hours)
    return min(settled, _end(settings, newest))
