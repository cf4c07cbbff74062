"""A ledger URL in, a ledger with the newest tables out (Alembic, revisions in migrations/versions)."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from pql.store.engine import connect, lock_ledger, reading

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str) -> None:
    """Bring the ledger at `url` to the newest revision; harmless when it is there, safe from several processes."""
    engine = connect(url)
    try:
        with engine.begin() as conn:
            lock_ledger(conn)
            command.upgrade(_config(conn), "head")
    finally:
        engine.dispose()


def is_current(url: str) -> bool:
    """Tell whether the ledger at `url` has the newest tables."""
    engine = connect(url)
    try:
        with reading(engine) as conn:
            present = MigrationContext.configure(conn).get_current_revision()
        return present == ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    finally:
        engine.dispose()


def _config(conn: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    return config
