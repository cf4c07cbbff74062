"""Where the lake's files are: a local folder or any fsspec store behind one small face of relative paths.

A file is written under a temporary name on the local disk and appears under its own name in one step (a rename
locally, one PUT on an object store), so nobody ever reads half of one.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import fsspec


class Storage:
    """Files below one root, named by relative paths with forward slashes."""

    def __init__(self, root: str) -> None:
        local = root.removeprefix("file://")
        self._remote: Any = None
        if "://" in local:
            self._remote, self._root = fsspec.core.url_to_fs(root)
        else:
            self._root = str(Path(local).expanduser().absolute())

    def register(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let DuckDB read this store (its own httpfs extension would be downloaded at run time)."""
        if self._remote is not None:
            con.register_filesystem(self._remote)

    def uri(self, path: str) -> str:
        """What DuckDB is told to read: always one file, so a folder named `[x]*` is spelled to mean itself."""
        full = re.sub(r"[\[*?]", r"[\g<0>]", f"{self._root}/{path}")
        return full if self._remote is None else str(self._remote.unstrip_protocol(full))

    def list(self, prefix: str) -> list[str]:
        """Every file below the prefix, sorted."""
        base = f"{self._root}/{prefix}"
        if self._remote is None:
            found = [os.path.join(folder, name) for folder, _, names in os.walk(base) for name in names]
        else:
            self._remote.invalidate_cache()
            found = [str(path) for path in self._remote.find(base)]
        cut = len(self._root) + 1
        return sorted(path[cut:] for path in found)

    def exists(self, path: str) -> bool:
        full = f"{self._root}/{path}"
        return os.path.exists(full) if self._remote is None else bool(self._remote.exists(full))

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None if there is no such file."""
        full = f"{self._root}/{path}"
        try:
            return Path(full).read_bytes() if self._remote is None else bytes(self._remote.cat_file(full))
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Put the bytes there in one step, over whatever was there."""
        with self.staging() as folder:
            staged = folder / "content"
            staged.write_bytes(content)
            self.publish(staged, path)

    def publish(self, staged: Path, path: str) -> None:
        """Let a staged file appear under its name in one step, over whatever was there."""
        full = f"{self._root}/{path}"
        if self._remote is not None:
            self._remote.put_file(str(staged), full)
            return
        os.makedirs(os.path.dirname(full), exist_ok=True)
        os.replace(staged, full)

    def move(self, old: str, new: str) -> None:
        if self._remote is not None:
            self._remote.mv(f"{self._root}/{old}", f"{self._root}/{new}")
        else:
            os.replace(f"{self._root}/{old}", f"{self._root}/{new}")

    def remove(self, path: str) -> None:
        """Remove the file; that it is gone already is fine."""
        full = f"{self._root}/{path}"
        try:
            if self._remote is None:
                os.remove(full)
            else:
                self._remote.rm_file(full)
        except FileNotFoundError:
            return

    def modified_at(self, path: str) -> datetime:
        """When the store says the file was written (UTC)."""
        full = f"{self._root}/{path}"
        if self._remote is None:
            return datetime.fromtimestamp(os.stat(full).st_mtime, UTC)
        moment: datetime = self._remote.modified(full)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A local folder for files in the making, on the lake's own disk where that is local; empty afterwards."""
        parent = None
        if self._remote is None:
            parent = f"{self._root}/.staging"
            os.makedirs(parent, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            yield Path(folder)


def was_replaced(error: Exception) -> bool:
    """Whether a read failed because another run replaced the file meanwhile: whoever looks again finds the new one.

    What an object store's client raises reaches us as DuckDB's plainest error, with the traceback in its text.
    """
    if isinstance(error, FileNotFoundError | duckdb.IOException):
        return True
    return type(error) is duckdb.Error and "FileNotFoundError" in str(error)


def text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def texts(values: list[str]) -> str:
    """A SQL list of string literals."""
    return "[" + ", ".join(text(value) for value in values) + "]"
