"""A file that somebody replaces while it is read: known for what it is, on disks and on object stores."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import Any

import duckdb
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pql.lake import Lake
from pql.lake.storage import Storage, was_replaced


def failing(con: duckdb.DuckDBPyConnection, query: str) -> Exception:
    """What the query raises."""
    with pytest.raises(Exception) as caught:  # which one is what the tests are about
        con.execute(query).fetchall()
    return caught.value


def test_a_file_that_goes_between_listing_and_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store's client says so in its own words, which DuckDB passes on as an error without a kind."""
    root = f"memory://{uuid.uuid4().hex}/lake"
    storage = Storage(root)
    storage.write("a.parquet", b"anything")

    def gone(self: Any, path: str, **_: Any) -> Any:
        raise FileNotFoundError(path)

    with closing(Lake(root, timezone="UTC").connect()) as con:
        monkeypatch.setattr(MemoryFileSystem, "_open", gone)
        assert was_replaced(failing(con, f"FROM read_parquet('{storage.uri('a.parquet')}')"))


def test_a_file_that_is_gone_from_the_disk(tmp_path: Any) -> None:
    """DuckDB's own reader says so, and so does the system."""
    with closing(duckdb.connect()) as con:
        assert was_replaced(failing(con, f"FROM read_parquet('{tmp_path}/gone.parquet')"))
    assert was_replaced(FileNotFoundError("x"))


def test_what_is_wrong_with_a_query_is_no_replacement() -> None:
    """A mistake of ours is not tried again."""
    with closing(duckdb.connect()) as con:
        assert not was_replaced(failing(con, "FROM nowhere"))
        assert not was_replaced(failing(con, "SELECT error('no such thing')"))
