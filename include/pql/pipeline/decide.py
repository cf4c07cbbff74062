"""Decide one run: snapshots and the ledger's facts in, episodes, occurrences and deliveries out, in one transaction.

A run that is not live decides nothing and leaves the ledger as it was: it reports who would have been announced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd
from sqlalchemy import Connection

from pql import features, outbox, plays, qualification, store
from pql.definition.model import Definition
from pql.pipeline.ingest import Kind
from pql.pipeline.intents import intents_of, is_anybody_told
from pql.pipeline.moments import checked
from pql.pipeline.project import Project
from pql.plays.model import Intent
from pql.qualification.model import Baseline, Decisions
from pql.store import decisions, facts, identity, marks, runs
from pql.store import sources as source_status
from pql.types import UserError
from pql.usage import needs_of


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

    Raises UserError for an `as_of` after `now` or a snapshot that is not there.
    """
    as_of = checked(as_of, now)
    evaluated = [_load(project, each, as_of, kind) for each in evaluations]
    with closing(project.lake.connect()) as lake:
        return decide_run(project, lake, evaluated, reports=reports, as_of=as_of, now=now, kind=kind)


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
) -> dict[str, Any]:
    """`decide` with the snapshots at hand, and with everybody's identity at `as_of` if that is `known` already."""
    live = as_of >= now - project.horizon
    summary = _counts(evaluated, reports, as_of, kind, live)
    if not live:
        return summary
    run = _Run(project, lake, as_of, now, kind, known)
    with store.deciding(project.engine) as connection:
        return run.decide(connection, evaluated, summary)


