"""One wave decided: episodes, deliveries and causes in one transaction, which may die first and may be repeated."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, select
from tests.chaos.plan import Decision, Wave

from pql import outbox, store
from pql.plays.model import Cause, Merged
from pql.qualification.model import Decisions, Opened
from pql.sandbox.names import OWNERS
from pql.store import decisions, runs
from pql.store.tables import deliveries, episodes
from pql.types import Alert, Reason


class _DiedError(Exception):
    """The deciding process died just before its commit."""


def decide(engine: Engine, wave: Wave, company: str, now: datetime) -> dict[str, int]:
    """Decide a wave and return which of its deliveries (by key) were queued to answer which (by id).

    Of runs that die nothing is left, and repeating the run adds nothing; RuntimeError if it does.
    """
    for _ in range(wave.crashes):
        try:
            with store.deciding(engine) as conn:
                _decide(conn, wave, company, now)
                raise _DiedError
        except _DiedError:
            pass
    with store.deciding(engine) as conn:
        added = _decide(conn, wave, company, now)
    for _ in range(wave.reruns):
        with store.deciding(engine) as conn:
            if _decide(conn, wave, company, now):
                raise RuntimeError("a run that was repeated queued something new")
    if added != len(wave.decisions):
        raise RuntimeError(f"{added} deliveries were queued for {len(wave.decisions)} decisions")
    with store.reading(engine) as conn:
        query = select(deliveries.c.key, deliveries.c.thread_of).where(deliveries.c.thread_of.is_not(None))
        subjects = [each.subject_key for each in wave.decisions]
        return {row.key: row.thread_of for row in conn.execute(query.where(deliveries.c.subject_key.in_(subjects)))}


def _decide(conn: Connection, wave: Wave, company: str, now: datetime) -> int:
    """Open who has no open episode, queue what that causes; how many deliveries are new."""
    run_id = runs.start_run(conn, kind="hourly", as_of=now, now=now, live=True)
    applied = decisions.Applied()
    for definition in sorted({each.definition for each in wave.decisions}):
        mine = [each for each in wave.decisions if each.definition == definition]
        query = select(episodes.c.subject_key, episodes.c.id).where(
            episodes.c.definition == definition,
            episodes.c.closed_as_of.is_(None),
            episodes.c.subject_key.in_([each.subject_key for each in mine]),
        )
        known = {(definition, row.subject_key): row.id for row in conn.execute(query)}
        opened = tuple(
            Opened(each.subject_key, each.account_key, now, True, None, 80)
            for each in mine
            if (definition, each.subject_key) not in known
        )
        new = decisions.apply(conn, Decisions(definition, "hash", now, live=True, opened=opened), run_id=run_id)
        applied = applied | new | decisions.Applied(known)
    merged = [_merged(each, company, now) for each in wave.decisions]
    return outbox.enqueue(conn, merged, applied, run_id=run_id, now=now).pending


def _merged(decision: Decision, company: str, now: datetime) -> Merged:
    alert = Alert(
        "just qualified", (decision.definition,), (decision.definition.title(),), decision.subject_key,
        decision.account_key, f"Acme {decision.account_key}", now.isoformat(), 82, 75, "B1", 9,
        crm_id=company, crm_kind="company", owner_email=OWNERS[0][3], owner_name="Dana Ito",
        reasons=(Reason(25, "turned on self-serve billing"),),
    )  # fmt: skip
    cause = Cause(decision.definition, "episode", decision.subject_key, "Tell sales", f"0:{decision.kind}")
    return Merged(
        decision.account_key,
        decision.subject_key,
        decision.destination,
        decision.kind,
        decision.lane,
        decision.options,
        alert,
        (cause,),
    )
