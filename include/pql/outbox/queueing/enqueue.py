"""Merged intents in, delivery rows out, in the transaction that opened their episodes; doing it again adds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, tuple_, update

from pql.outbox.queueing import follow_ups, threads
from pql.outbox.queueing.adding import add, key_of
from pql.outbox.queueing.rhythm import Rhythm, Wait
from pql.plays.model import Cause, Merged
from pql.store.decisions import Applied
from pql.store.instants import to_naive
from pql.store.tables import deliveries, delivery_causes, episodes, occurrences


@dataclass(frozen=True)
class Queued:
    """How many deliveries an enqueueing added, and how many were there already."""

    pending: int = 0
    held: int = 0
    existing: int = 0


def enqueue(
    conn: Connection,
    merged: Iterable[Merged],
    applied: Applied,
    *,
    run_id: int | None,
    now: datetime,
    hold: bool = False,
    rhythm: Rhythm | None = None,
) -> Queued:
    """Write one delivery for each merged intent, held if `hold` (the storm cap), else due when `rhythm` says, or now.

    What waits for a digest or for working hours is gathered then (`outbox.digest`); so are at once the messages about
    more than `rhythm.table_above` accounts to one lane.

    A (episode or occurrence, play, action, destination) that has a delivery gets no second one. What happens later in
    an announced stay goes into the thread of its first Slack message there; any other message to an account and channel
    that got one less than 24 hours ago goes into that one's thread (SEM-D5). `applied` knows the
    episodes and occurrences behind the causes; a cause it does not know raises LookupError.
    """
    rhythm = rhythm or Rhythm()
    added: list[int] = []
    existing = 0
    for each in merged:
        fresh = _without_known(conn, each, applied)
        wait = None if hold else rhythm.wait(each.kind, each.options, each.alert, now)
        new = _insert(conn, each, fresh, applied, run_id=run_id, now=now, hold=hold, wait=wait) if fresh else None
        added += [new] if new is not None else []
        existing += new is None
    if hold:
        return Queued(held=len(added), existing=existing)
    _gather_crowds(conn, added, rhythm.table_above, now)
    return Queued(pending=len(added), existing=existing)


def delivery_key(cause: Cause, destination: str, opened_as_of: datetime) -> str:
    """Return the idempotency key that travels with every attempt: "pql-" and 40 hex digits.

    It depends on what the delivery is about and on no row number, so a ledger made anew (a replay, a second
    project) neither takes over another's CRM task nor sends its own twice.

    >>> cause = Cause("new-business", "episode", "org:1", "ping", "0:slack")
    >>> delivery_key(cause, "slack", datetime(2026, 1, 1)) == delivery_key(cause, "slack", datetime(2026, 1, 2))
    False
    """
    return key_of(
        cause.definition,
        cause.of,
        cause.subject_key,
        opened_as_of.isoformat(),
        cause.play,
        cause.action,
        destination,
    )


def _without_known(conn: Connection, merged: Merged, applied: Applied) -> list[Cause]:
    """Return the causes that have no delivery yet, the one that speaks first."""
    columns = delivery_causes.c
    effects = [(_name(each, applied), each.play, each.action, merged.destination) for each in merged.causes]
    known = conn.execute(
        select(columns.cause, columns.play, columns.action, columns.destination).where(
            tuple_(columns.cause, columns.play, columns.action, columns.destination).in_(effects)
        )
    )
    taken = {tuple(row) for row in known}
    fresh = {effect: cause for effect, cause in zip(effects, merged.causes, strict=True) if effect not in taken}
    return list(fresh.values())


def _name(cause: Cause, applied: Applied) -> str:
    return f"{cause.of}:{applied.id_of(cause)}"


def _insert(
    conn: Connection,
    merged: Merged,
    causes: list[Cause],
    applied: Applied,
    *,
    run_id: int | None,
    now: datetime,
    hold: bool,
    wait: Wait | None,
) -> int | None:
    """The new delivery's id; None if its effect was written before."""
    key = delivery_key(causes[0], merged.destination, _opened_as_of(conn, causes[0], applied))
    delivery_id = add(
        conn,
        key=key,
        now=now,
        hold=hold,
        run_id=run_id,
        destination=merged.destination,
        kind=merged.kind,
        account_key=merged.account_key,
        subject_key=merged.subject_key,
        lane=merged.lane,
        options=dict(merged.options),
        alert=asdict(merged.alert),
        thread_of=_thread(conn, merged, causes, applied, now) if wait is None else None,  # found when it is gathered
        not_before=to_naive(wait.until if wait else now),
        gather_at=to_naive(wait.until if wait else None),
        reason=wait.why if wait else None,
    )
    if delivery_id is None:  # the same effect under another row number: it was sent before its key was carried
        return None
    conn.execute(insert(delivery_causes), [_cause_row(each, merged, applied, delivery_id) for each in causes])
    return delivery_id


def _gather_crowds(conn: Connection, added: list[int], above: int | None, now: datetime) -> None:
    """Let what is due at once be gathered first where it is about more than `above` accounts in one lane."""
    if above is None or len(added) <= above:
        return
    columns = deliveries.c
    due_now = [columns.id.in_(added), columns.kind == "slack", columns.gather_at.is_(None), columns.thread_of.is_(None)]
    crowds = (
        select(columns.destination, columns.lane)
        .where(*due_now)
        .group_by(columns.destination, columns.lane)
        .having(func.count(columns.account_key.distinct()) > above)
    )
    for destination, lane in conn.execute(crowds).all():
        there = [columns.destination == destination, columns.lane == lane]
        conn.execute(update(deliveries).where(*due_now, *there).values(gather_at=to_naive(now)))


def _thread(conn: Connection, merged: Merged, causes: list[Cause], applied: Applied, now: datetime) -> int | None:
    """What it answers under: a follow-up under its stay's first message, anything else under one of the last day."""
    said_in: dict[str, Any] = {"destination": merged.destination, "kind": merged.kind, "lane": merged.lane}
    is_follow_up = merged.options.get("how") != "digest" and all(each.of == "occurrence" for each in causes)
    happened = [applied.id_of(each) for each in causes] if is_follow_up else []
    first = follow_ups.first_message(conn, happened, **said_in)
    return threads.parent(conn, account_key=merged.account_key, **said_in, now=now) if first is None else first


def _cause_row(cause: Cause, merged: Merged, applied: Applied, delivery_id: int) -> Mapping[str, Any]:
    row_id = applied.id_of(cause)
    return {
        "delivery_id": delivery_id,
        "episode_id": row_id if cause.of == "episode" else None,
        "occurrence_id": row_id if cause.of == "occurrence" else None,
        "cause": _name(cause, applied),
        "definition": cause.definition,
        "play": cause.play,
        "action": cause.action,
        "destination": merged.destination,
    }


def _opened_as_of(conn: Connection, cause: Cause, applied: Applied) -> datetime:
    table = episodes if cause.of == "episode" else occurrences
    found: datetime = conn.execute(select(table.c.opened_as_of).where(table.c.id == applied.id_of(cause))).scalar_one()
    return found
