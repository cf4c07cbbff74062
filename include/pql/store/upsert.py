"""INSERT … ON CONFLICT for whichever database the ledger is on; both spell it alike, SQLAlchemy does not."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Upsert = sqlite.Insert | postgresql.Insert


def upsert(conn: Connection, table: Table) -> Upsert:
    """Return an insert into `table` that has `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)
