"""What is due, cut into batches of one destination each, so that Airflow maps over batches and never over accounts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, func, select

from pql.outbox.claims import is_due, waits_for_thread
from pql.store.engine import reading
from pql.store.tables import deliveries

BATCH = 100


def due(engine: Engine, now: datetime, *, batch_size: int = BATCH) -> list[tuple[str, list[int]]]:
    """Return (destination, delivery ids, oldest first) for everything due at `now`.

    A reply, and what takes a delivery back, is listed when the one it follows is finished or is listed with it.
    """
    follows = func.coalesce(deliveries.c.retracts, deliveries.c.thread_of)
    query = (
        select(deliveries.c.id, deliveries.c.destination, follows.label("follows"))
        .where(is_due(now))
        .order_by(deliveries.c.destination, deliveries.c.id)
    )
    parents = select(follows).where(waits_for_thread())
    with reading(engine) as conn:
        rows = conn.execute(query).all()
        unfinished = set(conn.execute(parents).scalars())
    listed: set[int] = set()
    batches: list[tuple[str, list[int]]] = []
    for row in rows:
        if row.follows in unfinished and row.follows not in listed:
            continue
        listed.add(row.id)
        if not batches or batches[-1][0] != row.destination or len(batches[-1][1]) >= batch_size:
            batches.append((row.destination, []))
        batches[-1][1].append(row.id)
    return batches
