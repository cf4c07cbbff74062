"""Where subjects stand with sales, out of the ledger: told, silent, blocked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import select

from pql import store
from pql.pipeline.project import Project
from pql.store import blocks
from pql.store.tables import episodes

STATES = ("announced", "silent", "qualified", "not qualified", "blocked")


@dataclass(frozen=True)
class States:
    """What the ledger knows now: open episodes, and accounts with a block in force."""

    episodes: pd.DataFrame  # definition, subject_key, since (naive UTC), silent
    blocked: pd.DataFrame  # account_key


def states_of(project: Project, *, now: datetime) -> States:
    """The ledger's part of the board."""
    waiting = episodes.c.silent_reason.is_not(None) & episodes.c.released_at.is_(None)
    query = select(
        episodes.c.definition, episodes.c.subject_key, episodes.c.opened_as_of.label("since"), waiting.label("silent")
    ).where(episodes.c.closed_as_of.is_(None))
    with store.reading(project.engine) as connection:
        rows = connection.execute(query).all()
        blocked = sorted(blocks.active(connection, now))
    return States(
        pd.DataFrame(
            {
                "definition": pd.Series([row.definition for row in rows], dtype="object"),
                "subject_key": pd.Series([row.subject_key for row in rows], dtype="object"),
                "since": pd.Series([row.since for row in rows], dtype="datetime64[us]"),
                "silent": pd.Series([bool(row.silent) for row in rows], dtype="bool"),
            }
        ),
        pd.DataFrame({"account_key": pd.Series(blocked, dtype="object")}),
    )
