"""Who belongs to which account now, against last time: what the ledger holds follows a key that changed (SEM-W3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from pql.store import rekeyed
from pql.store.carrying import NOBODY, carry_subject, move_account, reassign_users
from pql.store.tables import counters, decided, members
from pql.store.upsert import upsert

_CARRIED_TO = "identity_carried_to"  # newest as-of whose identity the ledger follows, in seconds since 1970


@dataclass(frozen=True)
class Seen:
    """One row of features' identity: what events name, the user that is, and the account (for that hint, if any)."""

    raw_id: str
    user_id: str
    account_key: str
    account_hint: str | None = None


@dataclass(frozen=True)
class Carried:
    """What one carrying did: the account keys and the user subjects that changed and announce nothing."""

    accounts: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()  # never seen before, now holding what was another's (merges and aliases)


def carry(
    conn: Connection,
    identity: Iterable[Seen],
    *,
    as_of: datetime,
    definitions: Mapping[str, Literal["account", "user"]],
) -> Carried:
    """Carry episodes, cooldowns, occurrences, blocks, `decided_as_of` to the keys that are true at `as_of` (SEM-W3).

    Call it first in the deciding transaction, with everybody's identity. An account key is *gone* when no user
    resolves to it any more; what it held goes to the account most of its users are at now. Of two open episodes
    the older stays. A key counts as changed when at least as many of its users came from another key as were there
    before; its subject opens silently until each definition has decided it (see `rekeyed`). The identity of an older
    T than one already carried changes nothing: that run meets `decided_as_of` of the newer one at the old keys and
    leaves them alone.
    """
    if not _is_newest(conn, as_of):
        return Carried()
    rows = list(identity)
    now = _accounts_of_users(rows)
    before = {row.user_id: row.account_key for row in conn.execute(select(members))}
    moved = {user: (before[user], key) for user, key in now.items() if user in before and before[user] != key}
    gone = _destinations(moved, alive={row.account_key for row in rows})
    account_definitions = sorted(each for each, subject in definitions.items() if subject == "account")
    user_definitions = sorted(each for each, subject in definitions.items() if subject == "user")
    for old, new in sorted(gone.items()):
        for definition in account_definitions:
            carry_subject(conn, definition, old, new, account_key=new, as_of=as_of)
        move_account(conn, old, new)
    users = _carry_users(conn, user_definitions, _merged_users(rows), now, as_of)
    reassign_users(conn, user_definitions, {f"user:{user}": key for user, (_, key) in moved.items()})
    _remember(conn, now, before)
    carried = Carried(_changed_keys(moved, before), users)
    rekeyed.note(conn, account_definitions, carried.accounts, as_of)
    rekeyed.note(conn, user_definitions, carried.users, as_of)
    return carried


def _is_newest(conn: Connection, as_of: datetime) -> bool:
    second = int(as_of.timestamp())
    known = conn.execute(select(counters.c.value).where(counters.c.name == _CARRIED_TO)).scalar()
    if known is not None and known > second:
        return False
    statement = upsert(conn, counters).values(name=_CARRIED_TO, value=second)
    conn.execute(statement.on_conflict_do_update(index_elements=[counters.c.name], set_={"value": second}))
    return True


def _accounts_of_users(rows: Iterable[Seen]) -> dict[str, str]:
    """Return each known raw id's account when no hint is given; if it never is, that of its last hint by name."""
    chosen: dict[str, Seen] = {}
    for row in rows:
        if row.raw_id.startswith("anon:"):
            continue
        present = chosen.get(row.raw_id)
        if present is None or _rank(row) > _rank(present):
            chosen[row.raw_id] = row
    return {raw_id: row.account_key for raw_id, row in chosen.items()}


def _rank(row: Seen) -> tuple[bool, str, str]:
    return (row.account_hint is None, row.account_hint or "", row.account_key)


def _destinations(moved: Mapping[str, tuple[str, str]], *, alive: set[str]) -> dict[str, str]:
    went: dict[str, Counter[str]] = {}
    for old, new in moved.values():
        if old not in alive:
            went.setdefault(old, Counter())[new] += 1
    return {old: min(votes, key=lambda key: (-votes[key], key)) for old, votes in went.items()}


def _changed_keys(moved: Mapping[str, tuple[str, str]], before: Mapping[str, str]) -> frozenset[str]:
    arrived = Counter(new for _, new in moved.values())
    there = Counter(before.values())
    return frozenset(key for key, count in arrived.items() if count >= there[key])


def _merged_users(rows: Iterable[Seen]) -> dict[str, str]:
    known = (row for row in rows if not row.raw_id.startswith("anon:"))
    return {row.raw_id: row.user_id for row in known if row.raw_id != row.user_id}


def _carry_users(
    conn: Connection,
    definitions: Iterable[str],
    merged: Mapping[str, str],
    accounts: Mapping[str, str],
    as_of: datetime,
) -> frozenset[str]:
    """Carry user subjects whose id was merged into another; return the new subject keys that were unknown."""
    changed: set[str] = set()
    for definition in definitions if merged else ():
        query = select(decided.c.subject_key).where(decided.c.definition == definition, decided.c.account_key != NOBODY)
        held = set(conn.execute(query).scalars())
        for raw_id, user_id in sorted(merged.items()):
            old, new = f"user:{raw_id}", f"user:{user_id}"
            if old in held:
                carry_subject(conn, definition, old, new, account_key=accounts[raw_id], as_of=as_of)
                if new not in held:
                    changed.add(new)
    return frozenset(changed)


def _remember(conn: Connection, now: Mapping[str, str], before: Mapping[str, str]) -> None:
    changed = [{"user_id": user, "account_key": key} for user, key in sorted(now.items()) if before.get(user) != key]
    if not changed:
        return
    statement = upsert(conn, members)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[members.c.user_id], set_={"account_key": statement.excluded.account_key}
        ),
        changed,
    )
