"""Decide one run: snapshots and the ledger's facts in, episodes, occurrences and deliveries out, in one transaction.

The transaction holds the ledger's lock, so the lake is asked before it, with a rehearsal of the decisions telling what
about. A run that is not live decides nothing and leaves the ledger as it was: it reports who would have been announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd
from sqlalchemy import Connection

from pql import outbox, plays, qualification, store
from pql.definition.model import Definition
from pql.outbox.queueing.retract import retract
from pql.pipeline import retracting
from pql.pipeline.health.freshness import freshness
from pql.pipeline.health.volume import Unusual, unusual
from pql.pipeline.ingest import Kind
from pql.pipeline.intents import intents_of, material
from pql.pipeline.lake_at import LakeAt
from pql.pipeline.moments import checked
from pql.pipeline.project import Project
from pql.pipeline.summary import count_decided, count_evaluated, empty_summary
from pql.plays.model import Intent
from pql.qualification.model import Baseline, Decisions
from pql.store import decisions, facts, identity, marks, runs
from pql.store import sources as source_status
from pql.types import UserError


@dataclass(frozen=True)
class Evaluated:
    """One definition's snapshot as a decision needs it."""

    definition: Definition
    frame: pd.DataFrame
    seq: int  # where the marks stood before its evaluation began reading
    would_have_announced: int = 0


def decide(
    project: Project,
    evaluations: Sequence[Mapping[str, Any]],
    *,
    reports: Sequence[Mapping[str, Any]] = (),
    as_of: datetime,
    now: datetime,
    kind: Kind,
) -> dict[str, Any]:
    """Decide the run whose evaluations' keys are given; return its summary (counts only).

    A definition that was edited or removed since its evaluation is passed over, which the summary says; its marks stay
    for the next run. Raises UserError for an `as_of` after `now` or a snapshot that is not there.
    """
    as_of = checked(as_of, now)
    evaluated, passed_over = [], {}
    for key in evaluations:
        loaded = _load(project, key, as_of, kind)
        if isinstance(loaded, str):
            passed_over[str(key["definition"])] = loaded
        else:
            evaluated.append(loaded)
    with closing(project.lake.connect()) as lake:
        return decide_run(
            project,
            lake,
            evaluated,
            reports=reports,
            as_of=as_of,
            now=now,
            kind=kind,
            passed_over=passed_over,
            odd=unusual(project, lake, as_of) if as_of >= now - project.horizon else (),
        )


def decide_run(
    project: Project,
    lake: duckdb.DuckDBPyConnection,
    evaluated: Sequence[Evaluated],
    *,
    reports: Sequence[Mapping[str, Any]] = (),
    as_of: datetime,
    now: datetime,
    kind: str,
    known: pd.DataFrame | None = None,
    passed_over: Mapping[str, str] | None = None,
    odd: Sequence[Unusual] = (),
) -> dict[str, Any]:
    """`decide` with the snapshots at hand.

    While a source brings far less or more than usual (`odd`), messages are held, and while it is less, what rests on
    absence waits (PRODUCT-S5).
    A replay gives everybody's identity at `as_of`, too (`known`); it has the ledger to itself, so nothing is foreseen.
    """
    live = as_of >= now - project.horizon
    with store.reading(project.engine) as connection:
        fresh = freshness(connection, project.settings, now=now) if reports else ()
    about = {"passed_over": passed_over or {}, "unusable_files": project.unusable_files}
    summary = empty_summary(reports, as_of=as_of, kind=kind, live=live, fresh=fresh, odd=odd, **about)
    frames = {e.definition.id: (e.frame, e.would_have_announced) for e in evaluated}
    count_evaluated(summary, frames, [e.definition.id for e in evaluated if e.definition.status == "live"])
    if not live:
        return summary
    ordered = sorted(evaluated, key=lambda e: (e.definition.priority, e.definition.id))
    at = LakeAt(project, lake, [each.definition for each in ordered], as_of)
    who = at.identity() if known is None else known
    ordered = [_still_so(each, who) for each in ordered]
    looks_back = kind == "nightly" and known is None and not any(each.is_drop for each in odd)
    doubted = retracting.look_back(project, [(e.definition, e.frame) for e in ordered], as_of) if looks_back else {}
    run = _Run(project, at, as_of, now, kind, tuple(odd), doubted)
    seen, accounts_of = _seen(who), run.foresee(ordered) if known is None else {}
    return store.decided(project.engine, lambda conn: run.decide(conn, ordered, seen, accounts_of, deepcopy(summary)))


