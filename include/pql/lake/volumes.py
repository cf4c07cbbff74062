"""How many events a source brought in spans of time: listed files in, one count a span out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb

from pql.lake.event_files import EMPTY, live, stored
from pql.lake.local_days import day_of, naive
from pql.lake.storage import Storage, texts

Span = tuple[datetime, datetime]  # from, to (exclusive)


def count_events(
    storage: Storage, con: duckdb.DuckDBPyConnection, source: str, spans: Sequence[Span], timezone: str
) -> list[int | None]:
    """The events of the source in each span, by when they happened; None where its history begins later."""
    own = live(f for f in stored(storage) if f.source == source)
    files = {day: [f for f in held if f.digest != EMPTY] for day, held in own.items()}
    days = sorted(day for day, held in files.items() if held)
    wanted = {day for start, end in spans for day in days if day_of(start, timezone) <= day <= day_of(end, timezone)}
    uris = [storage.uri(f.path) for day in sorted(wanted) for f in files[day]]
    counts: Sequence[int] = [0] * len(spans)
    if uris:
        each = ", ".join(
            f"count(*) FILTER (occurred_at >= TIMESTAMP '{naive(start)}' AND occurred_at < TIMESTAMP '{naive(end)}')"
            for start, end in spans
        )
        found = con.execute(f"SELECT {each} FROM read_parquet({texts(uris)})").fetchone()
        assert found is not None
        counts = found
    begins = [bool(days) and days[0] <= day_of(start, timezone) for start, _ in spans]
    return [int(count) if begun else None for count, begun in zip(counts, begins, strict=True)]
