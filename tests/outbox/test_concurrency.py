"""Several processes at one outbox: every row is claimed once, every effect happens once."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from pql import outbox, store
from pql.outbox.sending.claims import claim
from pql.store.instants import to_naive
from pql.store.tables import deliveries
from pql.types import Order, Result

PROCESSES = 4
ROWS = 120


def _fill(world: Any) -> None:
    world.qualifies("org:0")
    with store.writing(world.engine) as conn:
        conn.execute(
            insert(deliveries),
            [
                {
                    "key": f"key-{number}",
                    "destination": "remote",
                    "kind": "slack",
                    "account_key": f"org:{number}",
                    "subject_key": f"org:{number}",
                    "lane": "slack:#pql",
                    "options": {},
                    "alert": {**vars(world.only().alert), "reasons": [], "champions": []},
                    "state": "pending",
                    "created_at": to_naive(world.clock()),
                    "not_before": to_naive(world.clock()),
                }
                for number in range(1, ROWS)
            ],
        )
    world.engine.dispose()


def _claim_all(url: str, now: Any) -> list[int]:
    engine = store.connect(url)
    mine: list[int] = []
    while True:
        with store.writing(engine) as conn:
            got = claim(conn, "remote", owner=str(os.getpid()), now=now, limit=3)
        if not got:
            engine.dispose()
            return mine
        mine += [each.id for each in got]


class _Log:
    """A destination that appends each effect to a file, as other processes do."""

    kind = "slack"
    quiet_s = 0.0
    pace = None

    def __init__(self, path: str) -> None:
        self.path = path

    def send(self, order: Order) -> Result:
        with open(self.path, "a") as log:
            log.write(f"{order.key}\n")
        return Result("delivered", {})

    def find(self, order: Order) -> Result:
        raise AssertionError(f"nothing was ambiguous, and yet {order.key} was looked for")


def _drain(url: str, now: Any, path: str) -> int:
    engine = store.connect(url)
    report = outbox.deliver(
        engine, {"remote": _Log(path)}, recheck=lambda _: None, clock=lambda: now, sleep=lambda _: None
    )
    engine.dispose()
    return report.states.get("delivered", 0)


def _processes() -> ProcessPoolExecutor:
    # fork: a spawned process could not import this file, tests are no package
    return ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("fork"))


def test_no_row_is_claimed_twice(world: Any, ledger_url: str) -> None:
    """Four processes that claim from one outbox share the rows among them: none twice, none forgotten."""
    _fill(world)
    with _processes() as pool:
        claimed = [
            row for part in pool.map(_claim_all, [ledger_url] * PROCESSES, [world.clock()] * PROCESSES) for row in part
        ]
    assert len(claimed) == len(set(claimed)) == ROWS


def test_four_workers_send_everything_once(world: Any, ledger_url: str, tmp_path: Path) -> None:
    """Four processes draining one outbox at once have each effect exactly once."""
    _fill(world)
    log = tmp_path / "effects"
    with _processes() as pool:
        counts = list(pool.map(_drain, [ledger_url] * PROCESSES, [world.clock()] * PROCESSES, [str(log)] * PROCESSES))
    effects = Counter(log.read_text().split())
    assert set(effects.values()) == {1}
    assert sum(counts) == len(effects) == ROWS
    assert {each.state for each in world.all()} == {"delivered"}
