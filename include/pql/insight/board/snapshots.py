"""Which snapshots say what is true now: the newest night of a definition and the hours after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pql.definition.model import Definition
from pql.pipeline.moments import local_midnight
from pql.pipeline.project import Project

WEEK = 6  # nights before the previous one (SEM-S3)


@dataclass(frozen=True)
class Standing:
    """A definition's newest snapshots: the last night, then the hours after it, which hold only who did something."""

    definition: Definition
    night: datetime | None
    hours: tuple[datetime, ...]

    @property
    def moments(self) -> tuple[tuple[str, datetime], ...]:
        """(kind, as of) of every snapshot, oldest first."""
        nights = () if self.night is None else (("nightly", self.night),)
        return (*nights, *(("hourly", hour) for hour in self.hours))

    @property
    def as_of(self) -> datetime:
        """The newest moment."""
        return self.moments[-1][1]

    def kind(self, as_of: datetime) -> str:
        """Of which kind the snapshot of that moment is."""
        return "nightly" if as_of == self.night else "hourly"


def newest(project: Project, definition: Definition, *, now: datetime) -> Standing | None:
    """The definition's newest snapshots up to `now`, None if nothing was ever scored."""
    nights = [at for at in project.lake.list_scores(definition.id, "nightly") if at <= now]
    night = nights[-1] if nights else None
    hours = [
        at for at in project.lake.list_scores(definition.id, "hourly") if at <= now and (night is None or at > night)
    ]
    return Standing(definition, night, tuple(hours)) if night or hours else None


def standing_of(standings: tuple[Standing, ...], definition: str) -> Standing:
    """The one of that definition."""
    return next(standing for standing in standings if standing.definition.id == definition)


def compared_with(project: Project, as_of: datetime) -> tuple[datetime, datetime]:
    """The nights that a score's change since last night and in a week is taken against (SEM-S3)."""
    return local_midnight(as_of, project.zone), local_midnight(as_of, project.zone, WEEK)
