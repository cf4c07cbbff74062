"""Writes of several threads in, one transaction for as many as are waiting out: each returns once it is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pql.store.engine import MOST_UNDONE, was_deadlock, writing

T = TypeVar("T")
Change = Callable[[Connection], T]


@dataclass(eq=False)
class _Write:
    change: Change[Any]
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class Together:
    """The writes of one drain. Who comes while a transaction is being committed waits and joins the next one.

    Nobody's change is reported as made before the transaction that holds it is committed, so it is as durable as one
    of its own; a ledger that has one writer at a time, and a disk that takes its time, are asked less often.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[_Write] = []
        self._guard = threading.Lock()  # of the list
        self._writing = threading.Lock()

    def write(self, change: Change[T]) -> T:
        """Make the change and return what it returns, once it is committed; raises what it raises.

        A change may be made twice (when another's failure or a deadlock undid the transaction): it must only write to
        the ledger.
        """
        mine = _Write(change)
        with self._guard:
            self._waiting.append(mine)
        with self._writing:
            if not mine.done:
                with self._guard:
                    taken, self._waiting = self._waiting, []
                self._commit(taken)
        if mine.error is not None:
            raise mine.error
        return cast(T, mine.result)

    def _commit(self, taken: list[_Write]) -> None:
        try:
            results = self._made(taken)
        except Exception as error:
            if len(taken) > 1:  # one bad change must not fail the others
                for each in taken:
                    self._commit([each])
                return
            taken[0].error, taken[0].done = error, True
        except BaseException as error:
            for each in taken:
                each.error, each.done = error, True
        else:
            for each, result in zip(taken, results, strict=True):
                each.result, each.done = result, True

    def _made(self, taken: list[_Write]) -> list[Any]:
        """The results of one transaction; made again where the database undid it for another's sake."""
        for _ in range(MOST_UNDONE):
            try:
                return self._once(taken)
            except DBAPIError as error:
                if not was_deadlock(error):
                    raise
        return self._once(taken)

    def _once(self, taken: list[_Write]) -> list[Any]:
        with writing(self._engine) as conn:
            return [each.change(conn) for each in taken]
