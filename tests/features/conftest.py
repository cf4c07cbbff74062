"""A small world for feature tests: events and CRM facts in Python, and the views the lake would make of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb
import pytest

from pql.definition import parse
from pql.definition.model import Definition
from pql.types import CRM_COLUMNS
from pql.usage import Need, needs_of

FREE = ("gmail.com", "yahoo.com")
FAR = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """One action; `user` and `anon` may both be set, which links them."""

    at: datetime
    name: str
    user: str | None = None
    anon: str | None = None
    hint: str | None = None
    value: str | None = None  # a decimal, as text
    item: str | None = None

    @property
    def raw_id(self) -> str:
        return self.user if self.user is not None else f"anon:{self.anon}"


@dataclass
class World:
    """What happened and what the CRM says; `tables` writes it down as the lake's views."""

    timezone: str = "UTC"
    events: list[Event] = field(default_factory=list)
    links: list[tuple[str, str, datetime]] = field(default_factory=list)
    traits: list[tuple[str, str, str, str, datetime]] = field(default_factory=list)  # kind, id, name, JSON, at
    crm: dict[str, list[dict[str, object]]] = field(default_factory=lambda: defaultdict(list))

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.timezone)).date()

    def all_links(self) -> list[tuple[str, str, datetime]]:
        shared = [(f"anon:{e.anon}", e.user, e.at) for e in self.events if e.user and e.anon]
        return [*self.links, *shared]  # type: ignore[list-item] # user is not None there

    def add_crm(self, kind: str, valid_from: datetime, valid_to: datetime = FAR, **columns: object) -> None:
        self.crm[kind].append({**columns, "valid_from": valid_from, "valid_to": valid_to})

    def tables(self, definition: Definition, moments: Sequence[datetime]) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET threads = 2")
        con.execute(
            """CREATE TABLE usage (match VARCHAR, day DATE, seg INTEGER, raw_id VARCHAR, account_hint VARCHAR,
               item VARCHAR, count BIGINT, value_sum DECIMAL(38, 6), value_n BIGINT, first_at TIMESTAMP,
               last_at TIMESTAMP, sessions INTEGER, minutes DOUBLE)"""
        )
        con.execute(
            """CREATE TABLE presence (day DATE, seg INTEGER, raw_id VARCHAR, account_hint VARCHAR, first_at TIMESTAMP,
               last_at TIMESTAMP, events BIGINT, newest_ingested_at TIMESTAMP)"""
        )
        con.execute('CREATE TABLE links (from_id VARCHAR, to_id VARCHAR, "at" TIMESTAMP)')
        con.execute('CREATE TABLE traits (kind VARCHAR, id VARCHAR, name VARCHAR, value VARCHAR, "at" TIMESTAMP)')
        for need in needs_of(definition):
            _insert(con, "usage", self._usage(need, moments))
        _insert(con, "presence", self._presence(moments))
        _insert(con, "links", [(a, b, naive(at)) for a, b, at in self.all_links()])
        _insert(con, "traits", [(*rest, naive(at)) for *rest, at in self.traits])
        for kind, columns in CRM_COLUMNS.items():
            self._create_crm(con, kind, columns)
        return con

    def _create_crm(self, con: duckdb.DuckDBPyConnection, kind: str, columns: dict[str, str]) -> None:
        extra = {"source": "VARCHAR", "valid_from": "TIMESTAMP", "valid_to": "TIMESTAMP", "backdated": "BOOLEAN"}
        every = {**columns, **extra}
        con.execute(f"CREATE TABLE crm_{kind} ({', '.join(f'{name} {type_}' for name, type_ in every.items())})")
        rows = [{"source": "hubspot", "backdated": False, **row} for row in self.crm[kind]]
        _insert(con, f"crm_{kind}", [tuple(naive(row.get(name)) for name in every) for row in rows])

    def segment(self, at: datetime, moments: Iterable[datetime]) -> int:
        """0 before the first moment inside the local day, 1 up to the second …"""
        zone = ZoneInfo(self.timezone)
        inside = [
            m for m in set(moments) if self.day(m) == self.day(at) and m.astimezone(zone).time() != datetime.min.time()
        ]
        return sum(m <= at for m in inside)

    def _usage(self, need: Need, moments: Sequence[datetime]) -> Iterator[tuple[object, ...]]:
        names = {name for match in need.matches for name in match.events}
        groups: dict[tuple[object, ...], list[Event]] = defaultdict(list)
        for event in self.events:
            if event.name in names:
                item = event.item if need.item else None
                place = (self.day(event.at), self.segment(event.at, moments), event.raw_id, event.hint, item)
                groups[place].append(event)
        valued = any(match.value for match in need.matches)
        for (day, seg, raw, hint, item), events in groups.items():
            values = [Decimal(e.value) for e in events if valued and e.value is not None]
            started = [e for e in events if need.sessions and self._starts_session(e, names)]
            times = [naive(e.at) for e in events]
            total = sum(values, Decimal(0)) if values else None
            minutes = sum(self.gap_minutes(e, names) for e in events) if need.sessions else 0.0
            yield (
                *(need.key, day, seg, raw, hint, item, len(events), total, len(values)),
                *(min(times), max(times), len(started), minutes),  # type: ignore[type-var] # never None here
            )

    def _before(self, event: Event, names: set[str]) -> datetime | None:
        earlier = [e.at for e in self.events if e.name in names and e.raw_id == event.raw_id and e.at < event.at]
        return max(earlier, default=None)

    def _starts_session(self, event: Event, names: set[str]) -> bool:
        before = self._before(event, names)
        return before is None or event.at - before >= timedelta(minutes=30)

    def gap_minutes(self, event: Event, names: set[str]) -> float:
        """Minutes since the user's event before, 0 where a session starts."""
        before = self._before(event, names)
        return 0.0 if before is None or self._starts_session(event, names) else (event.at - before).total_seconds() / 60

    def _presence(self, moments: Sequence[datetime]) -> Iterator[tuple[object, ...]]:
        groups: dict[tuple[object, ...], list[Event]] = defaultdict(list)
        for event in self.events:
            groups[self.day(event.at), self.segment(event.at, moments), event.raw_id, event.hint].append(event)
        for place, events in groups.items():
            times = [e.at.replace(tzinfo=None) for e in events]
            yield (*place, min(times), max(times), len(events), max(times) + timedelta(minutes=5))


def naive(value: object) -> object:
    """An aware instant as naive UTC; anything else as it is."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    many = list(rows)
    if many:
        con.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(many[0]))})", many)


def read(text: str) -> Definition:
    """The definition in this text; fails on any problem."""
    head = "" if "definition:" in text else "definition: d\ntitle: D\nstatus: live\n"
    tail = "" if "criteria:" in text else "criteria:\n  value: {anything: {min: 1}}\n"
    definition, problems = parse(head + text + tail, "d.yaml")
    assert definition is not None, [str(p) for p in problems]
    return definition


@pytest.fixture
def world() -> World:
    """An empty world in UTC."""
    return World()
