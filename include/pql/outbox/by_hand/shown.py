"""One delivery with everything the ledger knows of it: why it exists, what it says, what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from pql.destinations.said import said
from pql.outbox.by_hand.acts import Delivery, as_delivery
from pql.outbox.sending.owners import is_alive
from pql.store.instants import to_aware
from pql.store.tables import deliveries, delivery_causes, episodes, occurrences, runs
from pql.types import Order


@dataclass(frozen=True)
class Why:
    """One episode or occurrence behind the delivery."""

    cause: str  # "episode:12"
    definition: str
    play: str
    action: str
    subject_key: str
    opened_as_of: datetime
    opened_run: int | None
    closed_as_of: datetime | None
    close_reason: str | None  # of an episode that has ended


@dataclass(frozen=True)
class Lease:
    """Who has it, and until when."""

    owner: str
    until: datetime | None
    is_at_work: bool  # seen to run on this machine; another machine's workers cannot be seen
    fence: int


@dataclass(frozen=True)
class Shown:
    """A delivery as `pql deliveries show` tells it."""

    delivery: Delivery
    options: Mapping[str, Any]
    lease: Lease | None
    causes: tuple[Why, ...]
    said: str
    history: tuple[tuple[datetime, str], ...]  # oldest first: what the ledger kept of when
    answers: tuple[int, ...]  # deliveries that answer under it


def shown(conn: Connection, id: int) -> Shown | None:
    """Return everything about the delivery of that number, None if there is none."""
    row = conn.execute(select(deliveries).where(deliveries.c.id == id)).first()
    if row is None:
        return None
    delivery, causes = as_delivery(row), _causes(conn, id)
    thread = _receipt(conn, delivery.thread_of)
    order = Order(id, row.key, row.kind, row.options, delivery.alert, thread, row.attempt)
    answers = conn.execute(select(deliveries.c.id).where(deliveries.c.thread_of == id).order_by(deliveries.c.id))
    return Shown(
        delivery=delivery,
        options=row.options,
        lease=_lease(row),
        causes=causes,
        said=said(order),
        history=tuple(sorted(_history(conn, delivery, causes), key=lambda each: each[0])),
        answers=tuple(answers.scalars()),
    )


def _receipt(conn: Connection, id: int | None) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = conn.execute(select(deliveries.c.receipt).where(deliveries.c.id == id)).scalar()
    return found


def _lease(row: Row[Any]) -> Lease | None:
    if row.lease_owner is None:
        return None
    return Lease(row.lease_owner, to_aware(row.lease_until), is_alive(row.lease_owner), row.fence)


def _causes(conn: Connection, id: int) -> tuple[Why, ...]:
    table = delivery_causes.outerjoin(episodes, episodes.c.id == delivery_causes.c.episode_id).outerjoin(
        occurrences, occurrences.c.id == delivery_causes.c.occurrence_id
    )
    names = ("subject_key", "opened_as_of", "opened_run", "closed_as_of")
    either = [func.coalesce(episodes.c[name], occurrences.c[name]).label(name) for name in names]
    query = (
        select(delivery_causes, *either, episodes.c.close_reason)
        .select_from(table)
        .where(delivery_causes.c.delivery_id == id)
        .order_by(delivery_causes.c.id)
    )
    return tuple(
        Why(
            row.cause,
            row.definition,
            row.play,
            row.action,
            row.subject_key,
            to_aware(row.opened_as_of),
            row.opened_run,
            to_aware(row.closed_as_of),
            row.close_reason,
        )
        for row in conn.execute(query)
    )


def _history(conn: Connection, one: Delivery, causes: tuple[Why, ...]) -> Iterator[tuple[datetime, str]]:
    for why in causes:
        yield why.opened_as_of, f"{why.cause} opened ({why.definition}, play {why.play})"
        if why.closed_as_of:
            yield why.closed_as_of, f"{why.cause} ended" + (f": {why.close_reason}" if why.close_reason else "")
    kind = conn.execute(select(runs.c.kind).where(runs.c.id == one.run_id)).scalar()
    yield one.created_at, f"queued by run {one.run_id} ({kind})" if one.run_id else "queued by hand"
    if one.sent_at:
        yield one.sent_at, "the request left" if one.state == "delivered" else "a request left that may have arrived"
    if one.finished_at:
        yield one.finished_at, one.state
    elif one.state in ("pending", "ambiguous") and one.not_before > one.created_at:
        yield one.not_before, "next attempt"
