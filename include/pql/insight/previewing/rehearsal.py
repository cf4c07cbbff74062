"""A definition lived through in memory: snapshots, moment by moment, in; who would have been announced when, out.

It decides as live runs do, with the same rules on the same facts (SEM-D6): what it decides goes into a ledger of its
own that vanishes with it. The project's ledger is only asked for the blocks people set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd
from sqlalchemy import Connection, Engine, create_engine, insert, select
from sqlalchemy.pool import StaticPool

from pql import qualification, store
from pql.definition.model import Definition
from pql.pipeline.project import Project
from pql.qualification.model import Decisions, Facts
from pql.store import decisions, facts, identity, runs
from pql.store.tables import blocks, episodes, metadata

NO_TIME = timedelta(0)


@dataclass(frozen=True)
class Opening:
    """A stay in the qualified state that begins. `row` is its row of the snapshot, None if it is silent."""

    episode: int
    subject_key: str  # at that moment
    at: datetime
    silent: str  # why nobody is told; "" if it is announced
    row: pd.Series | None


@dataclass(frozen=True)
class Told:
    """What one moment's run tells people."""

    at: datetime
    accounts: int  # it tells of
    only_other: int  # of these: not because they newly qualify
    is_storm: bool  # more than the storm cap: they would be held


class Rehearsal:
    """One definition as if it were live; give it the moments in ascending order, the first being its baseline."""

    def __init__(self, project: Project, definition: Definition) -> None:
        self.definition = replace(definition, status="live")
        self._settings = project.settings
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(self._engine)
        _copy_blocks(project.engine, self._engine)
        self._telling = {p.id for p in definition.plays if any(a.kind != "crm_update" for a in p.actions)}
        self._is_first = True

    def decide(
        self, snapshot: pd.DataFrame, seen: Sequence[identity.Seen], moment: datetime
    ) -> tuple[tuple[Opening, ...], Told]:
        """What begins at the moment, and how many accounts people are told of."""
        definition = self.definition
        with store.deciding(self._engine) as connection:
            self._carry(connection, seen, moment)
            known = facts.read_facts(connection, definition.id)
            made = qualification.decide(
                definition,
                self._concerned(snapshot, known),
                known,
                as_of=moment,
                now=moment,
                complete=True,
                baseline="is_first" if self._is_first else "done",
                horizon=NO_TIME,
            )
            run = runs.start_run(connection, kind="preview", as_of=moment, now=moment, live=True)
            applied = decisions.apply(connection, made, run_id=run)
            told = self._tell(connection, made, run, moment)
        self._is_first = False
        return _openings(definition, made, applied, snapshot), told

    def keys(self, seen: Sequence[identity.Seen], moment: datetime) -> dict[int, tuple[str, str]]:
        """Every stay's subject and account by the keys that are true at a moment not before the last one decided."""
        with store.deciding(self._engine) as connection:
            self._carry(connection, seen, moment)
            found = connection.execute(select(episodes.c.id, episodes.c.subject_key, episodes.c.account_key)).all()
        return {row.id: (row.subject_key, row.account_key) for row in found}

    def close(self) -> None:
        """Forget everything."""
        self._engine.dispose()

    def _carry(self, connection: Connection, seen: Sequence[identity.Seen], moment: datetime) -> None:
        identity.carry(connection, seen, as_of=moment, definitions={self.definition.id: self.definition.subject})

    def _concerned(self, snapshot: pd.DataFrame, known: Facts) -> pd.DataFrame:
        """The rows of whom anything can begin or end; of users everybody, for a merged user takes the other's place."""
        if self.definition.subject == "user":
            return snapshot
        triggers = [column for column in snapshot.columns if column.startswith("trigger.")]
        possible = snapshot[["qualified", *triggers]].astype(bool).any(axis=1)
        return snapshot[possible | snapshot["subject_key"].isin({*known.subjects, *known.rekeyed})]

    def _tell(self, connection: Connection, made: Decisions, run: int, moment: datetime) -> Told:
        newly = {each.account_key for each in made.opened if each.announced}
        other = {o.account_key for o in made.occurrences_opened if o.announced and o.play in self._telling}
        accounts = newly | other
        cap = runs.storm_cap(connection, moment, floor=self._settings.storm_floor, factor=self._settings.storm_factor)
        is_storm = len(accounts) > cap
        runs.finish_run(
            connection, run, announced=0 if is_storm else len(accounts), held=len(accounts) * is_storm, summary={}
        )
        return Told(moment, len(accounts), len(accounts - newly), is_storm)


def _openings(
    definition: Definition, made: Decisions, applied: decisions.Applied, snapshot: pd.DataFrame
) -> tuple[Opening, ...]:
    told = {each.subject_key for each in made.opened if each.announced}
    rows = {str(row["subject_key"]): row for _, row in snapshot[snapshot["subject_key"].isin(told)].iterrows()}
    return tuple(
        Opening(
            applied.episodes[definition.id, each.subject_key],
            each.subject_key,
            each.as_of,
            each.silent_reason or "",
            rows.get(each.subject_key),
        )
        for each in made.opened
    )


def seen_in(who: pd.DataFrame) -> list[identity.Seen]:
    """`features.identities` of one moment as the ledger takes it."""
    columns: Iterable[tuple[str, str, str, object]] = zip(
        who["raw_id"], who["user_id"], who["account_key"], who["account_hint"], strict=True
    )
    return [
        identity.Seen(raw_id, user_id, account_key, None if pd.isna(hint) else str(hint))  # type: ignore[call-overload]  # a text or missing
        for raw_id, user_id, account_key, hint in columns
    ]


def _copy_blocks(ledger: Engine, own: Engine) -> None:
    with store.reading(ledger) as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(blocks))]
    if rows:
        with store.writing(own) as connection:
            connection.execute(insert(blocks), rows)
