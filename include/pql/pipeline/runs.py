"""A whole run as one call: what the DAGs do task by task, for the command line and for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pql.pipeline.decide import decide
from pql.pipeline.evaluate import evaluate
from pql.pipeline.ingest import Kind, ingest
from pql.pipeline.project import Project
from pql.types import Progress


def run(
    project: Project,
    kind: Kind,
    *,
    as_of: datetime,
    now: datetime,
    only: Sequence[str] = (),
    read: bool = True,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Ingest every source (unless `read` is False), evaluate every definition (or `only` those), decide.

    Returns the run's summary; `tell` as for `ingest`. Delivering is a stage of its own.
    """
    for name in only:
        project.definition(name)  # an unknown name is an error, not an empty run
    names = sorted(project.settings.sources) if read else []
    reports = [ingest(project, name, as_of=as_of, now=now, kind=kind, progress=progress, tell=tell) for name in names]
    wanted = [d.id for d in project.definitions if d.status != "retired" and (not only or d.id in only)]
    evaluations = []
    for number, name in enumerate(wanted):
        if progress:
            progress(name, number / len(wanted))
        evaluations.append(evaluate(project, name, as_of=as_of, now=now, kind=kind))
    return decide(project, evaluations, reports=reports, as_of=as_of, now=now, kind=kind)
