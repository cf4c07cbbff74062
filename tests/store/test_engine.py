"""The engine and the schema: one writer decides at a time, and migrations make exactly the tables we use."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import OperationalError

from pql import store
from pql.store.engine import BUSY_TIMEOUT_S
from pql.store.tables import counters, metadata


def test_migrations_make_exactly_the_tables_of_the_code(ledger: Engine) -> None:
    """A migrated ledger and tables.py do not differ in any table, column, key or index."""
    with store.reading(ledger) as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def test_migrating_twice_changes_nothing(ledger_url: str) -> None:
    """A ledger that is current stays as it is when it is migrated again."""
    assert store.is_current(ledger_url)
    store.migrate(ledger_url)
    assert store.is_current(ledger_url)


def test_an_empty_file_is_not_a_current_ledger(tmp_path: Path) -> None:
    """A ledger that was never migrated is told apart, and its folder is made."""
    url = f"sqlite:///{tmp_path}/new/ledger.db"
    assert not store.is_current(url)
    store.migrate(url)
    assert store.is_current(url)


def test_several_processes_may_migrate_at_once(tmp_path: Path) -> None:
    """Four processes that migrate one new ledger together all succeed."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    with _four_processes() as pool:
        assert list(pool.map(store.migrate, [url] * 4)) == [None] * 4
    assert store.is_current(url)


def test_a_raised_error_leaves_nothing_behind(ledger: Engine) -> None:
    """A transaction that raises writes nothing."""
    with pytest.raises(RuntimeError, match="crash"), store.writing(ledger) as conn:  # noqa: PT012  # the story is the two
        conn.execute(insert(counters).values(name="n", value=1))
        raise RuntimeError("crash")
    with store.reading(ledger) as conn:
        assert conn.execute(select(func.count()).select_from(counters)).scalar() == 0


def _read_and_add(url: str, times: int) -> None:
    engine = store.connect(url)
    for _ in range(times):
        with store.deciding(engine) as conn:
            seen = conn.execute(select(counters.c.value).where(counters.c.name == "n")).scalar_one()
            conn.execute(update(counters).where(counters.c.name == "n").values(value=seen + 1))
    engine.dispose()


def _four_processes() -> ProcessPoolExecutor:
    # fork: a spawned process could not import this file, tests are no package
    return ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("fork"))


def test_two_runs_never_decide_at_once(ledger: Engine, ledger_url: str) -> None:
    """SEM-D2: under the ledger-wide lock, what one run read is still true when it writes."""
    with store.writing(ledger) as conn:
        conn.execute(insert(counters).values(name="n", value=0))
    with _four_processes() as pool:
        list(pool.map(_read_and_add, [ledger_url] * 4, [15] * 4))
    with store.reading(ledger) as conn:
        assert conn.execute(select(counters.c.value)).scalar() == 60


def test_readers_do_not_wait_for_a_deciding_run(ledger: Engine) -> None:
    """While a run decides, others read what was there before it."""
    assert BUSY_TIMEOUT_S > 1  # a reader that waited would hang here until the pytest time-out
    with store.deciding(ledger) as deciding:
        deciding.execute(insert(counters).values(name="n", value=1))
        with store.reading(ledger) as conn:
            assert conn.execute(select(func.count()).select_from(counters)).scalar() == 0


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    """The ledger outlives the process, so a database in memory is refused."""
    with pytest.raises(ValueError, match="file"):
        store.connect(url)


def test_another_database_is_refused_by_name() -> None:
    """A URL of a database we do not support is refused, and the message hides its password."""
    with pytest.raises(ValueError, match="not 'mysql'") as refused:
        store.connect("mysql://u:geheim@h/db")
    assert "geheim" not in str(refused.value)


def test_how_far_a_clock_is_off_the_ledgers(ledger: Engine) -> None:
    """PostgreSQL has a clock of its own, which leases are held against; SQLite has the machine's."""
    an_hour_ahead = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251  # the database's clock is the real one
    expected = timedelta(hours=1) if ledger.dialect.name == "postgresql" else timedelta(0)
    assert abs(store.clock_ahead(ledger, an_hour_ahead) - expected) < timedelta(minutes=1)


@pytest.mark.parametrize(("undone", "raises"), [(2, False), (99, True)])
def test_a_decision_that_a_deadlock_undid_is_made_again(ledger: Engine, undone: int, raises: bool) -> None:
    """Nothing of the tries before stays; what goes on being undone is an error, and so is anything else at once."""

    class Deadlock(Exception):  # as the driver names its own
        sqlstate = "40P01"

    tries: list[int] = []

    def change(conn: Connection) -> str:
        conn.execute(counters.insert().values(name="decided", value=len(tries)))
        tries.append(1)
        if len(tries) <= undone:
            raise OperationalError("INSERT", {}, Deadlock())
        return "done"

    with pytest.raises(OperationalError) if raises else nullcontext():
        assert store.decided(ledger, change) == "done"
    with store.reading(ledger) as conn:
        kept = conn.execute(select(counters.c.value)).scalars().all()
    assert (kept, len(tries)) == (([], 6) if raises else ([2], 3))
