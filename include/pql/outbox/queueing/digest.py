"""Many messages to one channel in, one table with the messages in its thread out: a digest instead of a flood.

The table is a delivery of its own, written here and made only when it is sent (`outbox.listing`), of what may then
still be said. The gathered messages answer under it, each with its own key, check and receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, exists, select, update

from pql.outbox.queueing import threads
from pql.outbox.queueing.adding import add, key_of
from pql.outbox.queueing.rhythm import Rhythm
from pql.plays.model import load_alert
from pql.store.engine import reading, writing
from pql.store.instants import to_naive
from pql.store.tables import deliveries
from pql.types import Alert

MANY = "Many at once"
DIGEST = "Digest"
_FEWEST = 2  # accounts in a table; one is told of by its own message

Rows = Sequence[Row[Any]]


def gather(conn: Connection, delivery_ids: Collection[int], *, now: datetime, title: str) -> tuple[int, ...]:
    """Put unsent Slack messages (held or pending) under one table per lane, make all due; return the tables' ids.

    What else is among the ids is left alone. A message whose account was already told of in that channel within 24
    hours answers there (SEM-D5) and stands in no table, nor does one that would stand in it alone: both are made due
    by themselves. Doing it again adds nothing and returns the same.
    """
    wanted = [deliveries.c.id.in_(sorted(delivery_ids)), deliveries.c.state.in_(("held", "pending"))]
    rows = _unsent(conn, wanted)
    hung = {row.thread_of for row in rows if row.state == "pending" and row.thread_of is not None}
    loose = [row for row in rows if row.state == "held" or row.thread_of is None]
    new = _by_lane(conn, loose, lambda fresh: (fresh, title), now)
    return tuple(sorted({*new, *_tables_among(conn, hung)}))


def gather_waiting(engine: Engine, rhythm: Rhythm, *, now: datetime) -> tuple[int, ...]:
    """`gather_due` in a transaction of its own; nothing is locked while nothing has waited for this moment."""
    with reading(engine) as conn:
        if not conn.execute(select(exists().where(*_waited(now)))).scalar():
            return ()
    with writing(engine) as conn:
        return gather_due(conn, rhythm, now=now)


def gather_due(conn: Connection, rhythm: Rhythm, *, now: datetime) -> tuple[int, ...]:
    """Gather what has waited for this moment, all of it made due; return the ids of the new tables.

    A lane with more accounts than `rhythm.table_above` gets one table of all of them; else those of a digest share one
    if they are at least two, and the others go as they are. Safe with several workers: whoever comes second finds
    nothing left to gather.
    """
    digest_title = f"{DIGEST} of {now.astimezone(rhythm.zone):%Y-%m-%d}"

    def chosen(fresh: Rows) -> tuple[Rows, str]:
        digests = [row for row in fresh if row.options.get("how") == "digest"]
        if rhythm.table_above is None or _accounts(fresh) <= rhythm.table_above:
            return digests, digest_title
        return fresh, digest_title if len(digests) == len(fresh) else MANY

    return tuple(_by_lane(conn, _unsent(conn, _waited(now)), chosen, now))


def _waited(now: datetime) -> list[ColumnElement[bool]]:
    return [deliveries.c.gather_at <= to_naive(now), deliveries.c.state == "pending"]


def _unsent(conn: Connection, wanted: Sequence[ColumnElement[bool]]) -> Rows:
    """The rows, locked: a second worker waits here, and then finds them gathered."""
    unsent = [deliveries.c.kind == "slack", deliveries.c.sent_at.is_(None)]
    return conn.execute(select(deliveries).where(*wanted, *unsent).order_by(deliveries.c.id).with_for_update()).all()


def _by_lane(conn: Connection, rows: Rows, chosen: Callable[[Rows], tuple[Rows, str]], now: datetime) -> list[int]:
    """Make the rows due, lane by lane, those that are `chosen` under a table of that title; the tables' ids."""
    tables = []
    _mark(conn, rows, gather_at=to_naive(now))  # nobody answers under what is not settled yet
    by_lane = sorted(rows, key=lambda row: (row.destination, row.lane, row.id))
    for (_, lane), group in groupby(by_lane, key=lambda row: (row.destination, row.lane)):
        fresh = [row for row in group if not _answers(conn, row, now)]
        listed, title = chosen(fresh)
        options = _address(lane, listed)
        if options is None or _accounts(listed) < _FEWEST:
            listed = []
        else:
            tables.append(_table(conn, listed, options, title, now))
            _release(conn, listed, tables[-1], now)
        gathered = {row.id for row in listed}
        for row in fresh:  # one by one: the first of an account is what its others answer under
            if row.id not in gathered:
                _release(conn, [row], threads.parent_of(conn, row, now=now), now)
    return tables


