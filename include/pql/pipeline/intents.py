"""From decisions to intended actions: the snapshot gets its deltas, the accounts their champions, plays do the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import duckdb
import pandas as pd

from pql import features, plays
from pql.definition.model import Definition
from pql.pipeline.moments import local_midnight
from pql.pipeline.project import Project
from pql.plays.model import Intent
from pql.qualification.model import Decisions
from pql.types import Champion

DELTAS = {"score_delta_night": 0, "score_delta_week": 6}  # nights before the previous one


def intents_of(
    project: Project,
    lake: duckdb.DuckDBPyConnection,
    definition: Definition,
    frame: pd.DataFrame,
    made: Decisions,
    as_of: datetime,
) -> tuple[Intent, ...]:
    """What the definition's plays want done about `made`; `lake` is prepared for the definition at `as_of`."""
    if not is_anybody_told(made):
        return ()
    fired = _fired(made)
    rows = with_deltas(project, definition, frame[frame["subject_key"].isin(fired)], as_of)
    return plays.intend(
        definition,
        made,
        rows,
        champions=champions_of(project, lake, definition, set(rows["account_key"]), as_of),
        timezone=project.settings.timezone,
    )


def is_anybody_told(made: Decisions) -> bool:
    """Whether `made` calls for intents at all (those of silent openings are kept for a release)."""
    return bool(_fired(made))


def _fired(made: Decisions) -> set[str]:
    return {o.subject_key for o in made.opened} | {o.subject_key for o in made.occurrences_opened if o.announced}


def with_deltas(project: Project, definition: Definition, frame: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """`frame` with `score_delta_night` and `_week`, read from nightly snapshots; NaN if there is none (SEM-S3)."""
    added = {}
    for name, nights in DELTAS.items():
        then = local_midnight(as_of, project.zone, nights)
        before = project.lake.read_scores(definition.id, "nightly", then)
        known = before.set_index("subject_key")["score"] if before is not None else pd.Series(dtype="float64")
        added[name] = frame["score"] - frame["subject_key"].map(known).astype("float64")
    return frame.assign(**added)


def champions_of(
    project: Project,
    lake: duckdb.DuckDBPyConnection,
    definition: Definition,
    account_keys: set[str],
    as_of: datetime,
) -> Mapping[str, tuple[Champion, ...]]:
    """The most engaged users of each account, the first first."""
    found = features.champions(
        lake,
        as_of,
        sorted(account_keys),
        definition,
        timezone=project.settings.timezone,
        free_mail_domains=project.free_mail_domains,
    )
    champions: dict[str, tuple[Champion, ...]] = {}
    for row in found.astype(object).where(found.notna(), None).to_dict("records"):
        name = str(row["name"] or row["email"] or row["user_id"])
        champion = Champion(name, int(row["actions"]), int(row["days"]), str(row["email"] or ""))
        champions[row["account_key"]] = (*champions.get(row["account_key"], ()), champion)
    return champions
