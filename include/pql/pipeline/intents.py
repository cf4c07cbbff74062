"""From decisions to intended actions: the snapshot gets its deltas, the accounts their champions, plays do the rest."""

from __future__ import annotations

import pandas as pd

from pql import plays
from pql.definition.model import Definition
from pql.pipeline.lake_at import Champions, LakeAt
from pql.plays.model import Intent
from pql.qualification.model import Decisions


def intents_of(at: LakeAt, definition: Definition, frame: pd.DataFrame, made: Decisions) -> tuple[Intent, ...]:
    """What the definition's plays want done about `made` (intents of silent openings are kept for a release)."""
    if not made.opened and not made.occurrences_opened:
        return ()
    rows, champions = material(at, definition, frame, made)
    return plays.intend(definition, made, rows, champions=champions, timezone=at.project.settings.timezone)


def material(
    at: LakeAt, definition: Definition, frame: pd.DataFrame, made: Decisions
) -> tuple[pd.DataFrame, Champions]:
    """The rows of those whom `made` calls for intents about, with deltas, and the champions of their accounts."""
    fired = {o.subject_key for o in made.opened} | {o.subject_key for o in made.occurrences_opened if o.announced}
    if not fired:
        return frame.iloc[:0], {}
    rows = frame[frame["subject_key"].isin(fired)]
    return at.with_deltas(definition, rows), at.champions(definition, set(rows["account_key"]))
