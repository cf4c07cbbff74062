"""A real lake in a folder, and one call that reads a source into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import TypeAdapter

from pql import sources
from pql.lake import Lake
from pql.settings import Source
from pql.types import Connection

NOW = datetime(2026, 3, 5, 12, 5, tzinfo=UTC)
SETTINGS: TypeAdapter[Any] = TypeAdapter(Source)


class Reader:
    """Reads sources into one lake and looks at what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "lake"
        self.lake = Lake(str(self.root))
        self.con = self.lake.connect()
        self.cursor: dict[str, Any] = {}

    def read(
        self,
        settings: dict[str, Any],
        *,
        connection: Connection | None = None,
        now: datetime = NOW,
        as_of: datetime | None = None,
        mode: sources.Mode = "hourly",
        **options: Any,
    ) -> sources.Read:
        """Read, going on from where the last call stood."""
        done = sources.read(
            "src",
            SETTINGS.validate_python(settings),
            self.lake,
            self.con,
            connection=connection,
            as_of=as_of or now.replace(minute=0),
            now=now,
            mode=mode,
            cursor=self.cursor,
            base=self.folder,
            **options,
        )
        self.cursor = done.cursor
        return done

    def events(self, columns: str = "event, user_id, occurred_at") -> list[tuple[Any, ...]]:
        """What the lake holds, in the order of the chosen columns; nothing if it has no events."""
        if not list(self.root.glob("events/**/*.parquet")):
            return []
        source = f"read_parquet('{self.root}/events/**/*.parquet')"
        return self.con.execute(f"SELECT {columns} FROM {source} ORDER BY ALL").fetchall()

    def crm(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        """What is filed of a CRM table, in the order of the chosen columns."""
        source = f"read_parquet('{self.root}/crm/{table}/*.parquet')"
        return self.con.execute(f"SELECT {columns} FROM {source} ORDER BY ALL").fetchall()

    def quarantined(self) -> str:
        """Everything in quarantine."""
        return "".join(path.read_text() for path in sorted(self.root.glob("quarantine/**/*.ndjson")))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    made.con.close()


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    yield connection
    connection.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file beside the lake; the path."""

    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put
