"""One account as the page shows it: its rows, the history of its score, its stays, and what was sent about it.

Everything comes from what was stored by runs, so it is what was decided on, and fast. `insight.explain` computes anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, select

from pql import outbox, scoring, store
from pql.definition.model import Definition
from pql.insight.board.board import account_rows
from pql.insight.board.history import Point, history
from pql.insight.board.rows import BoardRow, whole_rows
from pql.insight.board.snapshots import Standing, newest, standing_of
from pql.outbox import Delivery
from pql.pipeline.project import Project
from pql.store import blocks
from pql.store.blocks import AccountBlock
from pql.store.instants import to_aware
from pql.store.tables import episodes
from pql.types import UserError


@dataclass(frozen=True)
class Reached:
    """One activation stage, and when it was reached."""

    name: str
    at: datetime | None


@dataclass(frozen=True)
class Stay:
    """One stay in the qualified state."""

    id: int
    subject_key: str
    opened_as_of: datetime
    score: int
    silent_reason: str | None
    released_at: datetime | None
    unqualified_since: datetime | None
    closed_as_of: datetime | None
    close_reason: str | None
    returns_after: datetime | None

    @property
    def waits(self) -> bool:
        """Whether it is open and nobody was told."""
        return self.closed_as_of is None and self.silent_reason is not None and self.released_at is None


@dataclass(frozen=True)
class Chapter:
    """What one definition says about one subject of the account."""

    row: BoardRow
    status: str  # of the definition: live or draft
    stages: tuple[Reached, ...]
    path: Mapping[str, Any] | None  # the tree through `qualify`; None where the rules have changed since
    history: tuple[Point, ...]
    stays: tuple[Stay, ...]
    champions: tuple[Mapping[str, Any], ...]  # as in the newest alert


@dataclass(frozen=True)
class Account:
    """Everything stored about one account."""

    key: str
    name: str
    chapters: tuple[Chapter, ...]
    deliveries: tuple[Delivery, ...]
    blocks: tuple[AccountBlock, ...]


def account(project: Project, key: str, *, now: datetime) -> Account:
    """The account of that key; UserError if no snapshot knows it."""
    rows = account_rows(project, key, now=now)
    if not rows:
        raise UserError(f"No account is known as `{key}`: it is in no snapshot of the definitions there are now.")
    standings = tuple(found for d in project.definitions if (found := newest(project, d, now=now)))
    whole = whole_rows(project, rows, standings)
    with store.reading(project.engine) as connection:
        stays = _stays(connection, key)
        sent = outbox.list_deliveries(connection, account_key=key, limit=200)
        blocked = blocks.active(connection, now, [key]).get(key, ())
    champions = _champions(stays, sent)
    with closing(project.lake.connect()) as lake:
        chapters = tuple(
            _chapter(
                row,
                standing_of(standings, row.definition),
                whole[row.definition, row.subject_key],
                history(project, lake, standing_of(standings, row.definition), row.subject_key),
                stays,
                champions,
            )
            for row in rows
        )
    return Account(key, rows[0].name, chapters, sent, blocked)


def _chapter(
    row: BoardRow,
    standing: Standing,
    whole: Mapping[str, Any],
    points: tuple[Point, ...],
    stays: list[Row[Any]],
    champions: Mapping[str, tuple[Mapping[str, Any], ...]],
) -> Chapter:
    definition = standing.definition
    current = whole.get("rules_hash") == definition.rules_hash
    own = [stay for stay in stays if (stay.definition, stay.subject_key) == (row.definition, row.subject_key)]
    return Chapter(
        row=row,
        status=definition.status,
        stages=_stages(definition, whole) if current else (),
        path=asdict(scoring.condition_tree(definition, pd.Series(whole))) if current else None,
        history=points,
        stays=tuple(_stay(stay) for stay in own),
        champions=champions.get(row.definition, ()),
    )


def _stages(definition: Definition, whole: Mapping[str, Any]) -> tuple[Reached, ...]:
    reached = [whole.get(f"stage_at.{index}") for index in range(len(definition.stages))]
    return tuple(Reached(stage.name, _instant(at)) for stage, at in zip(definition.stages, reached, strict=True))


def _stays(connection: Connection, key: str) -> list[Row[Any]]:
    """The account's stays, the newest first."""
    query = select(episodes).where(episodes.c.account_key == key).order_by(episodes.c.id.desc())
    return list(connection.execute(query))


def _stay(row: Row[Any]) -> Stay:
    return Stay(
        id=row.id,
        subject_key=row.subject_key,
        opened_as_of=to_aware(row.opened_as_of),
        score=row.score,
        silent_reason=row.silent_reason,
        released_at=to_aware(row.released_at),
        unqualified_since=to_aware(row.unqualified_since),
        closed_as_of=to_aware(row.closed_as_of),
        close_reason=row.close_reason,
        returns_after=to_aware(row.returns_after),
    )


def _champions(stays: list[Row[Any]], sent: tuple[Delivery, ...]) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """By definition the champions that its newest alert named."""
    found: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for each in sent:  # the newest first
        named = tuple(asdict(champion) for champion in each.alert.champions)
        for definition in each.alert.definitions if named else ():
            found.setdefault(definition, named)
    for stay in stays:
        kept = ((stay.alert or {}).get("alert") or {}).get("champions") or ()
        if kept:
            found.setdefault(stay.definition, tuple(kept))
    return found


def _instant(value: Any) -> datetime | None:
    return None if value is None or pd.isna(value) else to_aware(pd.Timestamp(value).to_pydatetime())
