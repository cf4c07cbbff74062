"""Runs the revisions on the connection that `schema.migrate` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from pql.store.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,  # ours also on SQLite: the engine begins the transaction, not the driver
)
context.run_migrations()
