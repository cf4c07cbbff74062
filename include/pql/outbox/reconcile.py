"""Every decision without exactly one effect and every effect without a decision: ledger and readers in, findings out.

What is on its way is no finding: the ledger is read before and after the destinations, and a delivery counts by what it
is afterwards. Where a place could not be read nothing follows from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Row, and_, exists, func, or_, select

from pql.outbox.queueing.rhythm import FOR_HOURS
from pql.outbox.sending.checking import UNCHECKED
from pql.outbox.sending.claims import UNFINISHED
from pql.store import discrepancies
from pql.store.discrepancies import Finding, Recorded
from pql.store.engine import deciding, reading
from pql.store.instants import to_aware, to_naive
from pql.store.said import ERASED_KEY
from pql.store.tables import deliveries, delivery_causes, episodes, runs
from pql.types import Expected, ReadBack, Reader, Standing

OVERDUE_AFTER = timedelta(days=1)
WITH_KEYS = ("slack", "crm_task")  # what leaves an effect of its own that carries the delivery's key
_IN_CHUNKS = 500
_Place = tuple[str, str | None, str | None, str | None]  # destination, channel and time, or task


@dataclass(frozen=True)
class Reconciled:
    """What a reconciliation came to."""

    findings: tuple[Finding, ...]
    recorded: Recorded
    checked: Mapping[str, int]  # destination → effects that stand there
    unchecked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # destination → why what was not read


def reconcile(
    engine: Engine, readers: Mapping[str, Reader | str], *, since: datetime, oldest: datetime, now: datetime
) -> Reconciled:
    """Read back what was made since that moment, hold it against the ledger and keep what differs.

    `readers`: by destination, or why it cannot be asked. `oldest`: findings about older effects are let go of.
    """
    with reading(engine) as conn:
        expected = _expected(conn, since)
    backs = {
        name: _read(reader, expected.get(name, []), since)
        for name, reader in readers.items()
        if not isinstance(reader, str)
    }
    with deciding(engine) as conn:
        keys = {each.key for back in backs.values() for each in back.standing}
        keys |= {key for back in backs.values() for key in back.gone}
        rows = _rows(conn, keys)
        forgotten = _forgotten(conn)
        found = [finding for name, back in backs.items() for finding in _differences(name, back, rows, forgotten)]
        found += [*_undelivered(conn, since), *_overdue(conn, now)]
        read = {(name, place) for name, back in backs.items() for place in back.read}
        recorded = discrepancies.record(conn, found, read=read, since=since, oldest=oldest, now=now)
    unchecked: dict[str, tuple[str, ...]] = {
        name: (reader,) for name, reader in readers.items() if isinstance(reader, str)
    }
    unchecked |= {name: _why(back) for name, back in backs.items() if back.unread}
    return Reconciled(tuple(found), recorded, {name: len(back.standing) for name, back in backs.items()}, unchecked)


def _expected(conn: Connection, since: datetime) -> dict[str, list[Expected]]:
    """By destination what was touched since then: delivered with its receipt, the others with their place only."""
    columns, at = deliveries.c, to_naive(since)
    lately = or_(columns.created_at >= at, columns.sent_at >= at, columns.finished_at >= at)
    wanted: dict[str, list[Expected]] = defaultdict(list)
    for row in conn.execute(select(deliveries).where(columns.kind.in_(WITH_KEYS), lately).order_by(columns.id)):
        receipt = row.receipt if row.state == "delivered" else None
        wanted[row.destination].append(Expected(row.key, row.kind, row.lane, receipt))
    return wanted


def _read(reader: Reader, expected: Sequence[Expected], since: datetime) -> ReadBack:
    try:
        return reader.read(expected, since)
    except Exception as error:  # readers do not raise for what they meet; if one does, nothing is known
        return ReadBack(unread={"": f"{type(error).__name__} was raised"})


def _why(back: ReadBack) -> tuple[str, ...]:
    return tuple(f"{place}: {why}" if place else why for place, why in sorted(back.unread.items()))


def _rows(conn: Connection, keys: Collection[str]) -> dict[str, Row[Any]]:
    found, ordered = {}, sorted(keys)
    for start in range(0, len(ordered), _IN_CHUNKS):
        chunk = ordered[start : start + _IN_CHUNKS]
        found.update({row.key: row for row in conn.execute(select(deliveries).where(deliveries.c.key.in_(chunk)))})
    return found


def _forgotten(conn: Connection) -> set[_Place]:
    """Where the effects stand whose delivery is about somebody who was forgotten: the ledger dropped their keys."""
    columns = deliveries.c
    query = select(columns.destination, columns.receipt).where(columns.key.startswith(ERASED_KEY))
    return {_place(row.destination, row.receipt) for row in conn.execute(query) if row.receipt}


def _place(destination: str, receipt: Mapping[str, Any]) -> _Place:
    return destination, receipt.get("channel"), receipt.get("ts"), receipt.get("task")


def _differences(
    name: str, back: ReadBack, rows: Mapping[str, Row[Any]], forgotten: Collection[_Place]
) -> Iterator[Finding]:
    standing: dict[str, list[Standing]] = defaultdict(list)
    for each in _about_somebody(name, back, rows, forgotten):
        standing[each.key].append(each)
    for key, place in back.gone.items():
        row = rows.get(key)
        if row is not None and row.state == "delivered" and key not in standing:
            said = "was delivered and is not there any more"
            yield Finding("missing", key, name, place, row.id, to_aware(row.finished_at), said)
    for key, those in standing.items():
        first, row = those[0], rows.get(key)
        if len(those) > 1:
            where = "; ".join(_words(each.receipt) for each in those)
            id = None if row is None else row.id
            yield Finding("doubled", key, name, first.place, id, first.at, f"stands there {len(those)} times: {where}")
        if row is None:
            said = f"carries a delivery key that this ledger does not know: {_words(first.receipt)}"
            yield Finding("unknown", key, name, first.place, None, first.at, said)
        elif _is_undue(row):
            said = f"stands there, and the ledger says {row.state}: {_words(first.receipt)}"
            yield Finding("undue", key, name, first.place, row.id, first.at, said)


def _about_somebody(
    name: str, back: ReadBack, rows: Mapping[str, Row[Any]], forgotten: Collection[_Place]
) -> Iterator[Standing]:
    for each in back.standing:
        if each.key in rows or _place(name, each.receipt) not in forgotten:
            yield each


def _is_undue(row: Row[Any]) -> bool:
    """Whether nothing should stand there. What may have been sent is looked for by itself, or a person looked."""
    if row.state == "dead":
        return True
    return row.state in ("suppressed", "held", "pending") and row.sent_at is None


def _undelivered(conn: Connection, since: datetime) -> Iterator[Finding]:
    """Stays that a run announced, or a person released, with something to say and no delivery."""
    columns = episodes.c
    decided_at = select(runs.c.decided_at).where(runs.c.id == columns.opened_run).scalar_subquery()
    announced = and_(columns.silent_reason.is_(None), decided_at >= to_naive(since))
    caused = exists().where(delivery_causes.c.episode_id == columns.id)
    query = select(episodes, decided_at.label("decided_at")).where(
        or_(announced, columns.released_at >= to_naive(since)), columns.alert.is_not(None), ~caused
    )
    for row in conn.execute(query.order_by(columns.id)):
        intents = [each for each in (row.alert or {}).get("intents", ()) if row.released_at or each.get("announced")]
        names = {str(each["destination"]) for each in intents}
        for name in sorted(names):
            at = to_aware(row.released_at or row.decided_at)
            said = f"stay {row.id} of {row.definition} was announced, and no delivery was queued"
            yield Finding("undelivered", f"episode:{row.id}", name, "", None, at, said)


def _overdue(conn: Connection, now: datetime) -> Iterator[Finding]:
    """What is neither over nor waiting for its hour; of what waits behind another one, that one if it is not late."""
    before = deliveries.alias("before")
    follows = before.c.id == func.coalesce(deliveries.c.retracts, deliveries.c.thread_of)
    waits_rightly = exists().where(follows, before.c.state.in_(UNFINISHED), ~_is_late(before, now))
    query = select(deliveries).where(_is_late(deliveries, now), ~waits_rightly).order_by(deliveries.c.id)
    for row in conn.execute(query):
        why = ": it cannot be rechecked" if (row.reason or "").startswith(UNCHECKED) else ""
        said = f"has been {row.state} for more than a day{why}"
        yield Finding("overdue", row.key, row.destination, row.lane, row.id, to_aware(row.created_at), said)


def _is_late(rows: FromClause, now: datetime) -> ColumnElement[bool]:
    """Queued a day ago, and tried already, or due for a day, or not to be rechecked, which uses up no attempts."""
    columns, at, before = rows.c, to_naive(now), to_naive(now - OVERDUE_AFTER)
    reason = func.coalesce(columns.reason, "")
    tried = or_(columns.attempt > 0, columns.not_before < before, reason.startswith(UNCHECKED))
    gathered = or_(columns.gather_at.is_(None), columns.gather_at < before)
    has_hours = and_(reason.startswith(FOR_HOURS), columns.not_before >= at)
    return and_(columns.state.in_(UNFINISHED), columns.created_at < before, tried, gathered, ~has_hours)


def _words(receipt: Mapping[str, Any]) -> str:
    return " ".join(f"{name} {value}" for name, value in receipt.items())