@dataclass(frozen=True)
class _Run:
    project: Project
    lake: duckdb.DuckDBPyConnection
    as_of: datetime
    now: datetime
    kind: str
    known: pd.DataFrame | None

    def decide(self, connection: Connection, evaluated: Sequence[Evaluated], summary: dict[str, Any]) -> dict[str, Any]:
        run_id = runs.start_run(connection, kind=self.kind, as_of=self.as_of, now=self.now, live=True)
        ordered = sorted(evaluated, key=lambda e: (e.definition.priority, e.definition.id))
        if self.known is None:
            self._prepare(ordered)
        rekeyed = self._carry(connection)
        complete = source_status.complete(connection, list(self.project.settings.sources), self.as_of)
        intents: list[Intent] = []
        taken: list[tuple[Evaluated, Decisions]] = []
        applied = decisions.Applied()
        for each in ordered:
            made = self._decisions(connection, each, complete, rekeyed)
            applied = applied | decisions.apply(connection, made, run_id=run_id)
            if self.known is not None and is_anybody_told(made):
                self._prepare(ordered)
            wanted = intents_of(self.project, self.lake, each.definition, each.frame, made, self.as_of)
            decisions.keep_intents(connection, wanted, applied)
            intents += [intent for intent in wanted if intent.announced]
            _count(summary, made)
            taken.append((each, made))
        self._clear(connection, taken)
        merged = plays.merge(intents)
        announced = len({m.account_key for m in merged if m.kind != "crm_update"})
        cap = runs.storm_cap(
            connection,
            self.now,
            floor=self.project.settings.storm_floor,
            factor=self.project.settings.storm_factor,
        )
        hold = announced > cap
        queued = outbox.enqueue(connection, merged, applied, run_id=run_id, now=self.now, hold=hold)
        summary |= {
            "run_id": run_id,
            "announced": 0 if hold else summary["announced"],  # what is held, nobody has been told
            "accounts_told_of": 0 if hold else announced,
            "queued": queued.pending,
            "held": queued.held,
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

    def _prepare(self, ordered: Sequence[Evaluated]) -> None:
        needs = {need for each in ordered for need in needs_of(each.definition)}
        self.project.lake.prepare(self.lake, sorted(needs, key=lambda need: need.key), [self.as_of])

    def _carry(self, connection: Connection) -> frozenset[str]:
        known = self.known
        if known is None:
            known = features.identity(self.lake, self.as_of, free_mail_domains=self.project.free_mail_domains)
        seen = [
            identity.Seen(raw_id, user_id, account_key, None if pd.isna(hint) else str(hint))
            for raw_id, user_id, account_key, hint in zip(
                known["raw_id"], known["user_id"], known["account_key"], known["account_hint"], strict=True
            )
        ]
        definitions = {d.id: d.subject for d in self.project.definitions}
        return identity.carry(connection, seen, as_of=self.as_of, definitions=definitions).rekeyed

    def _decisions(self, connection: Connection, each: Evaluated, complete: bool, rekeyed: frozenset[str]) -> Decisions:
        definition = each.definition
        runs.record_version(connection, definition.id, definition.rules_hash, now=self.now, title=definition.title)
        subjects = None if self.kind != "hourly" else set(each.frame["subject_key"])
        return qualification.decide(
            definition,
            each.frame,
            facts.read_facts(connection, definition.id, subjects, rekeyed=rekeyed),
            as_of=self.as_of,
            now=self.now,
            complete=complete,
            baseline=self._baseline(connection, definition),
            horizon=self.project.horizon,
        )

    def _baseline(self, connection: Connection, definition: Definition) -> Baseline:
        if definition.id in runs.read_baselines(connection):
            return "done"
        return "none" if self.kind == "hourly" else "is_first"

    def _clear(self, connection: Connection, taken: Sequence[tuple[Evaluated, Decisions]]) -> None:
        """Clear the marks these evaluations took care of: of subjects they decided, and of nobody's facts."""
        known = {
            each.definition.id: [m.fact_key for m in marks.read(connection, each.definition.id) if m.seq <= each.seq]
            for each, made in taken
            if not (made.live and made.why_nothing)
        }
        facts = sorted({key for keys in known.values() for key in keys})
        if not facts:
            return
        resolved = features.resolve_marks(
            self.lake, self.as_of, facts, free_mail_domains=self.project.free_mail_domains
        )
        for each, made in taken:
            kept = set(made.kept_newer)
            untouched = set(each.frame.loc[each.frame["subject_key"].isin(kept), "account_key"])
            done = [key for key in known.get(each.definition.id, ()) if not resolved[key] & untouched]
            marks.clear(connection, each.definition.id, done, seq_at_start=each.seq, as_of=self.as_of)


def _load(project: Project, key: Mapping[str, Any], as_of: datetime, kind: str) -> Evaluated:
    definition = project.definition(str(key["definition"]))
    frame = project.lake.read_scores(definition.id, kind, as_of)
    if frame is None:
        raise UserError(f"There is no {kind} snapshot of `{definition.id}` as of {as_of:%Y-%m-%d %H:%M} UTC to decide.")
    return Evaluated(definition, frame, int(key["seq"]), int(key.get("would_have_announced", 0)))


def _counts(
    evaluated: Sequence[Evaluated],
    reports: Sequence[Mapping[str, Any]],
    as_of: datetime,
    kind: str,
    live: bool,
) -> dict[str, Any]:
    accounts = {key for each in evaluated for key in each.frame["account_key"]}
    return {
        "kind": kind,
        "as_of": as_of.isoformat(),
        "live": live,
        "read": sum(int(r["read"]) for r in reports),
        "quarantined": sum(int(r["quarantined"]) for r in reports),
        "complete_to": {r["source"]: r["complete_to"] for r in reports},
        "evaluated": len(accounts),
        "newly_qualified": 0,
        "announced": 0,
        "accounts_told_of": 0,
        "silent": 0,
        "queued": 0,
        "held": 0,
        "would_have_announced": sum(e.would_have_announced for e in evaluated),
        "by_definition": {
            e.definition.id: {
                "evaluated": len(e.frame),
                "qualified": int(e.frame["qualified"].sum()),
                "would_have_announced": e.would_have_announced,
            }
            for e in evaluated
        },
    }


def _count(summary: dict[str, Any], made: Decisions) -> None:
    announced = sum(1 for each in made.opened if each.announced)
    summary["newly_qualified"] += len(made.opened)
    summary["announced"] += announced
    summary["silent"] += len(made.opened) - announced
    summary["by_definition"][made.definition] |= {
        "newly_qualified": len(made.opened),
        "announced": announced,
        "silent": len(made.opened) - announced,
        "left": len(made.closed),
        "other_triggers": sum(1 for each in made.occurrences_opened if each.announced),
        **({"decided_nothing": made.why_nothing} if made.why_nothing else {}),
    }
