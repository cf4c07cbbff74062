"""Compute score snapshots: lake + definition + moments in, one frame per moment out. Nothing is written here.

A snapshot holds what is true at T and, from the same pass over today's data and today's rules, what a decision
compares it with: whether the subject qualified a week ago (SEM-D3), one period ago (SEM-D6), and each play's trigger
now and then (SEM-D4).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate

import duckdb
import pandas as pd

from pql import features, qualification, scoring
from pql.definition.model import Definition
from pql.pipeline.project import Project
from pql.usage import needs_of


def snapshots(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    moments: Sequence[datetime],
    period: timedelta,
    extra_attributes: Sequence[str] = (),
) -> dict[datetime, pd.DataFrame]:
    """One snapshot per moment, sorted by subject key, for every subject seen before it.

    `extra_attributes` are looked up beside those the definition reads.
    """
    rows = inputs(project, connection, definition, moments, period, extra_attributes=extra_attributes)
    return of_inputs(project, definition, moments, period, rows)


def inputs(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    moments: Sequence[datetime],
    period: timedelta,
    accounts: Collection[str] | None = None,
    facts: Collection[str] = (),
    extra_attributes: Sequence[str] = (),
) -> pd.DataFrame:
    """What the snapshots of these moments are made of; the connection is not needed after that.

    `accounts` keeps to these accounts and to those that `facts` are about at the last moment.
    """
    zone = project.settings.timezone
    wanted = sorted({m for t in moments for m in qualification.moments_needed(definition, t, period, timezone=zone)})
    return scored_inputs(project, connection, definition, wanted, accounts, facts, extra_attributes)


def of_inputs(
    project: Project, definition: Definition, moments: Sequence[datetime], period: timedelta, rows: pd.DataFrame
) -> dict[datetime, pd.DataFrame]:
    """One snapshot per moment from `inputs` of these moments."""
    zone = project.settings.timezone
    wanted = {m for t in moments for m in qualification.moments_needed(definition, t, period, timezone=zone)}
    at = {moment: rows[rows["as_of"] == _naive(moment)] for moment in wanted}
    before = {t: qualification.period_before(t, period, zone) for t in moments}
    plain = sorted({*moments, *before.values()})
    scored = _score(project, definition, rows[rows["as_of"].isin([_naive(moment) for moment in plain])])
    seen = {moment: scored[scored["as_of"] == _naive(moment)].reset_index(drop=True) for moment in plain}
    past = _past(project, definition, moments, at)
    return {t: _snapshot(definition, t, {t: seen[t], **past[t]}, seen[before[t]], zone) for t in moments}


def panel(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    moments: Sequence[datetime],
    accounts: Collection[str] | None = None,
) -> pd.DataFrame:
    """One scored row per subject (or those of `accounts`) and moment, in one pass."""
    return _score(project, definition, scored_inputs(project, connection, definition, moments, accounts))


def scored_inputs(
    project: Project,
    connection: duckdb.DuckDBPyConnection,
    definition: Definition,
    moments: Sequence[datetime],
    accounts: Collection[str] | None = None,
    facts: Collection[str] = (),
    extra_attributes: Sequence[str] = (),
) -> pd.DataFrame:
    """The feature rows that scores are computed from, for all moments in one pass."""
    project.lake.prepare(connection, needs_of(definition), list(moments))
    return features.build(
        connection,
        definition,
        list(moments),
        timezone=project.settings.timezone,
        free_mail_domains=project.free_mail_domains,
        accounts=accounts,
        facts=facts,
        extra_attributes=extra_attributes,
    )


def _past(
    project: Project, definition: Definition, moments: Sequence[datetime], at: Mapping[datetime, pd.DataFrame]
) -> dict[datetime, dict[datetime, pd.DataFrame]]:
    """For each T the scores of the moments it is compared with, what was unknown then being filled from T (SEM-D3)."""
    zone = project.settings.timezone
    pairs = [
        (t, then) for t in moments for then in qualification.moments_needed(definition, t, timezone=zone) if then != t
    ]
    filled = [qualification.fill_unknown(definition, at[then], at[t]) for t, then in pairs]
    scored = _score(project, definition, pd.concat(filled, ignore_index=True))
    ends = list(accumulate(map(len, filled)))
    past: dict[datetime, dict[datetime, pd.DataFrame]] = {t: {} for t in moments}
    for (t, then), rows, end in zip(pairs, filled, ends, strict=True):
        past[t][then] = scored.iloc[end - len(rows) : end].reset_index(drop=True)
    return past


def _snapshot(
    definition: Definition, t: datetime, frames: Mapping[datetime, pd.DataFrame], before: pd.DataFrame, zone: str
) -> pd.DataFrame:
    """The snapshot of T: `frames` holds the scores of T and of what it is compared with, `before` of a period ago."""
    snapshot = qualification.with_past(definition, frames, t, timezone=zone)
    newly = qualification.would_have_announced(frames[t], before)
    return (
        snapshot.assign(would_have_announced=snapshot["subject_key"].isin(newly))
        .sort_values("subject_key")
        .reset_index(drop=True)
    )


def _score(project: Project, definition: Definition, rows: pd.DataFrame) -> pd.DataFrame:
    return scoring.score(
        definition, rows, timezone=project.settings.timezone, own_domains=tuple(project.settings.own_domains)
    )


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
