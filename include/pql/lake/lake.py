"""The lake's face: one object that knows where the files are and in which time zone days begin."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from urllib.parse import quote, unquote

import duckdb
import pandas as pd

from pql.lake import crm_files, retention, score_files, volumes
from pql.lake.event_files import live, stored
from pql.lake.events_view import show_plainly
from pql.lake.forgetting import erasing, unfinished, withheld
from pql.lake.forgetting.traces import Traces
from pql.lake.prepare import prepare
from pql.lake.publish import Published, Unit, publish_events
from pql.lake.storage import Storage
from pql.types import Quarantined, UserError
from pql.usage import Need

_ABOUT = "lake.json"


class Lake:
    """Files below `root`, a local folder or an fsspec URL; nothing is touched before something is asked for.

    Instants going in and coming out are aware UTC; in files and views they are naive UTC. UserError if the lake was
    filled under another time zone: its days would begin at the wrong hour.
    """

    def __init__(self, root: str, *, timezone: str = "UTC") -> None:
        self.root = root
        self.timezone = timezone
        self._storage = Storage(root)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection of one's own that can read the lake; close it when done."""
        con = duckdb.connect()
        spill = tempfile.gettempdir() + f"/pql-duckdb-{os.getpid()}"
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET autoinstall_known_extensions = false")
        con.execute("SET preserve_insertion_order = false")
        con.execute(f"SET threads = {min(os.cpu_count() or 1, 8)}")
        con.execute(f"SET memory_limit = '{_half_of_memory_mib()}MiB'")  # several tasks may run beside each other
        con.execute(f"SET temp_directory = '{spill}'")
        self._storage.register(con)
        return con

    # --- in ----------------------------------------------------------------------------------------------------

    def publish_events(
        self,
        con: duckdb.DuckDBPyConnection,
        select_sql: str,
        *,
        source: str,
        unit: str,
        start: datetime,
        end: datetime,
        exported_at: datetime,
        replaces_days: bool = False,
    ) -> Published:
        """Publish one extraction unit's rows (EVENT_COLUMNS) as files per local day; the same unit's are replaced.

        With `replaces_days` it also stands for everything the source had exported before of each local day that lies
        wholly in [start, end). An older export never replaces a newer one. The same rows again change nothing.
        Raises ValueError for rows that cannot be events.
        """
        self._check_timezone()
        what = Unit(source, unit, start, end, exported_at, replaces_days)
        return publish_events(self._storage, con, select_sql, what, self.timezone)

    def file_crm(
        self,
        con: duckdb.DuckDBPyConnection,
        select_sql: str,
        *,
        source: str,
        object: str,
        kind: crm_files.FilingKind,
        filed_at: datetime,
        replace: bool = False,
    ) -> int:
        """File rows (CRM_COLUMNS of `object`) as seen at `filed_at`; how many, 0 if that is filed already (SEM-C1)."""
        return crm_files.file_crm(
            self._storage,
            con,
            select_sql,
            source=source,
            object=object,
            kind=kind,
            filed_at=filed_at,
            replace=replace,
        )

    def crm_filings(self, *, source: str, object: str) -> list[tuple[datetime, str]]:
        """When the source's `object` was filed and as what ("snapshot" or "changes"), oldest first."""
        found = crm_files.filings(self._storage, object)
        return [(each.filed_at.replace(tzinfo=UTC), each.kind) for each in found if each.source == source]

    def quarantine(self, source: str, unit: str, records: Iterable[Quarantined]) -> str:
        """Put what could not be used aside, one JSON object a line, over what this unit had put there; the path."""
        path = f"quarantine/{quote(source, safe='')}/{quote(unit, safe='')}.ndjson"
        kept = withheld.without_forgotten_lines(self._storage, records)
        lines = [json.dumps({"where": r.where, "why": r.why, "record": r.record}, ensure_ascii=False) for r in kept]
        if lines:
            self._storage.write(path, ("\n".join(lines) + "\n").encode())
        else:
            self._storage.remove(path)
        return self._storage.uri(path)

    def first_quarantined(self) -> dict[str, Quarantined]:
        """Of each source that has something in quarantine its first record there."""
        found: dict[str, Quarantined] = {}
        for path in self._storage.list("quarantine"):
            source = unquote(path.split("/")[1])
            if source not in found and (content := self._storage.read(path)):
                found[source] = Quarantined(**json.loads(content.split(b"\n", 1)[0]))
        return found

    # --- out ---------------------------------------------------------------------------------------------------

    def prepare(self, con: duckdb.DuckDBPyConnection, needs: Sequence[Need], cuts: Collection[datetime] = ()) -> None:
        """Bring daily usage up to date for these needs and create the views that features read, on `con`.

        usage(match, day, seg, raw_id, account_hint, item, count, value_sum, value_n, first_at, last_at, sessions,
        minutes), one row per user, hint (and value) and segment; `match` is `Need.key` ·
        presence(day, seg, raw_id, account_hint, first_at, last_at, events, newest_ingested_at) ·
        links(from_id, to_id, at) · traits(kind, id, name, value, at), `value` being JSON ·
        crm_accounts, crm_contacts, crm_owners, crm_deals, crm_meetings: CRM_COLUMNS, source, valid_from, valid_to,
        backdated; a version is true for T iff valid_from <= T < valid_to.

        Only days whose events changed are built again (SEM-M3). A local day with a moment of `cuts` inside is taken
        from its events, in segments: 0 before the day's first moment, 1 up to the second, and so on.
        """
        self._check_timezone()
        prepare(self._storage, con, needs, cuts, self.timezone)

    def show_recent(self, con: duckdb.DuckDBPyConnection, since: date) -> None:
        """Let the view `events` on `con` be EVENT_COLUMNS of the local days from `since` on, to look at what there is.

        An event that two exports of one day hold is in it twice.
        """
        files = [file for day, held in live(stored(self._storage)).items() if day >= since for file in held]
        show_plainly(con, self._storage, files)

    def history_start(self, con: duckdb.DuckDBPyConnection) -> date | None:
        """The first local day that anything is known of (SEM-T5), None in an empty lake."""
        return retention.history_start(self._storage)

    def newest(self, con: duckdb.DuckDBPyConnection) -> datetime | None:
        """When the newest event happened, None in an empty lake."""
        files = live(stored(self._storage))
        if not files:
            return None
        uris = [self._storage.uri(file.path) for file in files[max(files)]]
        found = con.execute("SELECT max(occurred_at) FROM read_parquet(?)", [uris]).fetchone()
        assert found is not None
        return found[0].replace(tzinfo=UTC) if found[0] else None

    def count_events(
        self, con: duckdb.DuckDBPyConnection, source: str, spans: Sequence[tuple[datetime, datetime]]
    ) -> list[int | None]:
        """How many events of the source happened in each span [from, to); None where its history begins later."""
        return volumes.count_events(self._storage, con, source, spans, self.timezone)

    def prune(
        self,
        con: duckdb.DuckDBPyConnection,
        *,
        retention_days: int,
        needs: Sequence[Need],
        now: datetime | None = None,
        dry_run: bool = False,
    ) -> int:
        """Remove raw events that are older than their source's newest by more than `retention_days`; how many files.

        What happened after `now` does not count as newest.

        Their daily usage for `needs`, presence, links and traits are built first and kept for ever (SEM-T5). With
        `dry_run` nothing is built and nothing removed.
        """
        self._check_timezone()
        return retention.prune(self._storage, con, retention_days, needs, now=now, dry_run=dry_run)

    def expired(self, *, hourly_scores: datetime, quarantine: datetime, now: datetime) -> dict[str, list[str]]:
        """What is older than these moments, for `remove`: hourly snapshots, quarantined records, what was left over."""
        return {
            "hourly_snapshots": retention.old_hourly_scores(self._storage, hourly_scores, now),
            "quarantine_files": retention.old_quarantine(self._storage, quarantine),
            "leftovers": retention.leftovers(self._storage, now),
        }

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files; one that is gone already is fine. Who reads one reads all of it, or finds none."""
        for path in paths:
            self._storage.remove(path)

    # --- scores ------------------------------------------------------------------------------------------------

    def write_scores(self, definition: str, kind: str, as_of: datetime, frame: pd.DataFrame) -> None:
        """Write the snapshot of a definition at a moment, sorted by `subject_key`; the same frame, the same rows."""
        score_files.write_scores(self._storage, definition, kind, as_of, frame)

    def read_scores(self, definition: str, kind: str, as_of: datetime) -> pd.DataFrame | None:
        """The snapshot as it was written, or None."""
        return score_files.read_scores(self._storage, definition, kind, as_of)

    def read_some_scores(
        self, definition: str, kind: str, as_of: datetime, subjects: Collection[str]
    ) -> pd.DataFrame | None:
        """The snapshot's rows of these subjects alone, or None if there is no such snapshot."""
        return score_files.read_some_scores(self._storage, definition, kind, as_of, subjects)

    def scores_uri(self, definition: str, kind: str, as_of: datetime) -> str:
        """What a connection of `connect()` reads the snapshot by, for questions about a few of its columns."""
        return self._storage.uri(score_files.scores_path(definition, kind, as_of))

    def list_scores(self, definition: str, kind: str) -> list[datetime]:
        """The moments that have a snapshot, ascending."""
        return score_files.list_scores(self._storage, definition, kind)

    # --- people ------------------------------------------------------------------------------------------------

    def is_forgotten(self, names: Iterable[str]) -> list[bool]:
        """Which of the names (`user:<id>`, `anon:<id>`, `contact:<id>`, `email:<address>`) are to stay forgotten."""
        known = withheld.read_list(self._storage)
        return [known is not None and known.has(name) for name in names]

    def change_forgotten(self, *, add: Collection[str] = (), drop: Collection[str] = ()) -> None:
        """Put names on the list of those whose records are withheld from now on, or take some off it."""
        withheld.change_list(self._storage, add=add, drop=drop)

    def unfinished_forgettings(self) -> list[Traces]:
        """Whom forgettings that were cut short are about."""
        return unfinished.unfinished(self._storage)

    def begin_forgetting(self, traces: Traces) -> None:
        """Note whom it is about, so that it can be finished after a crash."""
        unfinished.begin(self._storage, traces)

    def end_forgetting(self, traces: Traces) -> None:
        """Nothing of them is left: drop the note."""
        unfinished.end(self._storage, traces)

    def find_person(self, con: duckdb.DuckDBPyConnection, traces: Traces) -> dict[str, int]:
        """How many rows and lines of each part of the lake are the person's, or name them; nothing: an empty dict."""
        return erasing.find(self._storage, con, traces)

    def erase_person(self, con: duckdb.DuckDBPyConnection, traces: Traces) -> dict[str, int]:
        """Remove them from every file; what was removed by part of the lake. No run may be under way."""
        return erasing.erase(self._storage, con, traces)

    # --- time zone ---------------------------------------------------------------------------------------------

    def _check_timezone(self) -> None:
        content = self._storage.read(_ABOUT)
        if content is None:
            self._storage.write(_ABOUT, json.dumps({"timezone": self.timezone}).encode())
            return
        known = json.loads(content)["timezone"]
        if known != self.timezone:
            raise UserError(
                f"The lake {self.root} was filled with days of time zone {known}, the settings now say "
                f"{self.timezone}. Put the time zone back, or load the sources into a new lake."
            )


def _half_of_memory_mib() -> int:
    pages: int = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(pages // 2 // 2**20, 512)
