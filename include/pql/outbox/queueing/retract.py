"""Stays that by corrected data had never begun in, deliveries that take back what was said of them out.

Written in the transaction that closes the stays. One of each original, by its key, and one of a table for all its rows
that are taken back at once: doing it again adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, insert, or_, select, update

from pql.outbox.queueing import threads
from pql.outbox.queueing.adding import add, key_of
from pql.store.facts import RETRACTED
from pql.store.instants import to_naive
from pql.store.tables import deliveries, delivery_causes, episodes
from pql.types import DeliveryKind

# What takes which back. A write-back to the CRM is overwritten by the next one; nothing of it is addressed to anybody.
TAKEN_BACK_BY: Mapping[str, DeliveryKind] = {
    "slack": "slack_retract",
    "crm_task": "crm_task_close",
    "webhook": "webhook_retract",
}
ROWS = "rows"  # option of a retraction of rows of a table: which deliveries they stand for
_WHY = "rows of this table were taken back"
_OVER = ("dead", "suppressed")


@dataclass(frozen=True)
class TakenBack:
    """What a retraction queued, and what it stopped because it had not been sent yet."""

    pending: int = 0
    held: int = 0
    suppressed: int = 0


def retract(
    conn: Connection, why: Mapping[int, str], *, run_id: int | None, now: datetime, hold: bool = False
) -> TakenBack:
    """Take back what announced the episodes (id → why), which are closed as retracted; held if `hold`.

    What was not sent yet is suppressed. What was, or may have been, gets a delivery of its own that waits until the
    original is over. A message that also speaks for a stay that stands, or for another event, is left as it is. A table
    that shows any of them gets one delivery more, which strikes out their rows.
    """
    if not why:
        return TakenBack()
    how = _How(run_id, now, hold)
    queued = suppressed = 0
    said = _said(conn, why)
    for row in said:
        reason = why[row.episode_id]
        if _is_unsent(row):
            suppressed += 1
            _suppress(conn, row, reason, now)
        elif row.state not in _OVER and row.kind in TAKEN_BACK_BY:
            queued += _queue(conn, row, reason, how)
    queued += _strike_out(conn, said, how)
    return TakenBack(0 if hold else queued, queued if hold else 0, suppressed)


@dataclass(frozen=True)
class _How:
    """As what a retraction is written."""

    run_id: int | None
    now: datetime
    hold: bool


def retraction_key(key: str) -> str:
    """The idempotency key of what takes back the delivery of that key.

    >>> retraction_key("pql-1") == retraction_key("pql-1") != retraction_key("pql-2")
    True
    """
    return key_of("retract", key)


def _said(conn: Connection, why: Mapping[int, str]) -> list[Row[Any]]:
    """The deliveries of these episodes alone, each once, locked: a worker that claims one has done so by then."""
    cause = delivery_causes.c
    query = (
        select(deliveries, cause.episode_id)
        .join(delivery_causes, cause.delivery_id == deliveries.c.id)
        .where(
            cause.episode_id.in_(sorted(why)),
            deliveries.c.retracts.is_(None),
            ~threads.is_table(deliveries),
            ~_speaks_for_another(),
        )
        .order_by(deliveries.c.id, cause.id)
        .with_for_update(of=deliveries)
    )
    found: dict[int, Row[Any]] = {}
    for row in conn.execute(query):
        found.setdefault(row.id, row)
    return list(found.values())


def _speaks_for_another() -> ColumnElement[bool]:
    """Whether any of a delivery's causes is not an episode that was retracted."""
    cause, stay = delivery_causes.alias("any_cause"), episodes.alias("its_stay")
    is_retracted = exists().where(stay.c.id == cause.c.episode_id, stay.c.close_reason == RETRACTED)
    return exists().where(
        and_(cause.c.delivery_id == deliveries.c.id, or_(cause.c.episode_id.is_(None), ~is_retracted))
    )


def _is_unsent(row: Row[Any]) -> bool:
    return row.state in ("pending", "held") and row.sent_at is None


def _suppress(conn: Connection, row: Row[Any], reason: str, now: datetime) -> None:
    said = f"taken back before it was sent: {reason}"
    values = {"state": "suppressed", "reason": said, "finished_at": to_naive(now)}
    conn.execute(update(deliveries).where(deliveries.c.id == row.id).values(values))


def _queue(conn: Connection, row: Row[Any], reason: str, how: _How) -> bool:
    """Whether it was not there already."""
    kind = TAKEN_BACK_BY[row.kind]
    added = _add(conn, row, kind, retraction_key(row.key), reason, how)
    if added is None:
        return False
    causes = conn.execute(select(delivery_causes).where(delivery_causes.c.delivery_id == row.id))
    conn.execute(insert(delivery_causes), [_cause(each, added, kind) for each in causes])
    return True


def _strike_out(conn: Connection, rows: Sequence[Row[Any]], how: _How) -> int:
    """Queue an edit of each table that shows any of these, or is about to; how many.

    Tables are locked, all that there are since: one that a worker claims later is made without what was stopped. A
    message may have left its table's thread since, and is in the table all the same.
    """
    messages = [row for row in rows if row.kind == "slack"]
    if not messages:
        return 0
    columns = deliveries.c
    tables = select(deliveries).where(
        threads.is_table(deliveries),
        columns.kind == "slack",
        columns.destination.in_({row.destination for row in messages}),
        columns.created_at >= min(row.created_at for row in messages),
        columns.state.not_in(_OVER),
    )
    queued = 0
    for table in conn.execute(tables.order_by(columns.id).with_for_update()).all():
        shown = {id for row in table.options.get("shows", ()) for id in row}
        is_made_anew = table.state != "delivered"
        mine = [row for row in messages if row.id in shown or (is_made_anew and row.thread_of == table.id)]
        if mine and (table.sent_at is not None or table.state == "claimed"):
            key = key_of("strike out", table.key, *sorted(row.key for row in mine))
            only = {ROWS: sorted(row.id for row in mine)}
            queued += _add(conn, table, "slack_retract", key, _WHY, how, only) is not None
    return queued


def _add(
    conn: Connection,
    row: Row[Any],
    kind: DeliveryKind,
    key: str,
    reason: str,
    how: _How,
    more: Mapping[str, Any] | None = None,
) -> int | None:
    return add(
        conn,
        key=key,
        now=how.now,
        hold=how.hold,
        run_id=how.run_id,
        destination=row.destination,
        kind=kind,
        account_key=row.account_key,
        subject_key=row.subject_key,
        lane=row.lane,
        options={"reason": reason, "at": how.now.isoformat(), **(more or {})},
        alert=row.alert,
        retracts=row.id,
    )


def _cause(original: Row[Any], delivery_id: int, kind: str) -> dict[str, Any]:
    index = str(original.action).partition(":")[0]
    values = {name: value for name, value in original._mapping.items() if name != "id"}
    return values | {"delivery_id": delivery_id, "action": f"{index}:{kind}"}
