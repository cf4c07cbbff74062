"""Writes of several threads share a transaction, and each is told only when its own is kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, update

from pql import store
from pql.outbox.sending.together import Together
from pql.store.tables import counters

WRITERS = 8


def _count(name: str) -> Any:
    def change(conn: Connection) -> str:
        conn.execute(counters.insert().values(name=name, value=1))
        return name

    return change


def _names(engine: Any) -> set[str]:
    with store.reading(engine) as conn:
        return set(conn.execute(select(counters.c.name)).scalars())


def _while_one_holds(together: Together, changes: list[Any]) -> list[Any]:
    """What comes of the changes if all of them come while another transaction is open."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        begun.set()
        assert go_on.wait(30)

    with ThreadPoolExecutor(len(changes) + 1) as pool:
        first = pool.submit(together.write, slow)
        assert begun.wait(30)
        others = [pool.submit(together.write, change) for change in changes]
        while len(together._waiting) < len(changes):  # they have come; none may be done
            threading.Event().wait(0.01)
        assert not any(each.done() for each in others)
        go_on.set()
        first.result()
        return [each.exception() or each.result() for each in others]


def test_who_comes_meanwhile_shares_one_transaction(world: Any) -> None:
    """Eight writers that wait for a ninth are committed together, each with its own answer."""
    together, commits = Together(world.engine), list[Any]()
    event.listen(world.engine, "commit", commits.append)
    said = _while_one_holds(together, [_count(f"c{n}") for n in range(WRITERS)])
    assert said == [f"c{n}" for n in range(WRITERS)]
    assert len(commits) == 2
    assert _names(world.engine) >= set(said)


def test_one_that_fails_fails_alone(world: Any) -> None:
    """A change that raises is told so; the others of its transaction are made all the same, once each."""

    def bad(conn: Connection) -> None:
        raise ValueError("bad")

    said = _while_one_holds(Together(world.engine), [_count("a"), bad, _count("b")])
    assert said[0] == "a"
    assert isinstance(said[1], ValueError)
    assert said[2] == "b"
    assert _names(world.engine) >= {"a", "b"}


def test_nothing_is_told_as_kept_that_is_not(world: Any) -> None:
    """A transaction that cannot be committed raises for everybody who was in it."""

    def refuse(conn: Any) -> None:
        raise OSError("the disk is full")

    event.listen(world.engine, "commit", refuse)
    with pytest.raises(OSError, match="disk is full"):
        Together(world.engine).write(_count("lost"))
    event.remove(world.engine, "commit", refuse)
    assert "lost" not in _names(world.engine)


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_two_workers_that_wait_for_each_other_both_come_through(world: Any) -> None:
    """What PostgreSQL undoes to end a deadlock is made again, and nobody hears of it."""
    with store.writing(world.engine) as conn:
        for name in ("a", "b"):
            conn.execute(counters.insert().values(name=name, value=0))
    both_hold, made = threading.Barrier(2), list[str]()

    def add(names: str) -> Any:
        def change(conn: Connection) -> None:
            for number, name in enumerate(names):
                conn.execute(update(counters).where(counters.c.name == name).values(value=counters.c.value + 1))
                if number == 0 and names not in made:
                    made.append(names)
                    both_hold.wait(30)

        return change

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(Together(world.engine).write, add(names)) for names in ("ab", "ba")]
        assert [each.exception(60) for each in jobs] == [None, None]
    with store.reading(world.engine) as conn:
        assert list(conn.execute(select(counters.c.value).where(counters.c.name.in_(["a", "b"]))).scalars()) == [2, 2]
