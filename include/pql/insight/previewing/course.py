"""History, gone through once with both definitions side by side: moments in, whom each finds and tells of out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import pandas as pd

from pql import features
from pql.definition.model import Definition
from pql.insight.previewing.lacks import lacks
from pql.insight.previewing.period import ROWS_A_PASS, Period, crm_known_to, passes
from pql.insight.previewing.purchases import Purchases, read_purchases
from pql.insight.previewing.rehearsal import Opening, Rehearsal, Told, seen_in
from pql.pipeline.project import Project
from pql.pipeline.snapshots import snapshots
from pql.scoring.reasons import is_unknown
from pql.types import Progress

SIZE = "size"


@dataclass(frozen=True)
class Find:
    """A subject found by one definition, with its keys as they are at the end."""

    opening: Opening
    subject_key: str
    account_key: str
    segment: str
    missing: tuple[
        tuple[str, str], ...
    ]  # what the other definition asked for besides: with what was found, and without


@dataclass(frozen=True)
class Course:
    """How the period went with one definition."""

    definition: Definition
    finds: tuple[Find, ...]
    told: tuple[Told, ...]


@dataclass
class _Side:
    definition: Definition
    rehearsal: Rehearsal
    finds: list[Find] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


def go_through(
    project: Project,
    definitions: Sequence[Definition],
    period: Period,
    *,
    by: str = SIZE,
    progress: Progress | None = None,
    rows_a_pass: int = ROWS_A_PASS,
) -> tuple[tuple[Course, ...], Purchases]:
    """The course of one or two definitions over the period, and who bought."""
    with ExitStack() as stack:
        lake = stack.enter_context(closing(project.lake.connect()))
        sides = [_Side(d, stack.enter_context(closing(Rehearsal(project, d)))) for d in definitions]
        for batch in _batches(project, lake, sides, period, by, rows_a_pass, progress or _untold):
            _live_through(batch, sides, by)
            del batch  # before the next one is made: they are large
        purchases = _finish(project, lake, sides, period)
    return tuple(Course(s.definition, tuple(s.finds), tuple(s.told)) for s in sides), purchases


@dataclass(frozen=True)
class _Batch:
    """Snapshots of each side and identities of some moments."""

    frames: Sequence[Mapping[datetime, pd.DataFrame]]
    known: Mapping[datetime, pd.DataFrame]


def _batches(
    project: Project,
    lake: duckdb.DuckDBPyConnection,
    sides: Sequence[_Side],
    period: Period,
    by: str,
    rows_a_pass: int,
    progress: Progress,
) -> Iterator[_Batch]:
    """The first moment by itself, which tells how many rows a moment has; then as many as can be held."""
    extra = () if by == SIZE else (by,)

    def batch(moments: Sequence[datetime]) -> _Batch:
        frames, before = [], period.moments.index(moments[0])
        for n, side in enumerate(sides):
            share = (before + len(moments) * n / len(sides)) / len(period.moments)
            progress(f"{moments[0]:%Y-%m-%d} to {moments[-1]:%Y-%m-%d}", share)
            frames.append(snapshots(project, lake, side.definition, moments, period.step, extra_attributes=extra))
        return _Batch(frames, features.identities(lake, moments, free_mail_domains=project.free_mail_domains))

    head = batch(period.moments[:1])
    rows = max(len(frame) for frames in head.frames for frame in frames.values())
    yield head
    del head
    for moments in passes(period.moments[1:], rows, rows_a_pass):
        yield batch(moments)


def _untold(what: str, share: float) -> None:
    """Nobody is watching."""


def _live_through(batch: _Batch, sides: Sequence[_Side], by: str) -> None:
    for moment, who in batch.known.items():
        seen = seen_in(who)
        at = [frames[moment] for frames in batch.frames]
        opened = []
        for side, frame in zip(sides, at, strict=True):
            openings, told = side.rehearsal.decide(frame, seen, moment)
            side.told.append(told)
            opened.append(openings)
        for i, side in enumerate(sides):
            side.finds += [_find(opening, i, sides, at, by) for opening in opened[i]]


def _find(opening: Opening, i: int, sides: Sequence[_Side], at: Sequence[pd.DataFrame], by: str) -> Find:
    segment, missing = "", tuple[tuple[str, str], ...]()
    if opening.row is not None:
        rows = [_row_of(frame, opening, side, sides[i]) for frame, side in zip(at, sides, strict=True)]
        segment = _segment(rows, sides, by)
        missing = lacks(sides[1 - i].definition, rows[1 - i]) if len(sides) > 1 else ()
    return Find(opening, opening.subject_key, "", segment, missing)


def _row_of(frame: pd.DataFrame, opening: Opening, side: _Side, finder: _Side) -> pd.Series | None:
    """The subject's row; of a definition of other subjects that of its account, if it is one."""
    assert opening.row is not None
    same = side.definition.subject == finder.definition.subject
    key = opening.subject_key if same else opening.row["account_key"]
    found = frame[frame["subject_key"] == key]
    return found.iloc[0] if len(found) else None


def _segment(rows: Sequence[pd.Series | None], sides: Sequence[_Side], by: str) -> str:
    """By the new definition's own sizes, else by the old one's; an attribute as it was then."""
    if by == SIZE:
        sized = [row for row, side in zip(rows, sides, strict=True) if side.definition.size is not None]
        return "" if not sized or sized[0] is None else str(sized[0]["size"])
    row = next((row for row in rows if row is not None), None)
    value = None if row is None else row.get(f"attr.{by}")
    if is_unknown(value):
        return "unknown"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _finish(project: Project, lake: duckdb.DuckDBPyConnection, sides: Sequence[_Side], period: Period) -> Purchases:
    """Who bought since, and everybody found under the keys of the end."""
    known_to = crm_known_to(project)
    end = max(period.moments[-1], known_to or period.moments[-1])
    purchases = Purchases()
    if known_to is not None:
        purchases = read_purchases(project, lake, sides[0].definition, at=end, known_to=known_to)
    else:
        project.lake.prepare(lake, [], [end])
    who = features.identities(lake, [end], free_mail_domains=project.free_mail_domains)[end]
    seen = seen_in(who)
    for side in sides:
        keys = side.rehearsal.keys(seen, end)
        side.finds = [Find(f.opening, *keys[f.opening.episode], f.segment, f.missing) for f in side.finds]
    return purchases
