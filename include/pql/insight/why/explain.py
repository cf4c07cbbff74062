"""Why: one account at one moment, its stages, its points line by line, what moved them, its path through `qualify`,
what was decided, and the nearest ways to qualify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd

from pql import features, scoring, store
from pql.definition.model import Definition
from pql.insight.whom import account_and_user
from pql.insight.why import ledger_then
from pql.insight.why.ledger_then import LedgerThen
from pql.insight.why.moved import Then, moved
from pql.insight.why.nearby import narrow, users_of
from pql.insight.why.nearest import Rules, nearest
from pql.insight.why.verdict import blocked_by, verdict
from pql.pipeline.lake_at import DELTAS, champions_of
from pql.pipeline.moments import checked, local_midnight
from pql.pipeline.project import Project
from pql.usage import needs_of

SINCE = {"score_delta_night": "night", "score_delta_week": "week"}


def explain(
    project: Project, wanted: str, *, as_of: datetime, now: datetime, definition: str | None = None
) -> list[dict[str, Any]]:
    """One explanation for each definition (or the one named) and subject of the account, as plain values.

    A user's key or id stands for its account; a definition of users then explains that user alone.

    By today's data and rules, as of `as_of`: definition, title, subject_key, account_key, name, as_of, size,
    size_unknown, activation_pct, stages (stage, reached_at), score, grade, lines (points, text; they add up to the
    score), path (the tree through `qualify`: text, verdict, parts, name, wanted, actual), qualified, champions, nearest
    (see `insight.nearest`), moved (`night` and `week`: see `insight.moved`), score_delta_night, score_delta_week,
    data_to (when the newest event of all happened: nothing is known of the time since).

    As the ledger had it then: alert (why it did or did not), seen (run, kind, as_of, decided_at, score, qualified, by
    the rules and data of that run; None if no run had looked), episodes, blocks, deliveries (with today's state).

    Raises UserError for an account or a definition that is not there, or a moment in the future.
    """
    as_of = checked(as_of, now)
    key, user = account_and_user(project, wanted, now=as_of)
    chosen = project.definitions if definition is None else (project.definition(definition),)
    if not chosen:
        return []
    moments = _moments(project, as_of)
    with closing(project.lake.connect()) as lake:
        newest = project.lake.newest(lake)
        _prepare(project, lake, chosen, sorted({as_of, *moments.values()}), key)
        champions = [asdict(c) for c in champions_of(project, lake, chosen[0], {key}, as_of).get(key, ())]
        found = []
        for each in chosen:
            about = _About(project, each, as_of, now, moments)
            more = {"champions": champions, "data_to": _instant(_naive(newest)) if newest else None}
            alone = user if each.subject == "user" else None
            found += [one | more for one in about.subjects(lake, key, alone)]
    return found


def _moments(project: Project, as_of: datetime) -> dict[str, datetime]:
    """The nights that deltas are taken against (SEM-S3)."""
    return {SINCE[name]: local_midnight(as_of, project.zone, nights) for name, nights in DELTAS.items()}


def _prepare(
    project: Project,
    lake: duckdb.DuckDBPyConnection,
    definitions: Sequence[Definition],
    moments: Sequence[datetime],
    key: str,
) -> None:
    needs = {need for definition in definitions for need in needs_of(definition)}
    project.lake.prepare(lake, sorted(needs, key=lambda need: need.key), moments)
    narrow(lake, key, users_of(project.engine, key))


class _About:
    """One definition's explanations of the subjects of one account."""

    def __init__(
        self, project: Project, definition: Definition, as_of: datetime, now: datetime, moments: dict[str, datetime]
    ) -> None:
        self.project, self.definition, self.as_of, self.now, self.moments = project, definition, as_of, now, moments
        self.rules = Rules(definition, project.settings.timezone, tuple(project.settings.own_domains))

    def subjects(self, lake: duckdb.DuckDBPyConnection, key: str, alone: str | None = None) -> list[dict[str, Any]]:
        """One explanation per subject seen by then, or of the one `alone`; `lake` is narrowed to the account."""
        rows = self.rules.score(
            features.build(
                lake,
                self.definition,
                sorted({self.as_of, *self.moments.values()}),
                timezone=self.project.settings.timezone,
                free_mail_domains=self.project.free_mail_domains,
                accounts={key},
            )
        )
        here = rows[rows["as_of"] == _naive(self.as_of)]
        if alone is not None:
            here = here[here["subject_key"] == alone]
        subjects = list(here["subject_key"])
        stored = {
            at: self.project.lake.read_some_scores(self.definition.id, "nightly", at, subjects)
            for at in self.moments.values()
        }
        return [self.explained(here.iloc[[i]].reset_index(drop=True), rows, stored) for i in range(len(here))]

    def explained(
        self, row: pd.DataFrame, rows: pd.DataFrame, stored: dict[datetime, pd.DataFrame | None]
    ) -> dict[str, Any]:
        with store.reading(self.project.engine) as connection:
            then = ledger_then.read(self.project, connection, self.definition, row.iloc[0], self.as_of, self.now)
        subject = row["subject_key"].iloc[0]
        moves = {
            since: moved(
                self.definition,
                row,
                Then(
                    at,
                    stored[at] is not None,
                    _of(stored[at], subject),
                    _of(rows[rows["as_of"] == _naive(at)], subject),
                ),
                timezone=self.project.settings.timezone,
            )
            for since, at in self.moments.items()
        }
        return {
            **_score_part(self.definition, row.iloc[0]),
            **{name: moves[since]["delta"] for name, since in SINCE.items()},
            "moved": moves,
            "nearest": nearest(self.rules, row, blocked=blocked_by(row, then)),
            **_ledger_part(then),
            "alert": verdict(self.definition, row, then, now=self.now, zone=self.project.zone),
        }


def _own_domain(plain: Mapping[str, Any]) -> Any:
    return None if plain.get("is_free_mail") else _known(plain.get("domain"))


def _score_part(definition: Definition, row: pd.Series[Any]) -> dict[str, Any]:
    plain = {str(name): value for name, value in row.items()}
    return {
        "definition": definition.id,
        "title": definition.title,
        "subject_key": plain["subject_key"],
        "account_key": plain["account_key"],
        "name": _known(plain.get("attr.name")) or _own_domain(plain) or plain["subject_key"],
        "as_of": plain["as_of"].isoformat(),
        "size": plain["size"],
        "size_unknown": bool(plain["size_unknown"]),
        "activation_pct": int(plain["activation_pct"]),
        "stages": [
            {"stage": stage.name, "reached_at": _instant(plain.get(f"stage_at.{index}"))}
            for index, stage in enumerate(definition.stages)
        ],
        "score": int(plain["score"]),
        "grade": plain["grade"],
        "lines": [asdict(reason) for reason in scoring.reasons(definition, plain)],
        "path": asdict(scoring.condition_tree(definition, row)),
        "qualified": bool(plain["qualified"]),
    }


def _ledger_part(then: LedgerThen) -> dict[str, Any]:
    look = then.look
    seen = None
    if look is not None:
        seen = {
            "run": look.run_id,
            "kind": look.kind,
            "as_of": look.as_of.isoformat(),
            "decided_at": look.decided_at.isoformat(),
            "score": int(look.row["score"]),
            "qualified": bool(look.row["qualified"]),
            "rules_hash": str(look.row["rules_hash"]),
        }
    return {
        "seen": seen,
        "episodes": [
            {
                "opened_as_of": stay.opened_as_of.isoformat(),
                "silent_reason": stay.silent_reason,
                "released": stay.released_at is not None,
                "closed_as_of": _instant(stay.closed_as_of),
                "close_reason": stay.close_reason,
                "returns_after": _instant(stay.returns_after),
            }
            for stay in then.stays
        ],
        "blocks": [{"kind": b.kind, "reason": b.reason, "until": _instant(b.until)} for b in then.blocks],
        "deliveries": [
            {"id": d.id, "what": d.what, "state": d.state, "receipt": d.receipt, "reason": d.reason} for d in then.sent
        ],
    }


def _of(rows: pd.DataFrame | None, subject: str) -> pd.DataFrame | None:
    """The subject's row alone, None if there is none."""
    if rows is None:
        return None
    found = rows[rows["subject_key"] == subject].reset_index(drop=True)
    return found if len(found) else None


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _known(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value


def _instant(value: Any) -> str | None:
    return None if _known(value) is None else str(value.isoformat())