def _accounts(rows: Rows) -> int:
    return len({row.account_key for row in rows})


def _answers(conn: Connection, row: Row[Any], now: datetime) -> bool:
    """Whether the account was told of lately, so that the message goes into that thread; if so it is made due there."""
    parent = threads.parent_of(conn, row, now=now)
    if parent is not None:
        _release(conn, [row], parent, now)
    return parent is not None


def _release(conn: Connection, rows: Rows, thread_of: int | None, now: datetime) -> None:
    at = to_naive(now)
    _mark(conn, rows, state="pending", not_before=at, gather_at=None, thread_of=thread_of, reason=None)


def _mark(conn: Connection, rows: Rows, **values: Any) -> None:
    conn.execute(update(deliveries).where(deliveries.c.id.in_([row.id for row in rows])).values(values))


def _address(lane: str, rows: Rows) -> dict[str, Any] | None:
    """Where the table goes, as options of a Slack action; None where there is nobody to send it to."""
    said: dict[str, Any] = {"table": True}
    if rows and all(row.options.get("hours") == "any" for row in rows):
        said["hours"] = "any"
    name = lane.removeprefix("slack:")
    person = name.removeprefix("dm:")
    if person == name:
        return {**said, "channel": name}
    if "@" not in person:
        return None
    channel = next((row.options["channel"] for row in rows if row.options.get("channel")), "")
    instead = {"channel": channel} if channel and not str(channel).startswith("dm:") else {}
    return {**said, "dm": person, **instead}


def _table(conn: Connection, rows: Rows, options: dict[str, Any], title: str, now: datetime) -> int:
    first = rows[0]
    key = _key(first.destination, first.lane, [row.key for row in rows])
    runs = {row.run_id for row in rows}
    about = f"{threads.TABLE}{first.lane}"[:400]
    added = add(
        conn,
        key=key,
        now=now,
        run_id=runs.pop() if len(runs) == 1 else None,
        destination=first.destination,
        kind="slack",
        account_key=about,
        subject_key=about,
        lane=first.lane,
        options=options,
        alert=asdict(_alert([load_alert(row.alert) for row in rows], title, about, now)),
    )
    if added is not None:
        return added
    found: int = conn.execute(select(deliveries.c.id).where(deliveries.c.key == key)).scalar_one()
    return found


def _key(destination: str, lane: str, members: Sequence[str]) -> str:
    """The table's idempotency key: of what it lists and where, so that gathering the same again makes no second one."""
    return key_of(threads.TABLE, destination, lane, *sorted(members))


def _alert(listed: Sequence[Alert], title: str, about: str, now: datetime) -> Alert:
    """What the table says of itself, "Digest of 2026-03-09: 12 accounts"; whom it lists is found when it is sent."""
    return Alert(
        headline=f"{len({alert.account_key for alert in listed})} accounts",
        definitions=tuple(dict.fromkeys(name for alert in listed for name in alert.definitions)),
        titles=tuple(dict.fromkeys(name for alert in listed for name in alert.titles)),
        subject_key=about,
        account_key=about,
        account_name=title,
        as_of=now.isoformat(),
        score=max(alert.score for alert in listed),
        activation_pct=None,
        grade="",
        grade_10=0,
    )


def _tables_among(conn: Connection, ids: Collection[int]) -> list[int]:
    query = select(deliveries.c.id).where(deliveries.c.id.in_(sorted(ids)), threads.is_table(deliveries))
    return list(conn.execute(query).scalars())
