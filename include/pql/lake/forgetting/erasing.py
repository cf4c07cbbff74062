"""Find a person in every file of the lake, and take them out: traces in, rows and lines by part of the lake out.

A file is written anew beside and replaces the old one in one step under the same name. So no index changes and no day
is built again; a file that a run is reading must not change below it, so nothing may run meanwhile.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pql.lake import crm_files, crm_folds, event_files, parts, score_files
from pql.lake.daily_tables import ORDERS
from pql.lake.forgetting.records import is_about
from pql.lake.forgetting.traces import Traces, erased, is_theirs, mentions
from pql.lake.storage import Storage, text

_QUARANTINE = "quarantine"
_ORDER = {**ORDERS, "scores": "subject_key"}


@dataclass(frozen=True)
class _File:
    path: str
    part: str  # of the lake, as people call it
    table: str  # as `forget_text` knows it


def find(storage: Storage, con: duckdb.DuckDBPyConnection, traces: Traces) -> dict[str, int]:
    """How many rows and lines of each part are the person's, or name them; a part without any is not named."""
    found: Counter[str] = Counter()
    for file in _tables(storage):
        theirs, naming = _count(storage, con, file, traces)
        found[file.part] += theirs
        found[f"{file.part}, of others that name them"] += naming
    for path in storage.list(_QUARANTINE):
        found[_QUARANTINE] += sum(1 for line in _lines(storage, path) if _is_about(line, traces))
    return {part: number for part, number in found.items() if number}


def erase(storage: Storage, con: duckdb.DuckDBPyConnection, traces: Traces) -> dict[str, int]:
    """Take the person out of every file; what was removed or changed, by part.

    Folded CRM is removed whole (it is made again from the filings), and so is what killed processes left in the making.
    """
    done: Counter[str] = Counter()
    for file in _tables(storage):
        theirs, naming = _count(storage, con, file, traces)
        if theirs or naming:
            _rewrite(storage, con, file, traces)
        done[file.part] += theirs
        done[f"{file.part}, of others that name them"] += naming
    for path in storage.list(_QUARANTINE):
        done[_QUARANTINE] += _rewrite_lines(storage, path, traces)
    for path in [*storage.list(crm_folds.FOLDER), *storage.list(".staging")]:
        storage.remove(path)
    return {part: number for part, number in done.items() if number}


def _tables(storage: Storage) -> Iterator[_File]:
    for folder in (event_files.FOLDER, parts.FOLDER, crm_files.FOLDER, score_files.FOLDER):
        for path in storage.list(folder):
            if path.endswith(".parquet"):
                yield _named(path)


def _named(path: str) -> _File:
    folder, inner, *_ = path.split("/")
    if folder == parts.FOLDER:
        table = "usage" if inner.startswith("match=") else inner
        return _File(path, "daily usage" if table == "usage" else f"daily usage: {table}", table)
    if folder == crm_files.FOLDER:
        return _File(path, f"CRM: {inner}", f"crm/{inner}")
    return _File(path, folder, folder)


def _count(storage: Storage, con: duckdb.DuckDBPyConnection, file: _File, traces: Traces) -> tuple[int, int]:
    source = _source(storage, file)
    theirs = f"coalesce({is_theirs(file.table, traces)}, false)"
    naming = mentions(file.table, _columns(con, source), traces)
    found = con.execute(
        f"SELECT count(*) FILTER ({theirs}), count(*) FILTER (NOT {theirs} AND ({naming})) FROM {source}"
    ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


def _rewrite(storage: Storage, con: duckdb.DuckDBPyConnection, file: _File, traces: Traces) -> None:
    source = _source(storage, file)
    query = erased(source, file.table, _columns(con, source), traces)
    if file.table in _ORDER:
        query += f" ORDER BY {_ORDER[file.table]}"
    if file.table == "scores":  # pandas keeps its own notes in these files
        content = storage.read(file.path)
        assert content is not None
        schema = pq.read_schema(io.BytesIO(content))
        rest: pa.Table = con.sql(query).to_arrow_table()
        buffer = io.BytesIO()
        pq.write_table(rest.cast(schema), buffer, compression="zstd")
        storage.write(file.path, buffer.getvalue())
        return
    with storage.staging() as folder:
        staged = folder / "rest.parquet"
        con.execute(f"COPY ({query}) TO {text(str(staged))} (FORMAT parquet, COMPRESSION zstd)")
        storage.publish(staged, file.path)


def _rewrite_lines(storage: Storage, path: str, traces: Traces) -> int:
    lines = _lines(storage, path)
    kept = [line for line in lines if not _is_about(line, traces)]
    if not kept:
        storage.remove(path)
    elif len(kept) < len(lines):
        storage.write(path, ("\n".join(kept) + "\n").encode())
    return len(lines) - len(kept)


def _lines(storage: Storage, path: str) -> list[str]:
    """One record a line; a record may itself hold what Unicode takes for the end of a line."""
    return [line for line in (storage.read(path) or b"").decode(errors="replace").split("\n") if line]


def _is_about(line: str, traces: Traces) -> bool:
    return is_about(str(json.loads(line)["record"]) if line.startswith("{") else line, traces)


def _source(storage: Storage, file: _File) -> str:
    return f"read_parquet({text(storage.uri(file.path))}, hive_partitioning = false)"


def _columns(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute(f"DESCRIBE FROM {source}").fetchall()}
