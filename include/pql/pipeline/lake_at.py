"""The lake as a decision at T needs it: who is who, whose news the marks are, and what alerts say beyond the snapshot.

Everything is asked before the ledger is locked and kept; asked again under the lock, it is answered from memory.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import pandas as pd

from pql import features
from pql.definition.model import Definition
from pql.pipeline.moments import local_midnight
from pql.pipeline.project import Project
from pql.types import Champion
from pql.usage import needs_of

DELTAS = {"score_delta_night": 0, "score_delta_week": 6}  # nights before the previous one

Champions = Mapping[str, tuple[Champion, ...]]  # by account key, the most engaged first


@dataclass
class LakeAt:
    """One connection, prepared for these definitions at one moment when something first needs it."""

    project: Project
    connection: duckdb.DuckDBPyConnection
    definitions: Sequence[Definition]
    as_of: datetime
    _is_prepared: bool = False
    _champions: dict[tuple[str, str], tuple[Champion, ...]] = field(default_factory=dict)  # (definition, account)
    _scores: dict[str, dict[str, pd.Series]] = field(default_factory=dict)  # definition → delta's name → by subject

    def identity(self) -> pd.DataFrame:
        """Everybody's user and account, as `features.identity` gives them."""
        self._prepare()
        return features.identity(self.connection, self.as_of, free_mail_domains=self.project.free_mail_domains)

    def accounts_of(self, fact_keys: Collection[str]) -> dict[str, set[str]]:
        """For each marked fact the accounts it is about."""
        if not fact_keys:
            return {}
        self._prepare()
        domains = self.project.free_mail_domains
        return features.resolve_marks(self.connection, self.as_of, sorted(fact_keys), free_mail_domains=domains)

    def with_deltas(self, definition: Definition, rows: pd.DataFrame) -> pd.DataFrame:
        """`rows` with the change of their score since last night and in a week (SEM-S3)."""
        if definition.id not in self._scores:
            self._scores[definition.id] = scores_before(self.project, definition, self.as_of)
        return with_deltas(rows, self._scores[definition.id])

    def champions(self, definition: Definition, account_keys: Collection[str]) -> Champions:
        """The most engaged users of each account."""
        missing = {key for key in account_keys if (definition.id, key) not in self._champions}
        if missing:
            self._prepare()
            found = champions_of(self.project, self.connection, definition, missing, self.as_of)
            self._champions |= {(definition.id, key): found.get(key, ()) for key in missing}
        return {key: self._champions[definition.id, key] for key in account_keys}

    def _prepare(self) -> None:
        if not self._is_prepared:
            needs = {need for definition in self.definitions for need in needs_of(definition)}
            self.project.lake.prepare(self.connection, sorted(needs, key=lambda need: need.key), [self.as_of])
            self._is_prepared = True


def scores_before(project: Project, definition: Definition, as_of: datetime) -> dict[str, pd.Series]:
    """For each delta the scores it is taken against, by subject key; empty where that night has no snapshot."""
    scores = {}
    for name, nights in DELTAS.items():
        then = project.lake.read_scores(definition.id, "nightly", local_midnight(as_of, project.zone, nights))
        scores[name] = pd.Series(dtype="float64") if then is None else then.set_index("subject_key")["score"]
    return scores


def with_deltas(rows: pd.DataFrame, scores: Mapping[str, pd.Series]) -> pd.DataFrame:
    """`rows` with `score_delta_night` and `_week`; NaN where the subject had no score then (SEM-S3)."""
    subjects = rows["subject_key"]
    return rows.assign(
        **{name: rows["score"] - subjects.map(known).astype("float64") for name, known in scores.items()}
    )


def champions_of(
    project: Project,
    lake: duckdb.DuckDBPyConnection,
    definition: Definition,
    account_keys: Collection[str],
    as_of: datetime,
) -> Champions:
    """The most engaged users of each account that has any; `lake` is prepared for the definition at `as_of`."""
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
