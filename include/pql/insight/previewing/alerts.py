"""Alerts a day: what each moment tells people in, local days and their figures out."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pql.insight.previewing.course import Course
from pql.insight.previewing.model import Day
from pql.insight.previewing.period import Period, day_of
from pql.pipeline.project import Project


@dataclass(frozen=True)
class Series:
    """Alerts of one definition by local day, every day of the period being there."""

    by_day: Mapping[date, int]
    over_cap: frozenset[date]

    @property
    def average(self) -> float:
        return statistics.fmean(self.by_day.values())

    @property
    def median(self) -> float:
        return statistics.median(self.by_day.values())

    @property
    def busiest(self) -> tuple[date | None, int]:
        """The day with most alerts, the first of several; None if there is none at all."""
        most = max(self.by_day.values())
        return (next(day for day, count in self.by_day.items() if count == most) if most else None), most


def days_of(period: Period, project: Project) -> list[date]:
    """The local days the period's moments look at, without the one that ends in the silent baseline."""
    first = period.moments[0].astimezone(project.zone).date()
    last = day_of(period.moments[-1], project)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def series(course: Course, period: Period, project: Project) -> Series:
    """The course's alerts by day."""
    counted = Counter[date]()
    for told in course.told[1:]:  # the first moment is the baseline
        counted[day_of(told.at, project)] += told.accounts
    over = frozenset(day_of(told.at, project) for told in course.told if told.is_storm)
    return Series({day: counted[day] for day in days_of(period, project)}, over)


def as_days(found: Sequence[Series]) -> tuple[Day, ...]:
    """New and old side by side."""
    new, old = found[0], found[1] if len(found) > 1 else None
    return tuple(
        Day(day, count, old.by_day[day] if old else None, day in new.over_cap, bool(old and day in old.over_cap))
        for day, count in new.by_day.items()
    )