@dataclass(frozen=True)
class _Run:
    project: Project
    at: LakeAt
    as_of: datetime
    now: datetime
    kind: str
    odd: tuple[Unusual, ...] = ()
    doubted: retracting.Doubted = field(default_factory=dict)

    def foresee(self, ordered: Sequence[Evaluated]) -> Mapping[str, set[str]]:
        """Fetch from the lake, before the lock, what the decisions will need; return the marks' accounts.

        It decides without writing. If the ledger changes before the lock is had, somebody more may have to be told of:
        then `at` fetches that under the lock.
        """
        with store.reading(self.project.engine) as connection:
            marked = {key for each in ordered for key in _marked(connection, each)}
            complete = self._complete(connection)
            possible = [replace(each, frame=_possible(each.frame)) for each in ordered]
            rehearsed = [(each, self._decisions(connection, each, complete)) for each in possible]
        for each, made in rehearsed:
            material(self.at, each.definition, each.frame, made)
        return self.at.accounts_of(marked)

    def decide(
        self,
        connection: Connection,
        ordered: Sequence[Evaluated],
        seen: Sequence[identity.Seen],
        accounts_of: Mapping[str, set[str]],
        summary: dict[str, Any],
    ) -> dict[str, Any]:
        run_id = runs.start_run(connection, kind=self.kind, as_of=self.as_of, now=self.now, live=True)
        identity.carry(
            connection, seen, as_of=self.as_of, definitions={d.id: d.subject for d in self.project.definitions}
        )
        complete = self._complete(connection)
        intents: list[Intent] = []
        taken_back: dict[int, str] = {}
        applied = decisions.Applied()
        for each in ordered:
            definition = each.definition
            runs.record_version(connection, definition.id, definition.rules_hash, now=self.now, title=definition.title)
            made = self._decisions(connection, each, complete)
            applied = applied | decisions.apply(connection, made, run_id=run_id)
            wanted = intents_of(self.at, definition, each.frame, made)
            decisions.keep_intents(connection, wanted, applied)
            intents += [intent for intent in wanted if intent.announced]
            taken_back |= retracting.why(made, self.doubted)
            count_decided(summary, made)
            self._clear(connection, each, made, accounts_of)
        merged = plays.merge(intents)
        announced = len({m.account_key for m in merged if m.kind != "crm_update"})
        cap = runs.storm_cap(
            connection,
            self.now,
            floor=self.project.settings.storm_floor,
            factor=self.project.settings.storm_factor,
        )
        why = [str(each) for each in self.odd]
        why += [self._too_many(announced, cap)] if announced > cap else []
        why += [f"{len(taken_back)} announcements would be taken back at once"] if len(taken_back) > cap else []
        hold = bool(why)
        rhythm = outbox.rhythm(self.project.settings)
        queued = outbox.enqueue(connection, merged, applied, run_id=run_id, now=self.now, hold=hold, rhythm=rhythm)
        undone = retract(connection, taken_back, run_id=run_id, now=self.now, hold=hold)
        summary |= {
            "run_id": run_id,
            "announced": 0 if hold else summary["announced"],  # what is held, nobody has been told
            "accounts_told_of": 0 if hold else announced,
            "retracted": len(taken_back),
            "queued": queued.pending + undone.pending,
            "held": queued.held + undone.held,
            "held_because": why if queued.held or undone.held else [],
            "storm_cap": cap,
        }
        runs.finish_run(
            connection,
            run_id,
            announced=0 if hold else announced,
            held=announced if hold else 0,
            summary=summary,
        )
        return summary

    def _too_many(self, announced: int, cap: int) -> str:
        settings = self.project.settings
        return (
            f"{announced} accounts at once: at most {cap} may be announced "
            f"({settings.storm_factor:g} times the busiest run of 14 days, no fewer than {settings.storm_floor})"
        )

    def _decisions(self, connection: Connection, each: Evaluated, complete: bool) -> Decisions:
        definition = each.definition
        return qualification.decide(
            definition,
            each.frame,
            facts.read_facts(connection, definition.id, set(each.frame["subject_key"])),
            as_of=self.as_of,
            now=self.now,
            complete=complete,
            baseline=self._baseline(connection, definition),
            horizon=self.project.horizon,
            taken_back=self.doubted.get(definition.id, {}),
        )

    def _complete(self, connection: Connection) -> bool:
        settled = source_status.complete(connection, list(self.project.settings.sources), self.as_of)
        return settled and not any(each.is_drop for each in self.odd)

    def _baseline(self, connection: Connection, definition: Definition) -> Baseline:
        if definition.id in runs.read_baselines(connection):
            return "done"
        return "none" if self.kind == "hourly" else "is_first"

    def _clear(
        self, connection: Connection, each: Evaluated, made: Decisions, accounts_of: Mapping[str, set[str]]
    ) -> None:
        """Clear the marks this evaluation took care of: of accounts it decided, and of nobody's facts (SEM-D1)."""
        if made.live and made.why_nothing:
            return
        kept = each.frame["subject_key"].isin(made.kept_newer)
        looked_at = set(each.frame["account_key"]) - set(each.frame.loc[kept, "account_key"])
        done = [key for key in _marked(connection, each) if key in accounts_of and accounts_of[key] <= looked_at]
        marks.clear(connection, each.definition.id, done, seq_at_start=each.seq, as_of=self.as_of)


