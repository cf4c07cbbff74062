"""Rows of the board: lines of its table in, typed rows out; the reasons and names come from whole snapshot rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from pql import scoring
from pql.definition.model import Definition
from pql.insight.board.snapshots import Standing, standing_of
from pql.pipeline.project import Project
from pql.plays.alert import name_of
from pql.types import Reason


@dataclass(frozen=True)
class BoardRow:
    """One subject as the newest snapshot of one definition has it, and where it stands with sales."""

    definition: str
    title: str
    subject_key: str
    account_key: str
    name: str
    domain: str
    size: str
    size_unknown: bool
    employees: int | None
    owner: str
    plan: str
    activation_pct: int | None  # None: the definition has no stages
    score: int
    delta_night: int | None
    delta_week: int | None
    grade: str
    grade_10: int
    qualified: bool
    state: str  # one of STATES
    since: datetime | None  # when its open episode began
    as_of: datetime
    reasons: tuple[Reason, ...] = ()  # the strongest lines; empty where the rules have changed since the snapshot


def rows_of(frame: pd.DataFrame, standings: tuple[Standing, ...]) -> tuple[BoardRow, ...]:
    plain = frame.astype(object).where(frame.notna(), None)
    return tuple(
        _row(standing_of(standings, values["definition"]).definition, values) for values in plain.to_dict("records")
    )


def _row(definition: Definition, values: Mapping[Any, Any]) -> BoardRow:
    return BoardRow(
        definition=definition.id,
        title=definition.title,
        subject_key=values["subject_key"],
        account_key=values["account_key"],
        name=values["name"],
        domain=values["domain"],
        size=values["size"],
        size_unknown=bool(values["size_unknown"]),
        employees=_whole(values["employees"]),
        owner=values["owner"],
        plan=values["plan"],
        activation_pct=_whole(values["activation_pct"]) if definition.stages else None,
        score=int(values["score"]),
        delta_night=_whole(values["delta_night"]),
        delta_week=_whole(values["delta_week"]),
        grade=values["grade"],
        grade_10=int(values["grade_10"]),
        qualified=bool(values["qualified"]),
        state=values["state"],
        since=None if values["since"] is None else _aware(values["since"]),
        as_of=_aware(values["as_of"]),
    )


def _whole(value: Any) -> int | None:
    return None if value is None else round(value)


def _aware(value: pd.Timestamp) -> datetime:
    """DuckDB's naive UTC as an aware instant."""
    aware: datetime = value.tz_localize("UTC").to_pydatetime()
    return aware


def with_reasons(
    project: Project, rows: tuple[BoardRow, ...], standings: tuple[Standing, ...], limit: int | None = 3
) -> tuple[BoardRow, ...]:
    """The rows with their strongest reasons and the name that messages use, from their whole snapshot rows."""
    whole = whole_rows(project, rows, standings)
    found = []
    for row in rows:
        kept = whole.get((row.definition, row.subject_key))
        definition = standing_of(standings, row.definition).definition
        if kept is None or kept.get("rules_hash") != definition.rules_hash:
            found.append(row)
            continue
        reasons = tuple(scoring.reasons(definition, kept))[:limit]
        found.append(replace(row, name=name_of(definition, kept), reasons=reasons))
    return tuple(found)


def whole_rows(
    project: Project, rows: tuple[BoardRow, ...], standings: tuple[Standing, ...]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The snapshot rows behind board rows, whole, by definition and subject."""
    wanted: dict[tuple[str, datetime], set[str]] = {}
    for row in rows:
        wanted.setdefault((row.definition, row.as_of), set()).add(row.subject_key)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for (id, as_of), subjects in wanted.items():
        kind = standing_of(standings, id).kind(as_of)
        frame = project.lake.read_some_scores(id, kind, as_of, subjects)
        for values in [] if frame is None else frame.to_dict("records"):
            found[id, values["subject_key"]] = {str(name): value for name, value in values.items()}
    return found
