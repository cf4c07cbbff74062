"""What the ledger held about one subject at a moment: stays, blocks, the run that looked at it last, what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, or_, select

from pql.definition.model import Definition
from pql.pipeline.project import Project
from pql.store.blocks import AccountBlock, active
from pql.store.facts import RETRACTED
from pql.store.instants import to_aware, to_naive
from pql.store.runs import read_baselines
from pql.store.tables import deliveries, delivery_causes, episodes, occurrences, runs

_MOST_RUNS = 60  # looked through for the one that last had the subject; two days of hourly ones


@dataclass(frozen=True)
class Stay:
    """One episode that had begun by then; what ended later than then is still open."""

    id: int
    opened_as_of: datetime
    opened_run: int | None
    silent_reason: str | None
    released_at: datetime | None
    closed_as_of: datetime | None
    close_reason: str | None
    returns_after: datetime | None
    taken_back_at: datetime | None = None  # by what is known today: a stay that was open then may be one


@dataclass(frozen=True)
class Look:
    """The last live run that had the subject before it by then, and the row it had."""

    run_id: int
    kind: str
    as_of: datetime
    decided_at: datetime
    decided_nothing: str  # why the run decided nothing for the definition, "" if it decided
    row: pd.Series[Any]


@dataclass(frozen=True)
class Sent:
    """One delivery that a stay or an occurrence of the subject caused; its state is today's."""

    id: int
    what: str
    state: str
    reason: str
    receipt: dict[str, Any] | None


@dataclass(frozen=True)
class LedgerThen:
    """What was known at `at`; what a human had done by the time the run of that moment decided counts too."""

    at: datetime
    baseline_at: datetime | None
    last_run_at: datetime | None  # as-of of the last live run of any kind that decided the definition
    look: Look | None
    stays: tuple[Stay, ...]  # oldest first
    blocks: tuple[AccountBlock, ...]
    sent: tuple[Sent, ...]

    @property
    def open(self) -> Stay | None:
        """The stay that was open then."""
        return next((stay for stay in reversed(self.stays) if stay.closed_as_of is None), None)


def read(
    project: Project, connection: Connection, definition: Definition, row: pd.Series[Any], at: datetime, now: datetime
) -> LedgerThen:
    """What the ledger held about the subject of `row` at `at`."""
    subject, account = str(row["subject_key"]), str(row["account_key"])
    ran = list(_runs(connection, definition, at))
    look = _look(project, definition, subject, ran)
    clock = min(now, max([at, *(to_aware(run.decided_at) for run in ran[:1] if to_aware(run.as_of) == at)]))
    stays = tuple(_stays(connection, definition, subject, at))
    return LedgerThen(
        at=at,
        baseline_at=read_baselines(connection).get(definition.id),
        last_run_at=to_aware(ran[0].as_of) if ran else None,
        look=look,
        stays=stays,
        blocks=active(connection, clock, [account]).get(account, ()),
        sent=tuple(_sent(connection, definition, subject, at)),
    )


def _runs(connection: Connection, definition: Definition, at: datetime) -> Iterator[Row[Any]]:
    """The live runs that had the definition, newest first."""
    query = select(runs).where(runs.c.as_of <= to_naive(at), runs.c.live.is_(True))
    for run in connection.execute(query.order_by(runs.c.as_of.desc(), runs.c.id.desc()).limit(_MOST_RUNS)):
        if definition.id in run.summary.get("by_definition", {}):
            yield run


def _look(project: Project, definition: Definition, subject: str, ran: list[Row[Any]]) -> Look | None:
    """An hourly run had the subject if it did something, a nightly one had everybody: there the search ends."""
    for run in ran:
        as_of = to_aware(run.as_of)
        rows = project.lake.read_some_scores(definition.id, run.kind, as_of, {subject})
        if rows is not None and len(rows):
            nothing = run.summary["by_definition"][definition.id].get("decided_nothing", "")
            return Look(run.id, run.kind, as_of, to_aware(run.decided_at), nothing, rows.iloc[0])
        if run.kind == "nightly":
            return None
    return None


def _stays(connection: Connection, definition: Definition, subject: str, at: datetime) -> Iterator[Stay]:
    mine = (episodes.c.definition == definition.id, episodes.c.subject_key == subject)
    query = select(episodes).where(*mine, episodes.c.opened_as_of <= to_naive(at)).order_by(episodes.c.id)
    for row in connection.execute(query):
        closed = to_aware(row.closed_as_of)
        is_over = closed is not None and closed <= at
        yield Stay(
            id=row.id,
            opened_as_of=to_aware(row.opened_as_of),
            opened_run=row.opened_run,
            silent_reason=row.silent_reason,
            released_at=to_aware(row.released_at),
            closed_as_of=closed if is_over else None,
            close_reason=row.close_reason if is_over else None,
            returns_after=to_aware(row.returns_after) if is_over else None,
            taken_back_at=closed if row.close_reason == RETRACTED else None,
        )


def _sent(connection: Connection, definition: Definition, subject: str, at: datetime) -> Iterator[Sent]:
    by_then = to_naive(at)
    cause, stay, happened = delivery_causes.c, episodes.c, occurrences.c
    query = (
        select(deliveries)
        .join(delivery_causes, cause.delivery_id == deliveries.c.id)
        .outerjoin(episodes, cause.episode_id == stay.id)
        .outerjoin(occurrences, cause.occurrence_id == happened.id)
        .where(
            cause.definition == definition.id,
            or_(
                (stay.subject_key == subject) & (stay.opened_as_of <= by_then),
                (happened.subject_key == subject) & (happened.opened_as_of <= by_then),
            ),
        )
        .order_by(deliveries.c.id.desc())
    )
    found = {row.id: row for row in connection.execute(query)}
    for row in found.values():
        yield Sent(row.id, row.lane, row.state, row.reason or "", row.receipt)
