"""A new delivery's values in, its row out: one per idempotency key, whoever adds it and however often."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from pql.store.instants import to_naive
from pql.store.tables import deliveries
from pql.store.upsert import upsert


def key_of(*parts: str) -> str:
    """Return the idempotency key of what these parts name: "pql-" and 40 hex digits.

    >>> key_of("retract", "pql-1") == key_of("retract", "pql-1") != key_of("retract", "pql-2")
    True
    """
    return "pql-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


def add(conn: Connection, *, key: str, now: datetime, hold: bool = False, **values: Any) -> int | None:
    """Write a delivery that is due at once, or held; return its id, None if one of that key is there already."""
    at = to_naive(now)
    whole = {"state": "held" if hold else "pending", "created_at": at, "not_before": at, **values, "key": key}
    statement = upsert(conn, deliveries).values(whole)
    return conn.execute(
        statement.on_conflict_do_nothing(index_elements=[deliveries.c.key]).returning(deliveries.c.id)
    ).scalar()
