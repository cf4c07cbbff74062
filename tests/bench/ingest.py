"""A first read of Mixpanel, from the request to the published days, beside DuckDB's bare COPY of the same file.

A Mixpanel on the loopback answers with a gzipped export of 30 days. The bare COPY turns that file into one Parquet file
of names and properties as JSON; ours also works out identities, accounts and traits, drops copies, cuts the days of the
lake and says whom it concerns. The aim keeps all of that within the time of one more COPY. Both write Snappy, in row
groups of DuckDB's usual size; ours gives up sooner on a dictionary for a column of which no two texts are alike.
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
from tests.bench.process import Measured, measured

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
        mixpanel_lines.write(broken, lines, broken=True)
        bare, ours, torn, tight = [], [], [], []
        turns = 3 if scale >= 1 else 1
        for turn in range(turns):  # in turn, so that whatever else the machine does meets all
            say(f"DuckDB's bare COPY, ours, ours with three broken lines and with little memory, {turn + 1} of {turns}")
            bare.append(measured("tests.bench.ingest:bare_copy", export=str(clean)))
            ours.append(measured("tests.bench.ingest:into_the_lake", export=str(clean)))
            torn.append(measured("tests.bench.ingest:into_the_lake", export=str(broken)))
            tight.append(measured("tests.bench.ingest:into_the_lake", export=str(clean), memory="512MiB"))
    held = {"read": lines, "published": mixpanel_lines.distinct(lines), "quarantined": 0}
    for run in bare:
        _check(run.result, {"rows": lines})
    for run in [*ours, *tight]:
        _check(run.result, held)
    for run in torn:
        _check(run.result, held | {"read": lines + 3, "quarantined": 3})
    return _figures(lines, size / lines, bare, ours, torn, tight)


def _figures(
    lines: int,
    bytes_each: float,
    bare: list[Measured],
    ours: list[Measured],
    torn: list[Measured],
    tight: list[Measured],
) -> list[Figure]:
    ratio, spread = _beside(ours, bare)
    torn_ratio, torn_spread = _beside(torn, bare)
    tight_ratio, tight_spread = _beside(tight, bare)
    cpu, cpu_spread = _beside(ours, bare, "cpu_seconds")
    return [
        Figure(
            "Ingest of Mixpanel lines",
            lines / median(run.seconds for run in ours),
            "events/s",
            "",
            None,
            f"{lines:,} lines, {bytes_each:.0f} bytes each, {mixpanel_lines.DAYS} days, gzipped, over HTTP",
        ),
        Figure(
            "Bare COPY of the same file",
            lines / median(run.seconds for run in bare),
            "events/s",
            "",
            None,
            "event and properties",
        ),
        Figure(
            "Ingest beside the bare COPY", ratio, "× its time", "≤ 2", ratio <= 2, f"{spread}; duplicates, days, marks"
        ),
        Figure("… with three broken lines in the file", torn_ratio, "× its time", "≤ 3", torn_ratio <= 3, torn_spread),
        Figure(
            "Processor time beside the bare COPY", cpu, "× its", "", None, f"{cpu_spread}; what two cores hide is in it"
        ),
        Figure(
            "Memory of the ingest at its highest",
            max(run.peak_mib for run in ours),
            "MiB",
            "",
            None,
            f"bare {max(run.peak_mib for run in bare):,.0f} MiB",
        ),
        Figure(
            "… where DuckDB may take 512 MiB",
            max(run.peak_mib for run in tight),
            "MiB",
            "",
            None,
            f"{tight_ratio:.1f} × the bare COPY's time ({tight_spread}); what does not fit is put on disk",
        ),
    ]


def _beside(ours: list[Measured], bare: list[Measured], what: str = "seconds") -> tuple[float, str]:
    """The median of pairs, and the words for it: the best of each may be minutes apart, under another load."""
    ratios = [getattr(mine, what) / getattr(plain, what) for mine, plain in zip(ours, bare, strict=True)]
    return median(ratios), f"median of {len(ratios)} pairs, {min(ratios):.2f} to {max(ratios):.2f}"


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
