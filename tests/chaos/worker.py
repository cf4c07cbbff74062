"""One life of a worker of a soak: a pipe to the conductor's clock in, drains of the outbox until it is killed out."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from mmap import ACCESS_READ, mmap
from multiprocessing.connection import Connection
from pathlib import Path
from struct import unpack
from threading import Lock
from typing import Any
from zlib import crc32

from sqlalchemy import Engine, select
from tests.chaos.plan import T0, Life

from pql import outbox, store
from pql.connections import from_environment
from pql.destinations import build
from pql.outbox import Claim
from pql.outbox.sending.owners import at_work
from pql.sandbox import connections
from pql.settings import Settings
from pql.store.tables import deliveries
from pql.types import Destination, Order

UNKNOWN_FOR = timedelta(minutes=20)  # so long the CRM cannot say whether some may be sent


@dataclass(frozen=True)
class Post:
    """Where a worker works."""

    ledger: str
    sandbox: str
    settings: Settings
    dial: Path  # the simulated clock: eight bytes, seconds since T0
    left: Path  # what leaves is noted here, a line of JSON each
    seed: int


class SimulatedClock:
    """The conductor's clock as a worker sees it: it stands still while the worker is at work and moves as it sleeps.

    Told through the pipe: until when the worker sleeps, None when it rests until there is something to do.
    """

    def __init__(self, pipe: Connection, dial: Path) -> None:
        self._pipe = pipe
        with dial.open("rb") as file:
            self._dial = mmap(file.fileno(), 8, access=ACCESS_READ)
        pipe.recv()

    def __call__(self) -> datetime:
        return T0 + timedelta(seconds=self._now_s)

    @property
    def _now_s(self) -> float:
        return float(unpack("d", self._dial[:8])[0])

    def sleep(self, seconds: float) -> None:
        """Return when the clock has moved so far."""
        self._pipe.send(self._now_s + seconds)
        self._pipe.recv()

    def rest(self) -> None:
        """Return when there is something to do again."""
        self._pipe.send(None)
        self._pipe.recv()

    def freeze(self, seconds: float) -> None:
        """Stop this process, all its threads, wherever they are; the conductor lets it go on after so long."""
        self._pipe.send(("frozen", self._now_s + seconds))
        os.kill(os.getpid(), signal.SIGSTOP)


def live(pipe: Connection, post: Post, life: Life, number: str) -> None:
    """Deliver what is due, rest, and again, until the life ends."""
    clock = SimulatedClock(pipe, post.dial)
    engine = store.connect(post.ledger)
    boundary = _Boundaries(life, clock)
    elsewhere = nullcontext(f"elsewhere|{os.getpid()}|0|{number}")
    with at_work() if life.machine == "this" else elsewhere as owner:
        found = from_environment(connections(post.sandbox))
        destinations = {name: build(name, post.settings, found) for name in post.settings.destinations}
        for each in destinations.values():
            _watch(each, engine, post.left, owner)
        while True:
            outbox.deliver(
                engine,
                destinations,
                recheck=lambda claim: _recheck(claim, clock(), post.seed),
                clock=clock,
                sleep=clock.sleep,
                owner=owner,
                boundary=boundary,
            )
            clock.rest()


class _Boundaries:
    """Dies, or freezes, where the plan says so."""

    def __init__(self, life: Life, clock: SimulatedClock) -> None:
        self._life, self._clock = life, clock
        self._lock = Lock()  # several threads of a worker pass boundaries
        self._passed = 0
        self._frozen = not life.frozen_at

    def __call__(self, name: str) -> None:
        with self._lock:
            self._passed += name == self._life.boundary
            dies = self._life.dies == "boundary" and self._passed >= self._life.passings
            freezes = not self._frozen and name == self._life.frozen_at
            self._frozen = self._frozen or freezes
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        if freezes:
            self._clock.freeze(self._life.frozen_s)


def _recheck(claim: Claim, now: datetime, seed: int) -> str | None:
    """One in fifty is objected to; of one in thirty the CRM cannot say for a while."""
    number = crc32(f"{seed}|{claim.key}".encode())
    if number % 50 == 0:
        return "a colleague is closing it"
    if number % 30 == 1 and now < claim.created_at + UNKNOWN_FOR:
        raise ConnectionError("the CRM cannot be asked")
    return None


def _watch(destination: Destination, engine: Engine, path: Path, worker: str) -> None:
    """Note of everything that leaves what the ledger says of it at that moment."""

    def noting(send: Callable[[Any], Any], orders: Callable[[Any], Sequence[Order]]) -> Callable[[Any], Any]:
        def watched(given: Any) -> Any:
            _note(engine, path, worker, [order.key for order in orders(given)])
            return send(given)

        return watched

    changed: Any = destination  # its class knows nothing of being watched
    if hasattr(destination, "send_many"):
        changed.send_many = noting(destination.send_many, lambda orders: orders)
    changed.send = noting(destination.send, lambda order: [order])


def _note(engine: Engine, path: Path, worker: str, keys: Sequence[str]) -> None:
    query = select(deliveries.c.key, deliveries.c.state, deliveries.c.lease_owner).where(deliveries.c.key.in_(keys))
    with store.reading(engine) as conn:
        lines = [json.dumps([row.key, worker, row.state, row.lease_owner]) for row in conn.execute(query)]
    with path.open("ab") as file:  # one write, appended whole whoever else appends
        file.write("".join(f"{line}\n" for line in lines).encode())
