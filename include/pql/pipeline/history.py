"""History: scores of any moment or of many, and where it starts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime, time

import pandas as pd

from pql.pipeline.moments import checked
from pql.pipeline.project import Project
from pql.pipeline.snapshots import panel
from pql.pipeline.unusable import empty_lake
from pql.types import Progress, UserError


def score_panel(
    project: Project,
    definitions: Sequence[str],
    moments: Sequence[datetime],
    *,
    now: datetime,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """One scored row per definition, subject and moment, for the definitions named (none: all not retired).

    Raises UserError for a moment in the future, an unknown definition, or an empty lake.
    """
    checked_moments = [checked(moment, now) for moment in moments]
    chosen = [project.definition(name) for name in definitions]
    chosen = chosen or [d for d in project.definitions if d.status != "retired"]
    if not chosen:
        broken = "\n".join(map(str, project.errors))
        raise UserError(f"There is no definition to score in {project.paths.definitions}.\n{broken}".strip())
    with closing(project.lake.connect()) as lake:
        if project.lake.history_start(lake) is None:
            raise UserError(empty_lake(project))
        frames = []
        for number, definition in enumerate(chosen):
            if progress:
                progress(definition.id, number / len(chosen))
            frames.append(panel(project, lake, definition, checked_moments))
    return pd.concat(frames, ignore_index=True)


def history_start(project: Project) -> date | None:
    """The first local day anything is known of (SEM-T5), None in an empty lake."""
    with closing(project.lake.connect()) as lake:
        return project.lake.history_start(lake)


def refuse_before(project: Project, started: date, end: datetime) -> None:
    """Raise UserError for a period that ends before history, which `started` on that local day."""
    if end <= datetime.combine(started, time(), project.zone):
        raise UserError(f"The period ends before history begins on {started}: nothing is known of it.")
