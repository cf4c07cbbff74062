"""Runs the revisions on the connection that `schema.migrate` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from pql.store.tables import metadata


def run() -> None:
    """Bring the schema of the handed-over connection to the revision that Alembic was asked for."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,  # ours also on SQLite: the engine begins the transaction, not the driver
    )
    context.run_migrations()


if hasattr(context, "config"):  # absent when a tool imports every module, as pytest does for doctests
    run()
