"""The Mixpanel source: days of the raw export in, events in the lake out; one Mixpanel day is one unit.

Days are Mixpanel's own: UTC for projects made since 2023, the project's time zone for older ones, whose export also
counts `time` in that zone (docs.mixpanel.com, raw export); the setting `timezone` says which. A day is exported whole
and replaces itself, so what arrives late or twice is put right by the next export of its day (PRODUCT-S4).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import duckdb

from pql.clients.mixpanel import Mixpanel, Received
from pql.settings import MixpanelSource
from pql.sources import lines
from pql.sources.mixpanel_events import events_sql, fast_lines, numbered_lines
from pql.sources.reading import Mode, Published, Read, Request, add_newest, marks_of
from pql.types import EVENT_COLUMNS, Connection, IngestReport, Quarantined

_REMEMBERED_DAYS = 500
_DAYS_AT_ONCE = 2  # each holds a day's rows in memory while it is written
_ROWS = "pql_mixpanel_rows"
_NAMED = "why IS NULL AND coalesce(user_id, anonymous_id) IS NOT NULL"


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
        export = _Export(settings, request, Path(scratch))
        try:
            Mixpanel(connection).reading(first, last, Path(scratch), export.fill)
            published, newest = export.publish(first, last)
            bad = export.quarantine(first, last)
            counted, nobody = export.counts()
        finally:
            export.close()
    exported |= {day: request.now for day in _days(first, last)}
    oldest_kept = max(exported) - timedelta(days=_REMEMBERED_DAYS)
    days = {day.isoformat(): at.isoformat() for day, at in sorted(exported.items()) if day >= oldest_kept}
    note = _about_nobody(nobody)
    report = IngestReport(request.source, counted, published, bad, _complete_to(settings, exported), note, nobody)
    return Read(report, {"days": days}, marks_of(newest))


def _about_nobody(events: int) -> str:
    if events == 1:
        return "1 event names neither a user nor a device and was left out"
    return f"{events:,} events name neither a user nor a device and were left out" if events else ""


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
    """One export on its way into the lake.

    Its rows are held in a table of DuckDB's, which keeps in memory what fits and puts the rest on disk. They are read
    without knowing their lines; only for what cannot be used are lines looked up.
    """

    def __init__(self, settings: MixpanelSource, request: Request, folder: Path) -> None:
        self._request = request
        self._con = request.con
        self._folder = folder
        self._settings = settings

    def fill(self, received: Received) -> None:
        """Take the export's lines in, whatever was there. Raises RemoteError if it was cut."""
        try:
            with _in_order(self._con):
                self._con.execute(f"CREATE OR REPLACE TABLE {_ROWS} AS {self._events(fast_lines([received.path]))}")
        except duckdb.Error:  # no whole gzip, or a line too large
            return self._number_all(received)
        rows = f"SELECT rowid + 1 FROM {_ROWS} WHERE why IS NOT NULL ORDER BY rowid"
        bad = [row[0] for row in self._con.execute(rows).fetchall()]
        if bad:
            self._number(bad, received)
        return None

    def _number(self, bad: list[int], received: Received) -> None:
        """Take the rows at these places by the numbers of their lines instead."""
        numbered = self._folder / "numbered.ndjson"
        if lines.pick(received.chunks(), bad, numbered) != self.counts()[0]:
            return self._number_all(received)  # not a row a line: two objects in one, say
        lines.numbered_view(self._con, "pql_source_rows", numbered)
        self._con.execute(f"DELETE FROM {_ROWS} WHERE why IS NOT NULL")
        self._con.execute(f"INSERT INTO {_ROWS} {self._events(numbered_lines('pql_source_rows'))}")
        return None

    def _number_all(self, received: Received) -> None:
        lines.slow_view(self._con, "pql_source_rows", received.whole(), "ndjson", self._folder)
        self._con.execute(f"CREATE OR REPLACE TABLE {_ROWS} AS {self._events(numbered_lines('pql_source_rows'))}")

    def counts(self) -> tuple[int, int]:
        """How many lines there were, and how many of them are usable but name nobody."""
        found = self._con.execute(
            f"SELECT count(*), count(*) FILTER (why IS NULL AND NOT ({_NAMED})) FROM {_ROWS}"
        ).fetchone()
        assert found is not None
        return found[0], found[1]

    def publish(self, first: date, last: date) -> tuple[int, dict[str, int]]:
        """(rows in the lake, whom they concern), each day as a unit of its own; a day without events is emptied."""
        newest: dict[str, int] = {}
        rows = 0
        days = _days(first, last)
        with ThreadPoolExecutor(_DAYS_AT_ONCE) as pool:  # one day's file is written by one thread
            for number, published in enumerate(pool.map(self._publish, days), start=1):
                rows += published.rows
                add_newest(newest, published.newest_us)
                self._request.progress(f"Mixpanel {days[number - 1]}", number / len(days))
        return rows, newest

    def _publish(self, day: date) -> Published:
        with self._con.cursor() as con:
            con.execute("SET TimeZone = 'UTC'")  # a cursor has settings of its own
            return self._request.lake.publish_events(
                con,
                f"SELECT {', '.join(EVENT_COLUMNS)} FROM {_ROWS} WHERE {_NAMED} AND mixpanel_day = DATE '{day}'",
                source=self._request.source,
                unit=day.isoformat(),
                start=_end(self._settings, day - timedelta(days=1)),
                end=_end(self._settings, day),
                exported_at=self._request.now,
            )

    def quarantine(self, first: date, last: date) -> int:
        """How many lines could not be used; they are in quarantine, under the span they were exported in."""
        bad = self._con.execute(f"SELECT line, why, record FROM {_ROWS} WHERE why IS NOT NULL ORDER BY line").fetchall()
        records = (Quarantined(f"export-{first}-{last}.ndjson:{line}", why, record) for line, why, record in bad)
        self._request.lake.quarantine(self._request.source, f"{first}-{last}", records)
        return len(bad)

    def close(self) -> None:
        """Let go of the rows."""
        self._con.execute(f"DROP TABLE IF EXISTS {_ROWS}")

    def _events(self, rows: str) -> str:
        return events_sql(rows, self._settings, exported_at=self._request.now)


@contextmanager
def _in_order(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A table made in here has its rows in the order of the file."""
    asked = con.execute("SELECT current_setting('preserve_insertion_order')").fetchone()
    assert asked is not None
    con.execute("SET preserve_insertion_order = true")
    try:
        yield
    finally:
        con.execute(f"SET preserve_insertion_order = {asked[0]}")


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
