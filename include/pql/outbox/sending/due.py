"""What is due, cut into batches of one destination each, so that Airflow maps over batches and never over accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Engine, func, select

from pql.outbox.sending.claims import is_due, waits_for_thread
from pql.store.engine import reading
from pql.store.tables import deliveries

BATCH = 100


def due(engine: Engine, now: datetime, *, batch_size: int = BATCH) -> list[tuple[str, list[int]]]:
    """Return (destination, delivery ids, oldest first) for everything due at `now`.

    A reply, and what takes a delivery back, is listed when the one it follows is finished or is listed with it: then
    both are in one batch, however many follow. What waits to be gathered is not due (`outbox.gather_waiting`).
    """
    follows = func.coalesce(deliveries.c.retracts, deliveries.c.thread_of)
    query = select(deliveries.c.id, deliveries.c.destination, follows.label("follows")).where(is_due(now))
    with reading(engine) as conn:
        rows = conn.execute(query).all()
        waiting = set(conn.execute(select(deliveries.c.id).where(is_due(now), waits_for_thread())).scalars())
    first = _first_ones({row.id: row.follows for row in rows})
    listed: set[int] = set()
    batches: list[tuple[str, list[int]]] = []
    last = 0
    for row in sorted(rows, key=lambda row: (row.destination, first[row.id], row.id != first[row.id], row.id)):
        if row.id in waiting and row.follows not in listed:
            continue
        listed.add(row.id)
        is_full = bool(batches) and len(batches[-1][1]) >= batch_size and first[row.id] != last
        if not batches or batches[-1][0] != row.destination or is_full:
            batches.append((row.destination, []))
        batches[-1][1].append(row.id)
        last = first[row.id]
    return batches


def _first_ones(follows: Mapping[int, int | None]) -> dict[int, int]:
    """For each due delivery the one that has to go before it, if that is due as well; else itself."""
    return {each: each if before not in follows or before is None else before for each, before in follows.items()}
