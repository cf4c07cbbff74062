"""File what a CRM looked like at a moment: rows of one object in, one file that is never replaced out (SEM-C1).

`crm/<object>/<source>@<filed at>@<snapshot|changes>.parquet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote, unquote

import duckdb

from pql.lake import crm_folds
from pql.lake.forgetting.withheld import without_forgotten_contacts
from pql.lake.local_days import naive
from pql.lake.storage import Storage, text
from pql.types import CRM_COLUMNS

FOLDER = "crm"
STAMP = "%Y%m%dT%H%M%S%f"
FilingKind = Literal["snapshot", "changes"]


def file_crm(
    storage: Storage,
    con: duckdb.DuckDBPyConnection,
    select_sql: str,
    *,
    source: str,
    object: str,
    kind: FilingKind,
    filed_at: datetime,
    replace: bool = False,
) -> int:
    """File the rows of `select_sql` (CRM_COLUMNS of the object); how many, 0 if that filing is already there.

    A snapshot without rows is filed too: it says that everything is gone.
    """
    moment = naive(filed_at)
    path = f"{FOLDER}/{object}/{quote(source, safe='')}@{moment:{STAMP}}@{kind}.parquet"
    if not replace and storage.exists(path):
        return 0
    columns = ", ".join(f'CAST("{name}" AS {type_}) AS "{name}"' for name, type_ in CRM_COLUMNS[object].items())
    stamp = f"{text(source)} AS source, TIMESTAMP {text(str(moment))} AS filed_at, {text(kind)} AS filing"
    rows = without_forgotten_contacts(storage, con, object, f"SELECT {columns} FROM ({select_sql})")
    with storage.staging() as folder:
        staged = folder / "filing.parquet"
        written = con.execute(
            f"COPY (SELECT *, {stamp} FROM ({rows})) TO {text(str(staged))} (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone()
        storage.publish(staged, path)
    if replace:
        crm_folds.forget(storage, object)
    assert written is not None
    return int(written[0])


@dataclass(frozen=True)
class Filing:
    """One stored filing, as its name says."""

    path: str
    source: str
    filed_at: datetime  # naive UTC
    kind: str


def filings(storage: Storage, object: str) -> list[Filing]:
    """Every filing of the object, oldest first."""
    paths = [path for path in storage.list(f"{FOLDER}/{object}") if path.endswith(".parquet")]
    return sorted(map(_parsed, paths), key=lambda f: (f.filed_at, f.path))


def _parsed(path: str) -> Filing:
    source, moment, kind = path.rsplit("/", 1)[1].removesuffix(".parquet").split("@")
    return Filing(path, unquote(source), datetime.strptime(moment, STAMP), kind)  # noqa: DTZ007  # naive UTC (SEM-T1)
