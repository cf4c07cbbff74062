"""Filings of a CRM object → intervals: what each record said, from when it was first seen so until it was last.

A sighting lasts until the record is seen again, or until a snapshot that does not show it; sightings that say nothing
new prolong the one before. A year of nightly snapshots mostly says the same thing, so intervals of older filings are
folded into one file and only the newest filings are read beside it. A fold names the filings it was made from: when
one is filed late among them, the fold no longer counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb

from pql.lake.crm_files import Filing
from pql.lake.crm_folds import Fold, folds, path_of
from pql.lake.storage import Storage, text, texts
from pql.types import CRM_COLUMNS

FOREVER = "TIMESTAMP '9999-12-31'"
FOLD_AT = 16  # filings worth folding
RECENT = timedelta(days=2)  # filings this close to the newest are left, others may still be filed among them


def folded_intervals(storage: Storage, con: duckdb.DuckDBPyConnection, object: str, found: Sequence[Filing]) -> str:
    """A query for the object's intervals over all filings, folding the older ones when they have become many.

    Columns: CRM_COLUMNS, source, filed_at, filing, confirmed_at, seen_until (FOREVER while current). Creates the table
    `crm_snapshots` (source, filed_at) on the connection.
    """
    _create_snapshots(con, found)
    fold = _usable(storage, object, found)
    rest = [f for f in found if fold is None or f.filed_at > fold.until]
    old = [f for f in rest if f.filed_at < found[-1].filed_at - RECENT]
    if len(old) >= FOLD_AT:
        fold = _folded(storage, con, object, found, fold, old)
        rest = [f for f in found if f.filed_at > fold.until]
    return _intervals(object, _sightings(storage, object, fold, rest), None)


def _create_snapshots(con: duckdb.DuckDBPyConnection, found: Sequence[Filing]) -> None:
    snapshots = [f for f in found if f.kind == "snapshot"]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE crm_snapshots AS "
        "SELECT unnest($1::VARCHAR[]) AS source, unnest($2::TIMESTAMP[]) AS filed_at",
        [[f.source for f in snapshots], [f.filed_at for f in snapshots]],
    )


def _covered(found: Sequence[Filing], until: datetime) -> str:
    names = "\n".join(f.path for f in found if f.filed_at <= until)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _usable(storage: Storage, object: str, found: Sequence[Filing]) -> Fold | None:
    fitting = [fold for fold in folds(storage, object) if fold.covered == _covered(found, fold.until)]
    return max(fitting, key=lambda fold: fold.until, default=None)


def _folded(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    object: str,
    found: Sequence[Filing],
    before: Fold | None,
    old: Sequence[Filing],
) -> Fold:
    until = old[-1].filed_at
    fold = Fold(until, _covered(found, until))
    query = _intervals(object, _sightings(storage, object, before, old), until)
    with storage.staging() as folder:
        staged = folder / "fold.parquet"
        con.execute(f"COPY ({query}) TO {text(str(staged))} (FORMAT parquet, COMPRESSION zstd)")
        storage.publish(staged, path_of(object, fold))
    for outdated in sorted(folds(storage, object), key=lambda f: f.until)[:-2]:  # one may still be being read
        storage.remove(path_of(object, outdated))
    return fold


def _sightings(storage: Storage, object: str, fold: Fold | None, rest: Sequence[Filing]) -> str:
    """What is to be made into intervals: folded ones and single sightings alike."""
    relations = []
    if rest:
        uris = texts([storage.uri(f.path) for f in rest])
        relations.append(
            f"SELECT *, filed_at AS confirmed_at, {FOREVER} AS seen_until "
            f"FROM read_parquet({uris}, union_by_name = true)"
        )
    if fold is not None:
        relations.append(f"SELECT * FROM read_parquet({text(storage.uri(path_of(object, fold)))})")
    return " UNION ALL BY NAME ".join(relations)


def _intervals(object: str, sightings: str, until: datetime | None) -> str:
    """Intervals; with `until`, as if no later snapshot had been filed yet."""
    columns = CRM_COLUMNS[object]
    said = ", ".join(f"v.{name}" for name in columns if name != "updated_at")
    newest = "updated_at DESC NULLS LAST, " if "updated_at" in columns else ""
    known = f"WHERE filed_at <= TIMESTAMP {text(str(until))}" if until else ""
    return f"""
WITH sighted AS ( -- each record once per moment; a change comes after the snapshot
  SELECT *, hash({said}) AS said FROM ({sightings}) AS v
  QUALIFY row_number() OVER (
    PARTITION BY source, id, filed_at ORDER BY filing = 'changes' DESC, {newest}hash({said})) = 1
), ended AS (
  SELECT v.* REPLACE (least(v.seen_until, coalesce(s.filed_at, {FOREVER}),
    coalesce(lead(v.filed_at) OVER (PARTITION BY v.source, v.id ORDER BY v.filed_at), {FOREVER})) AS seen_until)
  FROM sighted AS v ASOF LEFT JOIN (FROM crm_snapshots {known}) AS s
    ON v.source = s.source AND v.confirmed_at < s.filed_at
), numbered AS (
  SELECT *, said IS NOT DISTINCT FROM lag(said) OVER record AND filed_at = lag(seen_until) OVER record AS prolongs
  FROM ended WINDOW record AS (PARTITION BY source, id ORDER BY filed_at)
), versions AS (
  SELECT *, count(*) FILTER (NOT coalesce(prolongs, false)) OVER (PARTITION BY source, id ORDER BY filed_at) AS version
  FROM numbered
)
SELECT * EXCLUDE (said, prolongs, version) REPLACE (
  max(confirmed_at) OVER version AS confirmed_at, max(seen_until) OVER version AS seen_until)
FROM versions WINDOW version AS (PARTITION BY source, id, version)
QUALIFY row_number() OVER (PARTITION BY source, id, version ORDER BY filed_at) = 1
"""
