"""Who asked to be forgotten, as salted hashes, and how their records are withheld when a source brings them again.

`forgotten.json` holds no id and no address: a record's own names are hashed and compared. Names are `user:<id>`,
`anon:<id>`, `contact:<CRM id>` and `email:<address in small letters>`. An id under which they come again is added.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from pql.lake.forgetting.records import names_in
from pql.lake.forgetting.traces import ADDRESS, EMAILS, Traces, erased, is_theirs, listed
from pql.lake.storage import Storage, text, texts
from pql.types import Quarantined

PATH = "forgotten.json"


@dataclass(frozen=True)
class Forgotten:
    """The list: one salt of this lake and a hash for each name."""

    salt: str
    hashes: frozenset[str] = field(default_factory=frozenset)

    def has(self, name: str) -> bool:
        """Whether the name is on the list."""
        return self._hash(name) in self.hashes

    def but(self, add: Collection[str] = (), drop: Collection[str] = ()) -> Forgotten:
        """The list with some names more or less."""
        hashes = (self.hashes | {self._hash(name) for name in add}) - {self._hash(name) for name in drop}
        return Forgotten(self.salt, frozenset(hashes))

    def among(self, con: duckdb.DuckDBPyConnection, names: str) -> frozenset[str]:
        """Of the names that a query yields (one column `name`) those on the list."""
        hashed = f"sha256({text(self.salt)} || name)"
        wanted = texts(sorted(self.hashes))
        rows = con.execute(f"SELECT DISTINCT name FROM ({names}) WHERE list_contains({wanted}, {hashed})").fetchall()
        return frozenset(row[0] for row in rows)

    def _hash(self, name: str) -> str:
        return hashlib.sha256((self.salt + name).encode()).hexdigest()


def read_list(storage: Storage) -> Forgotten | None:
    """The list, None while nobody is on it."""
    content = storage.read(PATH)
    if content is None:
        return None
    said = json.loads(content)
    return Forgotten(said["salt"], frozenset(said["hashes"])) if said["hashes"] else None


def change_list(storage: Storage, *, add: Collection[str] = (), drop: Collection[str] = ()) -> None:
    """Put names on the list, or take some off it."""
    content = storage.read(PATH)
    salt = json.loads(content)["salt"] if content else secrets.token_hex(16)
    changed = (read_list(storage) or Forgotten(salt)).but(add, drop)
    storage.write(PATH, json.dumps({"salt": salt, "hashes": sorted(changed.hashes)}).encode())


def without_forgotten_events(storage: Storage, con: duckdb.DuckDBPyConnection, rows: Path) -> Path:
    """The staged event rows without what forgotten persons did, and without their addresses in what others did."""
    known = read_list(storage)
    if known is None:
        return rows
    source = f"read_parquet({text(str(rows))})"
    said = "concat_ws(' ', user_id, anonymous_id, account_hint, properties, user_traits, account_traits)"
    traces = _recognised(
        con,
        known,
        f"SELECT 'user:' || user_id AS name FROM {source} UNION SELECT 'anon:' || anonymous_id FROM {source} "
        # an id that a merge replaces stands where anonymous ids do
        f"UNION SELECT 'user:' || anonymous_id FROM {source} UNION {_addresses(source, said)} "
        f"UNION SELECT 'email:' || {ADDRESS} FROM {source}",
    )
    if traces is None:
        return rows
    traces = _under_new_ids(storage, con, source, traces)
    kept = rows.with_name("withheld.parquet")
    con.execute(f"COPY ({erased(source, 'events', _columns(con, source), traces)}) TO {text(str(kept))}")
    rows.unlink()
    return kept


def _under_new_ids(storage: Storage, con: duckdb.DuckDBPyConnection, source: str, traces: Traces) -> Traces:
    """The person under ids that are new: who has their address, or replaces an id of theirs, is the same person."""
    before: frozenset[str] | None = None
    users = traces.users
    while users != before:
        before = users
        known, emails = listed(users), listed(traces.emails)
        same = f"coalesce({ADDRESS} IN {emails}, false) OR coalesce(anonymous_id IN {known}, false)"
        found = con.execute(f"SELECT DISTINCT user_id FROM {source} WHERE user_id IS NOT NULL AND ({same})").fetchall()
        users |= {row[0] for row in found}
    if users != traces.users:
        change_list(storage, add=[f"user:{user}" for user in users])
    return replace(traces, users=users)


def without_forgotten_contacts(storage: Storage, con: duckdb.DuckDBPyConnection, object: str, query: str) -> str:
    """The query for a CRM object's rows without what is about forgotten persons."""
    known = read_list(storage)
    if known is None:
        return query
    con.execute(f"CREATE OR REPLACE TEMP TABLE pql_crm_rows AS {query}")
    columns = _columns(con, "pql_crm_rows")
    written = [name for name, kind in columns.items() if kind == "VARCHAR"]
    names = [_addresses("pql_crm_rows", f"concat_ws(' ', {', '.join(written)})")]
    names += [
        f"SELECT 'contact:' || {column} FROM pql_crm_rows"
        for column in {"contacts": ["id"], "meetings": ["contact_id"]}.get(object, [])
    ]
    names += [f"SELECT 'email:' || lower(trim({name})) FROM pql_crm_rows" for name in written if name == "email"]
    traces = _recognised(con, known, " UNION ".join(names))
    return "FROM pql_crm_rows" if traces is None else erased("pql_crm_rows", f"crm/{object}", columns, traces)


def without_forgotten_lines(storage: Storage, records: Iterable[Quarantined]) -> list[Quarantined]:
    """The records to put aside, without those that name a forgotten person anywhere."""
    known = read_list(storage)
    return [r for r in records if known is None or not any(map(known.has, names_in(r.record)))]


def _addresses(source: str, said: str) -> str:
    found = ", ".join(f"regexp_extract_all(said, {text(email)})" for email in EMAILS)
    plain = f"replace(lower(unnest(list_concat({found}))), '%40', '@')"
    with_one = f"SELECT {said} AS said FROM {source}"
    return f"SELECT 'email:' || {plain} AS name FROM ({with_one}) WHERE contains(said, '@') OR contains(said, '%40')"


def _recognised(con: duckdb.DuckDBPyConnection, known: Forgotten, names: str) -> Traces | None:
    found = known.among(con, names)
    if not found:
        return None

    def of(kind: str) -> frozenset[str]:
        return frozenset(name.removeprefix(f"{kind}:") for name in found if name.startswith(f"{kind}:"))

    return Traces(users=of("user"), visitors=of("anon"), contacts=of("contact"), emails=of("email"))


def _columns(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute(f"DESCRIBE FROM {source}").fetchall()}


__all__ = [
    "Forgotten",
    "change_list",
    "is_theirs",
    "read_list",
    "without_forgotten_contacts",
    "without_forgotten_events",
    "without_forgotten_lines",
]
