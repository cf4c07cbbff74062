"""A lake in a temporary folder and a way to publish events written as short Python rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pql.definition.model import EventMatch
from pql.lake import Lake, Published
from pql.types import CRM_COLUMNS, EVENT_COLUMNS
from pql.usage import Need

LOGIN = Need((EventMatch(("login",)),))


def at(text: str) -> datetime:
    """An aware UTC instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def event(when: str, user: str | None = "ann", name: str = "login", **columns: Any) -> dict[str, Any]:
    """One event; its id is made of what it is unless given."""
    traits = {key: json.dumps(columns.pop(key)) for key in ("user_traits", "account_traits") if key in columns}
    properties = json.dumps(columns.pop("properties", {}))
    row = {"event_id": f"{name}-{user}-{when}", "event": name, "user_id": user, "occurred_at": when}
    return {**row, "ingested_at": when, "properties": properties, **traits, **columns}


def select(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> str:
    """The rows as a DuckDB query."""

    def literal(value: Any) -> str:
        return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"

    def query(row: dict[str, Any]) -> str:
        return "SELECT " + ", ".join(f"CAST({literal(row.get(n))} AS {kind}) AS {n}" for n, kind in columns.items())

    return " UNION ALL ".join(map(query, rows)) or query({}) + " WHERE false"


class Room:
    """A lake, a connection to it, and short words for what tests do with both."""

    at = staticmethod(at)
    event = staticmethod(event)

    def __init__(self, root: str, timezone: str = "UTC") -> None:
        self.lake = Lake(root, timezone=timezone)
        self.con = self.lake.connect()
        self.root = Path(root)

    def publish(
        self,
        *rows: dict[str, Any],
        unit: str = "u",
        source: str = "app",
        start: str = "2024-05-01",
        end: str = "2024-05-02",
        exported: str = "2024-06-01",
        replaces_days: bool = False,
    ) -> Published:
        return self.lake.publish_events(
            self.con,
            select(rows, EVENT_COLUMNS),
            source=source,
            unit=unit,
            start=at(start),
            end=at(end),
            exported_at=at(exported),
            replaces_days=replaces_days,
        )

    def file(self, kind: Any, when: str, *rows: dict[str, Any], object: str = "accounts", **more: Any) -> int:
        return self.lake.file_crm(
            self.con,
            select(rows, CRM_COLUMNS[object]),
            source="hs",
            object=object,
            kind=kind,
            filed_at=at(when),
            **more,
        )

    def prepare(self, *needs: Need, cuts: Sequence[str] = ()) -> duckdb.DuckDBPyConnection:
        self.lake.prepare(self.con, needs or (LOGIN,), [at(cut) for cut in cuts])
        return self.con

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.con.execute(query).fetchall()

    def counts(self, *needs: Need, cuts: Sequence[str] = ()) -> dict[date, int]:
        """How many events of all needs each day has."""
        self.prepare(*needs, cuts=cuts)
        return dict(self.rows("SELECT day, sum(count)::BIGINT FROM usage GROUP BY day ORDER BY day"))

    def files(self, folder: str) -> dict[str, bytes]:
        return {str(p.relative_to(self.root)): p.read_bytes() for p in sorted((self.root / folder).rglob("*.*"))}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    opened = Room(str(tmp_path / "lake"))
    yield opened
    opened.con.close()


@pytest.fixture
def make_room(tmp_path: Path) -> Callable[..., Room]:
    """For tests that need several lakes, or one elsewhere."""

    def make(root: str = "", timezone: str = "UTC") -> Room:
        return Room(root if "://" in root else str(tmp_path / (root or "other")), timezone)

    return make
