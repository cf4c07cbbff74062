"""Moving what the ledger holds from one key to another, keeping its unique keys true (SEM-W3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, select, update

from pql.store import rekeyed
from pql.store.facts import MERGED
from pql.store.instants import to_naive
from pql.store.tables import blocks, decided, deliveries, episodes, occurrences
from pql.store.upsert import upsert

NOBODY = ""  # account of a sealed key: nobody resolves to it any more


def carry_subject(conn: Connection, definition: str, old: str, new: str, *, account_key: str, as_of: datetime) -> None:
    """Move one subject's episodes, cooldowns, occurrences and `decided_as_of` to the key `new`, and seal `old`.

    Of two open episodes, or two open occurrences of a play, the older stays and the other closes as "merged".
    """
    for table, unique in ((episodes, ()), (occurrences, ("play",))):
        _close_younger(conn, table, unique, definition, (old, new), as_of)
        conn.execute(
            update(table)
            .where(table.c.definition == definition, table.c.subject_key == old)
            .values(subject_key=new, account_key=account_key)
        )
    _carry_decided(conn, definition, old, new, account_key)
    _seal(conn, definition, old, as_of)
    rekeyed.forget(conn, definition, [old])


def move_account(conn: Connection, old: str, new: str) -> None:
    """Move what hangs on the account itself: its blocks, and the deliveries that its next message may thread on."""
    for table in (blocks, deliveries):
        conn.execute(update(table).where(table.c.account_key == old).values(account_key=new))


def reassign_users(conn: Connection, definitions: Collection[str], account_keys: Mapping[str, str]) -> None:
    """Give user subjects (subject key → account key) their new account; the subjects keep their keys."""
    moves = [
        {"of": definition, "subject": subject, "account": key}
        for definition in sorted(definitions)
        for subject, key in sorted(account_keys.items())
    ]
    for table in (episodes, occurrences, decided) if moves else ():
        conn.execute(
            update(table)
            .where(table.c.definition == bindparam("of"), table.c.subject_key == bindparam("subject"))
            .values(account_key=bindparam("account")),
            moves,
        )


def _close_younger(
    conn: Connection, table: Table, unique: tuple[str, ...], definition: str, keys: tuple[str, str], as_of: datetime
) -> None:
    stands: dict[tuple[Any, ...], Row[Any]] = {}
    query = select(table).where(
        table.c.definition == definition, table.c.subject_key.in_(keys), table.c.closed_as_of.is_(None)
    )
    for row in conn.execute(query.order_by(table.c.opened_as_of, table.c.id)):
        older = stands.setdefault(tuple(getattr(row, name) for name in unique), row)
        if older is not row:
            values: dict[str, Any] = {"closed_as_of": to_naive(as_of)}
            if table is episodes:
                values["close_reason"] = MERGED
                _inherit_announcement(conn, older, row, as_of)
            conn.execute(update(table).where(table.c.id == row.id).values(values))


def _inherit_announcement(conn: Connection, older: Row[Any], younger: Row[Any], as_of: datetime) -> None:
    """What one of the two already announced is no longer waiting for release."""
    silent = older.silent_reason is not None and older.released_at is None
    if silent and (younger.silent_reason is None or younger.released_at is not None):
        conn.execute(update(episodes).where(episodes.c.id == older.id).values(released_at=to_naive(as_of)))


def _carry_decided(conn: Connection, definition: str, old: str, new: str, account_key: str) -> None:
    query = select(decided).where(
        decided.c.definition == definition, decided.c.subject_key == old, decided.c.account_key != NOBODY
    )
    row = conn.execute(query).first()
    if row is None:
        return
    statement = upsert(conn, decided).values({**row._mapping, "subject_key": new, "account_key": account_key})
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[decided.c.definition, decided.c.subject_key],
            set_={"decided_as_of": statement.excluded.decided_as_of},
            where=decided.c.decided_as_of < statement.excluded.decided_as_of,
        )
    )


def _seal(conn: Connection, definition: str, key: str, as_of: datetime) -> None:
    """Leave `decided_as_of` at the old key, so that a late run of an older T, which still sees it, decides nothing."""
    statement = upsert(conn, decided).values(
        definition=definition,
        subject_key=key,
        account_key=NOBODY,
        decided_as_of=to_naive(as_of),
        qualified=False,
        eligible=False,
    )
    fresh = {name: statement.excluded[name] for name in ("account_key", "decided_as_of", "qualified", "eligible")}
    conn.execute(
        statement.on_conflict_do_update(index_elements=[decided.c.definition, decided.c.subject_key], set_=fresh)
    )
