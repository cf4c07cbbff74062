"""A person in the ledger: traces in, rows by table that are theirs or name them out; erased, their rows name nobody.

What was decided and sent stays as a figure: the keys of an account of one become one random word that leads nowhere.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Connection, Engine, RowMapping, String, Table, and_, delete, null, select, update

from pql.lake.forgetting.traces import ERASED, Traces, pattern
from pql.outbox.queueing.threads import TABLE
from pql.store.instants import to_naive
from pql.store.said import ERASED_KEY, OVER, PEOPLE
from pql.store.tables import blocks, deliveries, discrepancies, episodes, metadata, occurrences

REASON = "forgotten"
_KEYED = ("subject_key", "account_key")
_IDENTITIES = {"members": "user_id", "dirty_marks": "fact_key"}
_STATE = ("decided", "rekeyed", "members", "dirty_marks")  # what only says how somebody stands: it goes
Row = RowMapping


def find(conn: Connection, traces: Traces) -> dict[str, int]:
    """How many rows of each table are theirs, or name them; a table without any is not named."""
    scrub = _Scrub(traces, ERASED)
    theirs = (table.name for table, row in _rows(conn) if _is_theirs(table, row, traces) or scrub.changes(table, row))
    return dict(Counter(theirs))


def sent(conn: Connection, traces: Traces) -> list[tuple[str, str, Mapping[str, Any]]]:
    """(destination, kind, receipt) of what went out and may name them: also the tables that listed them."""
    scrub = _Scrub(traces, ERASED)
    rows = [row for _, row in _rows(conn, [deliveries])]
    theirs = {row["id"] for row in rows if _is_theirs(deliveries, row, traces)}
    listed_in = {row["thread_of"] for row in rows if row["id"] in theirs}
    for row in rows:
        if row["account_key"].startswith(TABLE):
            shown = {id for place in row["options"].get("shows", ()) for id in place}
            theirs |= {row["id"]} if row["id"] in listed_in or shown & theirs else set()
    named = (row for row in rows if row["id"] in theirs or scrub.changes(deliveries, row))
    return [(row["destination"], row["kind"], row["receipt"]) for row in named if row["receipt"]]


def erase(conn: Connection, traces: Traces, *, now: datetime) -> dict[str, int]:
    """Take them out of every table, in the transaction given; how many rows of each were removed or changed.

    What waits to be sent about them is suppressed; an open stay of theirs ends.
    """
    word = f"{ERASED_KEY}{secrets.token_hex(8)}"
    scrub = _Scrub(traces, word)
    done: Counter[str] = Counter()
    for table, row in list(_rows(conn)):
        here = and_(*(column == row[column.name] for column in table.primary_key))
        if not _is_theirs(table, row, traces):
            values = scrub.changes(table, row)
        elif table.name in _STATE:
            conn.execute(delete(table).where(here))
            done[table.name] += 1
            continue
        else:
            values = {**scrub.changes(table, row), **_ended(table, row, scrub, to_naive(now))}
        if values:
            conn.execute(update(table).where(here).values(values))
            done[table.name] += 1
        if table is deliveries and "key" in values:
            about = discrepancies.c.about == row["key"]  # made of whom it is about
            conn.execute(update(discrepancies).where(about).values(about=values["key"]))
    return dict(done)


def compact(engine: Engine) -> None:
    """Let the database write over what was deleted: until then its pages still hold it."""
    if engine.dialect.name == "sqlite":
        raw = engine.raw_connection()
        try:
            for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):  # outside any transaction
                raw.cursor().execute(statement)
        finally:
            raw.close()
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM")


def _rows(conn: Connection, tables: list[Table] | None = None) -> Iterator[tuple[Table, Row]]:
    for table in tables or metadata.sorted_tables:
        for row in conn.execute(select(table)):
            yield table, row._mapping


def _is_theirs(table: Table, row: Row, traces: Traces) -> bool:
    identity = _IDENTITIES.get(table.name)
    names = traces.raw_ids if table.name == "members" else traces.listed
    if identity is not None and row[identity] in names:
        return True
    return any(row.get(name) in traces.keys for name in _KEYED)


def _ended(table: Table, row: Row, scrub: _Scrub, at: datetime | None) -> dict[str, Any]:
    """What becomes of a row that is theirs, beside the keys: nothing of it is open, waits, or says who it was."""
    if table is deliveries:
        values = {"key": f"{scrub.word}:{row['id']}", "options": {}, "alert": scrub.blank(row["alert"])}
        over = {} if row["state"] in OVER else {"state": "suppressed", "reason": REASON, "finished_at": at}
        return values | over
    ended: dict[str, Any] = {}
    if table in (episodes, occurrences) and row["closed_as_of"] is None:
        ended = {"closed_as_of": at} | ({"close_reason": REASON} if table is episodes else {})
    return ended | ({"alert": null()} if table is episodes else {}) | ({"reason": ""} if table is blocks else {})


@dataclass(frozen=True)
class _Scrub:
    """Texts and JSON without the person: champions go, addresses and keys give way."""

    traces: Traces
    word: str

    def changes(self, table: Table, row: Row) -> dict[str, Any]:
        """The columns that would say something else."""
        values = {}
        for column in table.columns:
            if not isinstance(column.type, String | JSON) or column.primary_key or row[column.name] is None:
                continue
            said = self._said(row[column.name])
            if said != row[column.name]:
                values[column.name] = said
        return values

    def blank(self, alert: Mapping[str, Any]) -> Any:
        """An alert about them that says no more than figures."""
        record = {"crm_id": "", "crm_kind": ""} if alert.get("crm_kind") == "contact" else {}
        return self._said({**alert, **PEOPLE, **record, "account_name": ERASED})

    def _said(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._text(name): self._said(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._said(each) for each in value if not self._is_champion(each)]
        return value

    def _text(self, text: str) -> str:
        if text in self.traces.keys:
            return self.word
        if text in self.traces.telling_ids:
            return ERASED
        for email in self.traces.emails:
            for _ in range(2):  # two mentions side by side share the character between them
                text = re.sub(pattern(email), rf"\g<1>{ERASED}\g<2>", text)
        for each in self.traces.telling_ids:
            text = text.replace(f'"{each}"', f'"{ERASED}"')
        return text

    def _is_champion(self, value: Any) -> bool:
        if not isinstance(value, Mapping) or set(value) != {"name", "actions", "days", "email"}:
            return False
        called = self.traces.names | self.traces.emails | self.traces.users
        address = str(value["email"]).lower()
        return address in self.traces.emails or (not address and value["name"] in called)
