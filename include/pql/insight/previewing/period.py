"""Which moments: the days somebody asks for and what the lake holds in, moments out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pql import store
from pql.definition.model import Definition
from pql.lake.crm_versions import OUTCOME_PROPERTIES
from pql.pipeline.history import history_start, refuse_before
from pql.pipeline.moments import checked, every, local_midnight
from pql.pipeline.project import Project
from pql.pipeline.unusable import empty_lake
from pql.qualification import days_before
from pql.store import sources as source_status
from pql.types import UserError

DEFAULT_DAYS = 30
ROWS_A_PASS = 250_000  # so many feature rows are held at once: about 2 GiB
MOST_MOMENTS_A_PASS = 24
COMPARED = 8  # moments that a pass computes besides: a week before, and so on


@dataclass(frozen=True)
class Period:
    """The moments of a preview, ascending; the first is the silent baseline. `complete_to`: where history ends."""

    moments: tuple[datetime, ...]
    step: timedelta
    complete_to: datetime
    history_from: date
    crm_from: datetime | None  # when the CRM was first read
    is_default: bool = False  # nobody said where to begin

    @property
    def label(self) -> str:
        """The step as people write it: 1d, 1h."""
        for unit, size in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
            if not self.step % size:
                return f"{self.step // size}{unit}"
        return f"{self.step // timedelta(minutes=1)}m"


def choose_period(
    project: Project,
    definitions: Sequence[Definition],
    *,
    first: datetime | None,
    last: datetime | None,
    step: timedelta,
    now: datetime,
) -> Period:
    """The moments from `first` to `last`; without them the last 30 days, ending with the newest complete day.

    Not before history begins, nor, where a definition lets in by what a CRM says of the present only (a plan, a
    stage), before the CRM was first read. Raises UserError for an empty lake, the future, or an empty period.
    """
    started = history_start(project)
    if started is None:
        raise UserError(empty_lake(project))
    complete_to = newest_complete(project, now)
    crm_from = _crm_filings(project)[0]
    end = checked(last, now) if last else complete_to
    begin = first or _default_first(project, definitions, end, started, crm_from)
    if begin >= end:
        said = [f"{moment.astimezone(project.zone):%Y-%m-%d %H:%M}" for moment in (begin, end, complete_to)]
        raise UserError(
            f"--from {said[0]} is not before the end, {said[1]}; history is there from {started} to {said[2]} "
            f"({project.zone})."
        )
    refuse_before(project, started, end)
    moments = tuple(every(begin, end, step, project.zone))
    if len(moments) < 2:
        raise UserError("Between --from and --to there is no step of --every: the first moment is the silent baseline.")
    return Period(moments, step, complete_to, started, crm_from, is_default=first is None)


def newest_complete(project: Project, now: datetime) -> datetime:
    """The end of the newest local day that is over and that every source has been read to the end of."""
    with closing(project.lake.connect()) as lake:
        newest = project.lake.newest(lake)
    with store.reading(project.engine) as connection:
        told = [s.complete_to for n, s in source_status.status(connection).items() if n in project.settings.sources]
    ends = [now, *(at for at in told if at is not None)]
    if newest is not None:
        ends.append(
            days_before(local_midnight(newest + timedelta(microseconds=1), project.zone), -1, str(project.zone))
        )
    return local_midnight(min(ends) + timedelta(microseconds=1), project.zone)


def crm_known_to(project: Project) -> datetime | None:
    """When the CRM was last read; None if it never was."""
    return _crm_filings(project)[1]


def day_of(moment: datetime, project: Project) -> date:
    """The local day that a moment looks back on: a midnight belongs to the day just ended (SEM-T3)."""
    return (moment - timedelta(microseconds=1)).astimezone(project.zone).date()


def passes(moments: Sequence[datetime], rows_a_moment: int, rows_a_pass: int) -> Iterator[Sequence[datetime]]:
    """The moments in groups small enough to be held in memory."""
    fitting = rows_a_pass // max(rows_a_moment, 1) - COMPARED
    size = min(max(fitting, 1), MOST_MOMENTS_A_PASS)
    for start in range(0, len(moments), size):
        yield moments[start : start + size]


def needs_crm_of_then(definition: Definition) -> tuple[str, ...]:
    """Attributes of `only:` of which a CRM tells the present alone: before it was first read nobody enters (SEM-C1)."""
    names = (attribute.removeprefix("user.") for attribute, _ in definition.only)
    return tuple(name for name in names if re.search(OUTCOME_PROPERTIES, name))


def _default_first(
    project: Project, definitions: Sequence[Definition], end: datetime, started: date, crm_from: datetime | None
) -> datetime:
    month = days_before(end, DEFAULT_DAYS, str(project.zone))
    begins = [month, datetime.combine(started, time(), project.zone).astimezone(UTC)]
    if crm_from is not None and any(needs_crm_of_then(d) for d in definitions):
        begins.append(days_before(local_midnight(crm_from, project.zone), -1, str(project.zone)))
    latest = max(begins)
    return latest if latest < end else max(begins[:2])


def _crm_filings(project: Project) -> tuple[datetime | None, datetime | None]:
    """When the CRM was first and last read."""
    filed = [
        at
        for source in project.settings.sources
        for object in ("accounts", "deals")
        for at, _ in project.lake.crm_filings(source=source, object=object)
    ]
    return (min(filed), max(filed)) if filed else (None, None)
