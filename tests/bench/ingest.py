"""A first read of Mixpanel, from the request to the published days, beside DuckDB's bare COPY of the same file.

A Mixpanel on the loopback answers with a gzipped export of 30 days. The bare COPY turns that file into one Parquet file
of names and properties as JSON; ours also works out identities, accounts and traits, drops copies, cuts the days of the
lake and says whom it concerns. The aim keeps all of that within the time of one more COPY.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from tests.bench import mixpanel_lines
from tests.bench.figure import Figure
from tests.bench.process import measured

from pql import sources
from pql.lake import Lake
from pql.settings import MixpanelSource
from pql.types import Connection

LINES = 2_000_000
AS_OF = datetime.combine(mixpanel_lines.FIRST, datetime.min.time(), UTC) + timedelta(days=mixpanel_lines.DAYS)
SETTINGS = {
    "kind": "mixpanel",
    "account": "org_id",
    "user_traits": {"browser": "$browser"},
    "account_traits": {"plan": "plan", "seats": "seats"},
    "history_days": mixpanel_lines.DAYS,
}


def measure(say: Callable[[str], None], *, scale: float = 1.0) -> list[Figure]:
    """The figures of `scale` × 2 million lines. RuntimeError if the lake does not hold what the file says."""
    lines = max(int(LINES * scale), 1_000)
    with tempfile.TemporaryDirectory(prefix="pql-bench-") as folder:
        clean, broken = Path(folder) / "clean.ndjson.gz", Path(folder) / "broken.ndjson.gz"
        say(f"writing an export of {lines:,} lines")
        size = mixpanel_lines.write(clean, lines)
        bare, ours = [], []
        turns = 5 if scale >= 1 else 1
        for turn in range(turns):  # in turn, so that whatever else the machine does meets both
            say(f"DuckDB's bare COPY and ours, {turn + 1} of {turns}")
            bare.append(measured("tests.bench.ingest:bare_copy", export=str(clean)))
            ours.append(measured("tests.bench.ingest:into_the_lake", export=str(clean)))
        say("the same with three broken lines in it")
        mixpanel_lines.write(broken, lines, broken=True)
        torn = measured("tests.bench.ingest:into_the_lake", export=str(broken))
        say("the same with little memory")
        tight = measured("tests.bench.ingest:into_the_lake", export=str(clean), memory="512MiB")
    copied, read = min(bare, key=lambda run: run.seconds), min(ours, key=lambda run: run.seconds)
    _check(copied.result, {"rows": lines})
    _check(read.result, {"read": lines, "published": mixpanel_lines.distinct(lines), "quarantined": 0})
    _check(tight.result, read.result)
    _check(torn.result, {"read": lines + 3, "published": mixpanel_lines.distinct(lines), "quarantined": 3})
    pairs = list(zip(ours, bare, strict=True))
    walls = [mine.seconds / plain.seconds for mine, plain in pairs]
    ratio = median(walls)  # of pairs: the best of each may be minutes apart, under another load of the machine
    cpu = median(mine.cpu_seconds / plain.cpu_seconds for mine, plain in pairs)
    spread = f"median of {len(pairs)} pairs, {min(walls):.2f} to {max(walls):.2f}; duplicates, days, marks"
    typical = median(plain.seconds for plain in bare)
    return [
        Figure(
            "Ingest of Mixpanel lines",
            lines / read.seconds,
            "events/s",
            "",
            None,
            f"{lines:,} lines, {size / lines:.0f} bytes each, {mixpanel_lines.DAYS} days, gzipped, over HTTP",
        ),
        Figure("Bare COPY of the same file", lines / copied.seconds, "events/s", "", None, "event and properties"),
        Figure("Ingest beside the bare COPY", ratio, "× its time", "≤ 2", ratio <= 2, spread),
        Figure("… with three broken lines in the file", torn.seconds / typical, "× its time", "", None, "one run"),
        Figure("Processor time beside the bare COPY", cpu, "× its", "", None, "what two cores would hide is in it"),
        Figure(
            "Memory of the ingest at its highest", read.peak_mib, "MiB", "", None, f"bare {copied.peak_mib:,.0f} MiB"
        ),
        Figure(
            "… where DuckDB may take 512 MiB",
            tight.peak_mib,
            "MiB",
            "",
            None,
            f"one run, {tight.seconds / typical:.1f} × the bare COPY's time; what does not fit is put on disk",
        ),
    ]


def bare_copy(export: str) -> dict[str, int]:
    """The gzipped file as one Parquet file that keeps the JSON of the properties: what DuckDB needs for that alone."""
    with tempfile.TemporaryDirectory(prefix="pql-bench-") as folder:
        con = duckdb.connect()
        columns = "{event: 'VARCHAR', properties: 'JSON'}"
        rows = con.execute(
            f"COPY (FROM read_json('{export}', format='newline_delimited', columns={columns})) "
            f"TO '{folder}/events.parquet' (FORMAT parquet)"
        ).fetchone()
        assert rows is not None
        return {"rows": rows[0]}


def into_the_lake(export: str, memory: str | None = None) -> dict[str, int]:
    """A first read of the Mixpanel source, from the request to the published days; `memory` is what DuckDB may take."""
    with tempfile.TemporaryDirectory(prefix="pql-bench-") as folder, _serving(Path(export)) as connection:
        lake = Lake(folder)
        con = lake.connect()
        if memory:
            con.execute(f"SET memory_limit = '{memory}'")
        done = sources.read(
            "mixpanel",
            MixpanelSource.model_validate(SETTINGS),
            lake,
            con,
            connection=connection,
            as_of=AS_OF,
            now=AS_OF + timedelta(minutes=5),
            mode="history",
        )
        con.close()
        return {"read": done.report.read, "published": done.report.published, "quarantined": done.report.quarantined}


@contextmanager
def _serving(export: Path) -> Iterator[Connection]:
    """A Mixpanel on the loopback that answers any export with the file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(export.stat().st_size))
            self.end_headers()
            with export.open("rb") as file:
                self.connection.sendfile(file)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield Connection(
            "mixpanel_default", host=f"http://127.0.0.1:{server.server_address[1]}", login="x", password="x"
        )
    finally:
        server.shutdown()
        server.server_close()


def _check(found: dict[str, int], expected: dict[str, int]) -> None:
    if found != expected:
        raise RuntimeError(f"The lake does not hold what the file says: {found}, not {expected}.")
