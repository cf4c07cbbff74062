"""Announcements that late or corrected data takes back: announced stays in, why each had never begun out.

Asked of the lake, before the ledger is locked, and of few: stays of the last days whose subject does not qualify now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pql import scoring, store
from pql.definition.model import Definition
from pql.pipeline.moments import local_midnight
from pql.pipeline.project import Project
from pql.pipeline.snapshots import panel
from pql.qualification.model import Decisions
from pql.scoring import Step
from pql.store.announced import Announced, announced_since

Why = Mapping[tuple[int, str], str]  # (episode, its subject's key) → why it had not qualified, in words
Doubted = Mapping[str, Why]  # by definition
_MOST_SAID = 2


def look_back(project: Project, snapshots: Sequence[tuple[Definition, pd.DataFrame]], as_of: datetime) -> Doubted:
    """`taken_back` of every definition; `snapshots` are the night's."""
    return {definition.id: taken_back(project, definition, frame, as_of=as_of) for definition, frame in snapshots}


def why(made: Decisions, doubted: Doubted) -> dict[int, str]:
    """Of the stays that were decided to end as retracted, by episode: why."""
    known = doubted.get(made.definition, {})
    ended = {each.episode_id for each in made.closed if each.reason == "retracted"}
    return {episode: words for (episode, _), words in known.items() if episode in ended}


def taken_back(project: Project, definition: Definition, now: pd.DataFrame, *, as_of: datetime) -> Why:
    """Which announced stays of the definition had never begun by today's data, and why.

    `now` is the night's snapshot, scored at `as_of`. A stay is taken back if its subject qualifies neither now nor, by
    today's data, at the moment it was announced at nor at the end of that day; if every attribute that was known then
    is known still; and if nothing of the CRM is of a later date. Others stay, and may leave by what they do.
    """
    days = project.settings.retract_within_days
    if not days or definition.status != "live":
        return {}
    with store.reading(project.engine) as connection:
        open_stays = announced_since(connection, definition.id, definition.rules_hash, as_of - timedelta(days=days))
    unqualified = set(now.loc[~now["qualified"].to_numpy(dtype=bool), "subject_key"])
    doubted = [stay for stay in open_stays if stay.subject_key in unqualified and stay.opened_as_of <= as_of]
    ends = {stay.episode_id: min(_end_of_day(project, stay.opened_as_of), as_of) for stay in doubted}
    rows = _rows(project, definition, doubted, ends)
    doubted = [stay for stay in doubted if _is_surely_not(rows.get(stay.episode_id))]
    rows = _rows(project, definition, doubted, {stay.episode_id: stay.opened_as_of for stay in doubted})
    sure = [stay for stay in doubted if _is_surely_not(rows.get(stay.episode_id))]
    told = _told_by(project, definition, sure)
    return {
        (stay.episode_id, stay.subject_key): _why(project, definition, rows[stay.episode_id])
        for stay in sure
        if _is_known_as_well(rows[stay.episode_id], told.get(stay.episode_id))
    }


def _end_of_day(project: Project, moment: datetime) -> datetime:
    """The first local midnight at or after the moment: of stored days, an end costs nothing more to look at."""
    return local_midnight(moment, project.zone, -1)


def _rows(
    project: Project, definition: Definition, stays: Sequence[Announced], moments: Mapping[int, datetime]
) -> dict[int, pd.Series[Any]]:
    """Each stay's subject as it was at its moment, by today's data; none where nobody was found under its key."""
    if not stays:
        return {}
    wanted = sorted({moments[stay.episode_id] for stay in stays})
    with closing(project.lake.connect()) as lake:
        scored = panel(project, lake, definition, wanted, accounts={stay.account_key for stay in stays})
    found = {(row["as_of"].to_pydatetime(), row["subject_key"]): row for _, row in scored.iterrows()}
    keys = {stay.episode_id: (moments[stay.episode_id].replace(tzinfo=None), stay.subject_key) for stay in stays}
    return {episode: found[key] for episode, key in keys.items() if key in found}


def _is_surely_not(row: pd.Series[Any] | None) -> bool:
    """Whether it did not qualify, whatever is unknown of it or known only of a later date (SEM-M4, C1)."""
    if row is None or bool(row["crm_backdated"]) or bool(row["qualified"]):
        return False
    refused = [row["qualify"], row["only_ok"]]
    return any(not pd.isna(each) and not each for each in refused) or not row["alive"] or bool(row["excluded"])


def _told_by(project: Project, definition: Definition, stays: Sequence[Announced]) -> dict[int, pd.Series[Any]]:
    """Each stay's subject as the run saw it that announced it; none whose snapshot is not kept any more."""
    found = {}
    for kind, at in sorted({(stay.run_kind, stay.opened_as_of) for stay in stays}):
        here = {s.subject_key: s.episode_id for s in stays if (s.run_kind, s.opened_as_of) == (kind, at)}
        frame = project.lake.read_some_scores(definition.id, kind, at, set(here))
        for _, row in () if frame is None else frame.iterrows():
            found[here[str(row["subject_key"])]] = row
    return found


def _is_known_as_well(row: pd.Series[Any], then: pd.Series[Any] | None) -> bool:
    """Whether all attributes that were known to the run are known now: what is unknown takes nothing back."""
    if then is None:
        return False
    lost = (str(name) for name in then.index if str(name).startswith("attr.") and not pd.isna(then[name]))
    return not any(name in row.index and pd.isna(row[name]) for name in lost)


def _why(project: Project, definition: Definition, row: pd.Series[Any]) -> str:
    at = row["as_of"].tz_localize("UTC").tz_convert(project.zone)
    lacks = list(dict.fromkeys(_lacking(scoring.condition_tree(definition, row))))
    said = "; ".join(lacks[:_MOST_SAID]) + ("; …" if len(lacks) > _MOST_SAID else "")
    return f"by corrected data it did not qualify on {at:%Y-%m-%d %H:%M}" + (f": {said}" if said else "")


def _lacking(step: Step) -> Iterator[str]:
    """The conditions that failed, in words."""
    if step.verdict != "false":
        return
    if not step.parts or step.text == "not":
        yield " ".join([step.text, *(part.text for part in step.parts)])
    for part in step.parts if step.text != "not" else ():
        yield from _lacking(part)
