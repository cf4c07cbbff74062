"""Storms: runs that were stopped before anything was sent, what they hold, and the one answer a person gives to each.

Nothing here decides that a run is a storm: that is done where it is decided. The first answer is carried out, in one
transaction with the note of who gave it and why; any later one finds it and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, case, false, func, select, update

from pql.outbox.by_hand.acts import list_held, release_held
from pql.outbox.queueing import threads
from pql.outbox.queueing.digest import DIGEST, gather
from pql.store.instants import to_aware, to_naive
from pql.store.tables import deliveries, runs, storm_answers
from pql.store.upsert import upsert
from pql.types import UserError

Verdict = Literal["approved", "rejected", "digest"]
Origin = Literal["airflow", "page", "cli"]
WHO_LENGTH = 200
MOST_IN_A_TABLE = 30_000  # SQLite takes 32,766 parameters in one statement


@dataclass(frozen=True)
class Answer:
    """What a person answered, and how many deliveries followed it."""

    verdict: Verdict
    who: str
    why: str
    origin: Origin
    answered_at: datetime
    deliveries: int


@dataclass(frozen=True)
class Storm:
    """One stopped run. `deliveries` are held at this moment, about `accounts`; once answered: none, about as many."""

    run_id: int
    kind: str
    as_of: datetime
    decided_at: datetime
    because: tuple[str, ...]
    deliveries: int
    accounts: int
    answer: Answer | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still waits for somebody."""
        return self.answer is None and self.deliveries > 0


@dataclass(frozen=True)
class Answered:
    """What became of an answer: it was carried out, or there was one before (`is_new` False), or nothing to answer."""

    is_new: bool
    answer: Answer | None


def storms(conn: Connection, *, answered_since: datetime | None = None) -> tuple[Storm, ...]:
    """Return the storms that wait, the newest run first; with `answered_since` also those answered since then."""
    answers = storm_answers.c
    known = {row.run_id: _answer(row) for row in conn.execute(_answers_since(answered_since))}
    columns = deliveries.c
    held = {
        row.run_id: (row.deliveries, row.accounts)
        for row in conn.execute(
            select(
                columns.run_id,
                func.count().label("deliveries"),
                _accounts().label("accounts"),
            )
            .where(columns.state == "held", columns.run_id.not_in(select(answers.run_id)))
            .group_by(columns.run_id)
        )
    }
    wanted = sorted({*held, *known})
    rows = conn.execute(select(runs).where(runs.c.id.in_(wanted)).order_by(runs.c.id.desc()))
    return tuple(_storm(row, held.get(row.id, (0, 0)), known.get(row.id)) for row in rows)


def storm(conn: Connection, run_id: int) -> Storm:
    """Return the run as a storm, answered or not. UserError if there is no such run or it held nothing."""
    row = conn.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    given = answer_of(conn, run_id)
    columns = deliveries.c
    held = conn.execute(
        select(func.count(), _accounts()).where(columns.state == "held", columns.run_id == run_id)
    ).one()
    if row is None or (given is None and not held[0] and not row.summary.get("held")):
        raise UserError(f"Run {run_id} is no storm: it held nothing. `pql storms` lists those that wait.")
    return _storm(row, (held[0], held[1]), given)


def _accounts() -> ColumnElement[int]:
    """How many accounts deliveries are about; a table is about those that its messages are about."""
    return func.count(case((~threads.is_table(deliveries), deliveries.c.account_key)).distinct())


def answer_of(conn: Connection, run_id: int) -> Answer | None:
    """Return what was answered about the run, None if nothing was."""
    row = conn.execute(select(storm_answers).where(storm_answers.c.run_id == run_id)).one_or_none()
    return None if row is None else _answer(row)


def approve(conn: Connection, run_id: int, *, who: str, why: str, origin: Origin, now: datetime) -> Answered:
    """Make everything the run holds due, as if it had not been stopped: digests and crowded channels are gathered.

    See `Answered`; UserError if the run is no storm.
    """

    def send() -> int:
        count = release_held(conn, now=now, run_id=run_id)
        columns = deliveries.c
        loose = [columns.thread_of.is_(None), columns.sent_at.is_(None), ~threads.is_table(deliveries)]
        messages = [columns.run_id == run_id, columns.state == "pending", columns.kind == "slack", *loose]
        conn.execute(update(deliveries).where(*messages).values(gather_at=to_naive(now)))
        return count

    return _carry_out(conn, run_id, Answer("approved", who, why, origin, now, 0), send)


def reject(conn: Connection, run_id: int, *, who: str, why: str, origin: Origin, now: datetime) -> Answered:
    """Suppress everything the run holds; each delivery keeps who and why. Otherwise as `approve`."""
    reason = f"storm of run {run_id} rejected: {why} (by {who})"
    is_held = (deliveries.c.run_id == run_id) & (deliveries.c.state == "held")
    stop = update(deliveries).where(is_held).values(state="suppressed", reason=reason, finished_at=to_naive(now))
    return _carry_out(conn, run_id, Answer("rejected", who, why, origin, now, 0), lambda: conn.execute(stop).rowcount)


def as_digest(conn: Connection, run_id: int, *, who: str, why: str, origin: Origin, now: datetime) -> Answered:
    """Tell all in one message a channel, with the messages in its thread; what is no message becomes due as it is."""

    def send() -> int:
        held = [each.id for each in list_held(conn, run_id=run_id)]
        for begin in range(0, len(held), MOST_IN_A_TABLE):
            gather(conn, held[begin : begin + MOST_IN_A_TABLE], now=now, title=f"{DIGEST} of {now:%Y-%m-%d}")
        release_held(conn, now=now, run_id=run_id)
        return len(held)

    return _carry_out(conn, run_id, Answer("digest", who, why, origin, now, 0), send)


def _carry_out(conn: Connection, run_id: int, said: Answer, effect: Callable[[], int]) -> Answered:
    """Note the answer, then do it: of two who answer at once the second waits here and finds the first one's."""
    found = storm(conn, run_id)
    if not found.is_open:
        return Answered(False, found.answer)
    values = {
        "run_id": run_id,
        "answer": said.verdict,
        "who": said.who[:WHO_LENGTH],
        "why": said.why,
        "origin": said.origin,
        "answered_at": to_naive(said.answered_at),
        "deliveries": 0,
    }
    note = upsert(conn, storm_answers).values(values).on_conflict_do_nothing(index_elements=["run_id"])
    if conn.execute(note.returning(storm_answers.c.run_id)).scalar() is None:
        return Answered(False, answer_of(conn, run_id))
    count = effect()
    conn.execute(update(storm_answers).where(storm_answers.c.run_id == run_id).values(deliveries=count))
    return Answered(True, replace(said, deliveries=count))


def _answers_since(since: datetime | None) -> Select[Any]:
    query = select(storm_answers)
    return query.where(storm_answers.c.answered_at >= to_naive(since)) if since else query.where(false())


def _answer(row: Row[Any]) -> Answer:
    return Answer(row.answer, row.who, row.why, row.origin, to_aware(row.answered_at), row.deliveries)


def _storm(run: Row[Any], held: tuple[int, int], answer: Answer | None) -> Storm:
    return Storm(
        run_id=run.id,
        kind=run.kind,
        as_of=to_aware(run.as_of),
        decided_at=to_aware(run.decided_at),
        because=tuple(str(each) for each in run.summary.get("held_because", ())),
        deliveries=held[0],
        accounts=held[1] if answer is None else run.held,
        answer=answer,
    )
