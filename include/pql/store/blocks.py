"""Blocks: a human's "not now" (snooze), "not a fit" or "never" for an account, said on the command line."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, insert, or_, select, update

from pql.qualification.model import Block
from pql.store.instants import to_aware, to_naive
from pql.store.tables import blocks

KINDS = ("snooze", "not_a_fit", "block")


@dataclass(frozen=True)
class AccountBlock:
    """One block with everything a person wants to know about it."""

    id: int
    account_key: str
    kind: str
    reason: str
    origin: str
    created_at: datetime
    until: datetime | None
    lifted_at: datetime | None


def block(
    conn: Connection,
    account_key: str,
    kind: str,
    *,
    reason: str,
    origin: str,
    now: datetime,
    until: datetime | None = None,
) -> int:
    """Block the account from now on, until `until` if given; return the block's id. ValueError for unknown kinds."""
    if kind not in KINDS:
        raise ValueError(f"a block is one of {', '.join(KINDS)}, not {kind!r}")
    values = {
        "account_key": account_key,
        "kind": kind,
        "reason": reason,
        "origin": origin,
        "created_at": to_naive(now),
        "until": to_naive(until),
    }
    return int(conn.execute(insert(blocks).values(values).returning(blocks.c.id)).scalar_one())


def lift(conn: Connection, account_key: str, *, now: datetime) -> int:
    """End the account's active blocks; return how many there were."""
    wanted = [blocks.c.account_key == account_key, _active(now)]
    return conn.execute(update(blocks).where(*wanted).values(lifted_at=to_naive(now))).rowcount


def active(
    conn: Connection, now: datetime, account_keys: Collection[str] | None = None
) -> dict[str, tuple[AccountBlock, ...]]:
    """Return the blocks in force at `now` by account; of the given accounts only, if any are given."""
    query = select(blocks).where(_active(now)).order_by(blocks.c.id)
    if account_keys is not None and len(account_keys) <= 1000:  # longer lists are cheaper to filter here
        query = query.where(blocks.c.account_key.in_(account_keys))
    found: dict[str, tuple[AccountBlock, ...]] = {}
    for row in conn.execute(query):
        if account_keys is None or row.account_key in account_keys:
            found[row.account_key] = (*found.get(row.account_key, ()), _account_block(row._mapping))
    return found


def history(conn: Connection) -> dict[str, tuple[Block, ...]]:
    """Return every block, ended ones too, by account, as the deciding room wants them (SEM-D3: its end is news)."""
    found: dict[str, tuple[Block, ...]] = {}
    for row in conn.execute(select(blocks).order_by(blocks.c.created_at, blocks.c.id)):
        made = Block(row.kind, to_aware(row.created_at), to_aware(row.until), to_aware(row.lifted_at))
        found[row.account_key] = (*found.get(row.account_key, ()), made)
    return found


def _active(now: datetime) -> ColumnElement[bool]:
    at = to_naive(now)
    return and_(
        blocks.c.created_at <= at,
        or_(blocks.c.until.is_(None), blocks.c.until > at),
        or_(blocks.c.lifted_at.is_(None), blocks.c.lifted_at > at),
    )


def _account_block(row: RowMapping) -> AccountBlock:
    values = {name: to_aware(value) if isinstance(value, datetime) else value for name, value in row.items()}
    return AccountBlock(**values)  # type: ignore[arg-type]  # the table's columns are the fields, name by name
