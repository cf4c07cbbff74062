"""What a person may do to deliveries: look at them, release or suppress what is held, retry what is dead."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select, update

from pql.outbox.queueing import threads
from pql.plays.model import load_alert
from pql.store.instants import to_aware, to_naive
from pql.store.tables import deliveries
from pql.types import Alert

AT_REST = ("pending", "held", "ambiguous", "dead")  # in nobody's hands and not over
RETRYABLE = ("pending", "ambiguous", "dead", "suppressed")
_SAID = ("account_name", "headline", "owner_email")  # of what an alert says, what one searches for


@dataclass(frozen=True)
class Delivery:
    """One delivery with its receipt or its reason, as lists and pages show it."""

    id: int
    key: str
    run_id: int | None
    destination: str
    kind: str
    account_key: str
    subject_key: str
    lane: str
    state: str
    created_at: datetime
    not_before: datetime
    attempt: int
    sent_at: datetime | None
    finished_at: datetime | None
    thread_of: int | None
    receipt: Mapping[str, Any] | None
    reason: str | None
    alert: Alert


def list_deliveries(
    conn: Connection,
    *,
    states: Collection[str] = (),
    account_key: str | None = None,
    destination: str | None = None,
    run_id: int | None = None,
    ids: Collection[int] | None = None,
    since: datetime | None = None,
    search: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[Delivery, ...]:
    """Return the deliveries that match everything given, the newest first; the first `offset` are left out.

    `since`: queued then or later. `search`: part of the account's name or key, of the headline, owner, place, reason
    or delivery key, in any case.
    """
    query = select(deliveries).order_by(deliveries.c.id.desc()).limit(limit).offset(offset)
    if states:
        query = query.where(deliveries.c.state.in_(sorted(states)))
    if ids is not None:
        query = query.where(deliveries.c.id.in_(sorted(ids)))
    if since is not None:
        query = query.where(deliveries.c.created_at >= to_naive(since))
    if search:
        query = query.where(_says(search))
    wanted = {"account_key": account_key, "destination": destination, "run_id": run_id}
    for name, value in wanted.items():
        if value is not None:
            query = query.where(deliveries.c[name] == value)
    return tuple(as_delivery(row) for row in conn.execute(query))


def _says(text: str) -> ColumnElement[bool]:
    columns = deliveries.c
    places = [columns.account_key, columns.lane, columns.reason, columns.key]
    places += [columns.alert[name].as_string() for name in _SAID]
    return or_(*(place.icontains(text, autoescape=True) for place in places))


def list_held(conn: Connection, *, run_id: int | None = None) -> tuple[Delivery, ...]:
    """Return what the storm cap holds (of one run, if given), the highest score first."""
    held = list_deliveries(conn, states=("held",), run_id=run_id)
    return tuple(sorted(held, key=lambda each: (-each.alert.score, each.id)))


def release_held(
    conn: Connection, *, now: datetime, ids: Collection[int] | None = None, run_id: int | None = None
) -> int:
    """Make held deliveries due: those of `ids`, else of `run_id`, else all; return how many.

    What each answers under is found anew: the message of the day it was held on may be long past (SEM-D5).
    """
    wanted = [deliveries.c.state == "held"]
    if ids is not None:
        wanted.append(deliveries.c.id.in_(sorted(ids)))
    if run_id is not None:
        wanted.append(deliveries.c.run_id == run_id)
    rows = conn.execute(select(deliveries).where(*wanted).order_by(deliveries.c.id).with_for_update()).all()
    for row in rows:  # one by one: the first of an account is what the others answer under
        thread_of = threads.parent_of(conn, row, now=now)
        _change(conn, [deliveries.c.id == row.id], state="pending", not_before=to_naive(now), thread_of=thread_of)
    return len(rows)


def suppress(conn: Connection, ids: Collection[int], *, reason: str, now: datetime) -> int:
    """Stop deliveries for good, with the reason; return how many. Those on their way or over are left alone.

    With a table goes what waits to stand in its thread: else each of its messages would come by itself.
    """
    wanted = [deliveries.c.id.in_(sorted({*ids, *listed_under(conn, ids)})), deliveries.c.state.in_(AT_REST)]
    return _change(conn, wanted, state="suppressed", reason=reason, finished_at=to_naive(now))


def listed_under(conn: Connection, ids: Collection[int]) -> tuple[int, ...]:
    """Return what waits, unsent, for those tables among `ids` that nobody has in hand and that have not gone out."""
    table = deliveries.alias("listed_in")
    query = (
        select(deliveries.c.id)
        .join(table, table.c.id == deliveries.c.thread_of)
        .where(table.c.id.in_(sorted(ids)), threads.is_table(table), table.c.state.in_(AT_REST))
        .where(deliveries.c.state == "pending", deliveries.c.sent_at.is_(None))
    )
    return tuple(conn.execute(query).scalars())


def retry(conn: Connection, ids: Collection[int], *, now: datetime) -> int:
    """Make dead, suppressed and waiting deliveries due, with all attempts before them again; return how many.

    What may have been sent keeps that note and is looked for first.
    """
    wanted = [deliveries.c.id.in_(sorted(ids)), deliveries.c.state.in_(RETRYABLE)]
    due = {"state": "pending", "not_before": to_naive(now), "gather_at": None}
    return _change(conn, wanted, **due, attempt=0, finished_at=None, reason=None)


def _change(conn: Connection, wanted: Sequence[ColumnElement[bool]], **values: Any) -> int:
    return conn.execute(update(deliveries).where(*wanted).values(values)).rowcount


def as_delivery(row: Row[Any]) -> Delivery:
    """Return the row as lists and pages show it."""
    return Delivery(
        id=row.id,
        key=row.key,
        run_id=row.run_id,
        destination=row.destination,
        kind=row.kind,
        account_key=row.account_key,
        subject_key=row.subject_key,
        lane=row.lane,
        state=row.state,
        created_at=to_aware(row.created_at),
        not_before=to_aware(row.not_before),
        attempt=row.attempt,
        sent_at=to_aware(row.sent_at),
        finished_at=to_aware(row.finished_at),
        thread_of=row.thread_of,
        receipt=row.receipt,
        reason=row.reason,
        alert=load_alert(row.alert),
    )
