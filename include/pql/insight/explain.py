"""Why: one account at one moment, its stages, its points line by line, its path through `qualify`, what was decided."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import select

from pql import outbox, scoring, store
from pql.definition.model import Definition
from pql.insight.whom import account_key
from pql.pipeline.lake_at import champions_of, scores_before, with_deltas
from pql.pipeline.moments import checked
from pql.pipeline.project import Project
from pql.pipeline.snapshots import panel
from pql.store import blocks
from pql.store.instants import to_aware
from pql.store.tables import decided, episodes


def explain(project: Project, wanted: str, *, as_of: datetime, now: datetime) -> list[dict[str, Any]]:
    """One explanation for each definition and subject of the account, as plain values.

    Keys: definition, title, subject_key, account_key, name, as_of, activation_pct, stages, score, lines (they add up
    to the score), score_delta_night, score_delta_week, grade, path (the tree through `qualify`), qualified,
    champions, episodes, deliveries, blocks, alert (why it did or did not).
    """
    as_of = checked(as_of, now)
    key = account_key(project, wanted, now=as_of)
    explained = []
    with closing(project.lake.connect()) as lake:
        for definition in project.definitions:
            rows = panel(project, lake, definition, [as_of], {key})
            rows = with_deltas(rows, scores_before(project, definition, as_of)).reset_index(drop=True)
            champions = champions_of(project, lake, definition, {key}, as_of).get(key, ())
            for position in range(len(rows)):
                one = _score_part(definition, rows.iloc[position])
                one["champions"] = [asdict(c) for c in champions]
                explained.append(one | _ledger_part(project, definition, one, as_of, now))
    return explained


def _score_part(definition: Definition, row: pd.Series[Any]) -> dict[str, Any]:
    plain = {str(name): value for name, value in row.items()}
    return {
        "definition": definition.id,
        "title": definition.title,
        "subject_key": plain["subject_key"],
        "account_key": plain["account_key"],
        "name": _known(plain.get("attr.name")) or plain["subject_key"],
        "as_of": plain["as_of"].isoformat(),
        "size": plain["size"],
        "activation_pct": int(plain["activation_pct"]),
        "stages": [
            {"stage": stage.name, "reached_at": _instant(plain.get(f"stage_at.{index}"))}
            for index, stage in enumerate(definition.stages)
        ],
        "score": int(plain["score"]),
        "score_delta_night": _known(plain.get("score_delta_night")),
        "score_delta_week": _known(plain.get("score_delta_week")),
        "grade": plain["grade"],
        "lines": [asdict(reason) for reason in scoring.reasons(definition, plain)],
        "path": asdict(scoring.condition_tree(definition, row)),
        "qualified": bool(plain["qualified"]),
    }


def _ledger_part(
    project: Project, definition: Definition, one: dict[str, Any], as_of: datetime, now: datetime
) -> dict[str, Any]:
    subject, account = one["subject_key"], one["account_key"]
    with store.reading(project.engine) as connection:
        stays = connection.execute(
            select(episodes)
            .where(episodes.c.definition == definition.id, episodes.c.subject_key == subject)
            .order_by(episodes.c.id)
        ).all()
        at = connection.execute(
            select(decided.c.decided_as_of).where(
                decided.c.definition == definition.id, decided.c.subject_key == subject
            )
        ).scalar()
        active = blocks.active(connection, now, [account]).get(account, ())
        sent = [
            d for d in outbox.list_deliveries(connection, account_key=account) if definition.id in d.alert.definitions
        ]
    found = [
        {
            "opened_as_of": to_aware(stay.opened_as_of).isoformat(),
            "silent_reason": stay.silent_reason,
            "released": stay.released_at is not None,
            "closed_as_of": _aware(stay.closed_as_of),
            "close_reason": stay.close_reason,
            "returns_after": _aware(stay.returns_after),
        }
        for stay in stays
    ]
    return {
        "episodes": found,
        "blocks": [{"kind": b.kind, "reason": b.reason, "until": _instant(b.until)} for b in active],
        "deliveries": [
            {"id": d.id, "what": d.lane, "state": d.state, "receipt": d.receipt, "reason": d.reason} for d in sent
        ],
        "alert": _verdict(definition, one, found, bool(active), at is not None),
    }


SILENCES = {
    "baseline": "it was already qualified when the definition went live (the silent baseline)",
    "stale": "by today's data and rules it qualified a week earlier already: old news",
    "identity": "its account key changed in that run, which announces nothing",
    "at_most": "the play had fired within its period already",
}


def _verdict(
    definition: Definition, one: dict[str, Any], stays: list[dict[str, Any]], blocked: bool, was_decided: bool
) -> str:
    """Why it alerted, or did not, in one sentence."""
    current = next((stay for stay in reversed(stays) if stay["closed_as_of"] is None), None)
    if definition.status != "live":
        return f"no alert: the definition is {definition.status}"
    if current is not None and (current["silent_reason"] is None or current["released"]):
        return f"announced: an episode is open since {current['opened_as_of'][:16]}"
    if current is not None:
        reason = SILENCES.get(current["silent_reason"], current["silent_reason"])
        return f"no alert: open since {current['opened_as_of'][:16]}, silently, because {reason} (pql release)"
    if blocked:
        return "no alert: the account is blocked"
    if stays and stays[-1]["returns_after"]:
        last = stays[-1]
        return f"no alert: its last stay ended ({last['close_reason']}), it can return {last['returns_after'][:16]}"
    if not one["qualified"]:
        return "no alert: it does not qualify"
    return (
        "no alert yet: it qualifies and waits for the next live run"
        if was_decided
        else "no alert: no live run has looked at it yet"
    )


def _known(value: Any) -> Any:
    return None if value is None or pd.isna(value) else value


def _instant(value: Any) -> str | None:
    return None if _known(value) is None else str(value.isoformat())


def _aware(value: datetime | None) -> str | None:
    return None if value is None else to_aware(value).isoformat()
