"""A ledger URL in, an engine out whose transactions are safe when several processes write at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

T = TypeVar("T")
BUSY_TIMEOUT_S = 60
MOST_UNDONE = 5  # deadlocks in a row after which it is no chance any more
_DECIDING_LOCK = 0x50514C  # "PQL": one number for all, so every deciding transaction meets the same lock
_READ_ONLY = "pql_read_only"


def connect(url: str) -> Engine:
    """Return an engine for the ledger at `url` (SQLite file or PostgreSQL).

    SQLite: the file's folder is made, WAL, and transactions BEGIN IMMEDIATE, because SQLAlchemy's default lets
    two processes read the same rows before either writes them. PostgreSQL: the psycopg 3 driver, whatever
    the URL says. Raises ValueError for any other kind of database.
    """
    target = make_url(url)
    backend = target.get_backend_name()
    if backend == "sqlite":
        return _sqlite(target)
    if backend in ("postgresql", "postgres"):
        return create_engine(target.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    raise ValueError(f"the ledger is SQLite or PostgreSQL, not {backend!r}: {target.render_as_string()}")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection for reading only; on SQLite it neither waits for writers nor stops them."""
    with engine.connect().execution_options(**{_READ_ONLY: True}) as conn, conn.begin():
        yield conn


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in one transaction, committed at the end, rolled back if anything is raised."""
    with engine.begin() as conn:
        yield conn


@contextmanager
def deciding(engine: Engine) -> Iterator[Connection]:
    """Yield the one transaction in which a run decides, under the ledger-wide lock (SEM-D2).

    A second run waits here until the first has committed or failed, and then reads what it left.
    """
    with engine.begin() as conn:
        lock_ledger(conn)
        yield conn


def decided(engine: Engine, change: Callable[[Connection], T]) -> T:
    """Make a change in such a transaction and return its result; again where a deadlock undid it.

    Of a try that was undone nothing may stay anywhere but in the ledger.
    """
    for _ in range(MOST_UNDONE):
        try:
            with deciding(engine) as conn:
                return change(conn)
        except DBAPIError as error:
            if not was_deadlock(error):
                raise
    with deciding(engine) as conn:
        return change(conn)


def lock_ledger(conn: Connection) -> None:
    """Take the ledger-wide lock until `conn`'s transaction ends; SQLite's BEGIN IMMEDIATE already is one."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _DECIDING_LOCK})


def was_deadlock(error: DBAPIError) -> bool:
    """Whether PostgreSQL undid the transaction because it and another waited for each other; it may be made again."""
    return getattr(error.orig, "sqlstate", None) in ("40P01", "40001")


def clock_ahead(engine: Engine, now: datetime) -> timedelta:
    """Return how far `now` is ahead of the ledger's own clock: zero on SQLite, which has the machine's."""
    if engine.dialect.name != "postgresql":
        return timedelta(0)
    with reading(engine) as conn:
        theirs: datetime = conn.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now - theirs


def _sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise ValueError("the ledger outlives the process: give SQLite a file, not memory")
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # the driver's own BEGIN is deferred; ours comes from _begin_sqlite
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",  # "sending" must be on disk before the request leaves
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(conn: Connection) -> None:
    read_only = conn.get_execution_options().get(_READ_ONLY, False)
    conn.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