def _load(project: Project, key: Mapping[str, Any], as_of: datetime, kind: str) -> Evaluated | str:
    """The snapshot behind the key, or why it is none for the definition as it now is."""
    name = str(key["definition"])
    definition = next((d for d in project.definitions if d.id == name), None)
    if definition is None:
        return "removed since it was evaluated, or its file has errors now"
    frame = project.lake.read_scores(name, kind, as_of)
    if frame is None:
        raise UserError(f"There is no {kind} snapshot of `{name}` as of {as_of:%Y-%m-%d %H:%M} UTC to decide.")
    if {key["rules_hash"], *frame["rules_hash"]} != {definition.rules_hash}:
        return "its rules changed since it was evaluated: the next run decides it"
    if not _trigger_columns(definition) <= set(frame.columns):
        return "its plays changed since it was evaluated: the next run decides it"
    return Evaluated(definition, frame, int(key["seq"]), int(key["would_have_announced"]))


def _trigger_columns(definition: Definition) -> set[str]:
    plays_with = [play.id for play in definition.plays if play.on.kind != "newly_qualified"]
    return {f"{column}.{play}" for play in plays_with for column in ("trigger", "trigger_was")}


def _still_so(each: Evaluated, who: pd.DataFrame) -> Evaluated:
    """Without the rows of keys that nobody resolves to any more: identity changed after they were computed.

    What they held is being carried to another key; to decide them here would begin a second stay. Their marks stay.
    """
    here = each.frame["account_key"].isin(set(who["account_key"]))
    if each.definition.subject == "user":
        here &= each.frame["subject_key"].isin({f"user:{user}" for user in who["user_id"]})
    return replace(each, frame=each.frame[here])


def _seen(who: pd.DataFrame) -> list[identity.Seen]:
    columns = zip(who["raw_id"], who["user_id"], who["account_key"], who["account_hint"], strict=True)
    return [
        identity.Seen(raw_id, user_id, account_key, None if pd.isna(hint) else str(hint))
        for raw_id, user_id, account_key, hint in columns
    ]


def _possible(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that anything can come of: qualified, or with a trigger that is true."""
    triggers = [column for column in frame.columns if column.startswith("trigger.")]
    return frame.loc[frame[["qualified", *triggers]].astype(bool).any(axis=1)]


def _marked(connection: Connection, each: Evaluated) -> Iterable[str]:
    """Facts marked before the evaluation began reading."""
    return [mark.fact_key for mark in marks.read(connection, each.definition.id) if mark.seq <= each.seq]
