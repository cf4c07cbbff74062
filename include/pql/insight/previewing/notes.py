"""What a reader of a preview must know to read it rightly, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pql.destinations.words import count
from pql.insight.previewing.course import Course
from pql.insight.previewing.model import Side
from pql.insight.previewing.period import Period, needs_crm_of_then
from pql.insight.previewing.purchases import Purchases


def notes(
    courses: Sequence[Course], sides: Sequence[Side], period: Period, purchases: Purchases, unit: str, zone: ZoneInfo
) -> tuple[str, ...]:
    """The notes that apply, the weightiest first; days and times are those of the project's time zone."""
    return tuple(
        [
            *_same(courses),
            *_nobody(courses[0], unit),
            *_unknown(courses, period, zone),
            *_data(courses, period, unit, zone),
            *_silent(sides, unit),
            *_rest(courses, purchases),
        ]
    )


def _same(courses: Sequence[Course]) -> Iterator[str]:
    if len(courses) > 1 and courses[0].definition.rules_hash == courses[1].definition.rules_hash:
        yield "Both definitions have the same rules: they may differ in titles and plays only."


def _nobody(course: Course, unit: str) -> Iterator[str]:
    if not course.finds:
        yield (
            f"No {unit} qualified by the new definition at any moment, not even silently. `pql check "
            f"{course.definition.path}` says which events, conditions and thresholds the data does not bear out."
        )


def _unknown(courses: Sequence[Course], period: Period, zone: ZoneInfo) -> Iterator[str]:
    crm_from, names = period.crm_from, {n for course in courses for n in needs_crm_of_then(course.definition)}
    if crm_from is None or not names:
        return
    which = " and ".join(f"`{name}`" for name in sorted(names))
    if crm_from > period.moments[0]:
        first = (crm_from - timedelta(microseconds=1)).astimezone(zone) + timedelta(days=1)  # the first midnight after
        yield (
            f"The CRM was first read on {crm_from.astimezone(zone):%Y-%m-%d}. What it says of {which} is unknown for "
            "the time before, and whoever enters by it cannot qualify then. Compare from when it is known: "
            f"--from {first:%Y-%m-%d}."
        )
    elif period.is_default and crm_from > period.moments[0] - timedelta(days=1):
        yield f"It begins when the CRM was first read: what it says of {which} is unknown for the time before."


def _data(courses: Sequence[Course], period: Period, unit: str, zone: ZoneInfo) -> Iterator[str]:
    if period.moments[-1] > period.complete_to:
        end = period.complete_to.astimezone(zone)
        yield f"The data is complete to {end:%Y-%m-%d %H:%M} only: the days after it look too quiet."
    if period.moments[0] < datetime.combine(period.history_from, time(), zone).astimezone(UTC):
        yield (
            f"History begins on {period.history_from}: the days before are empty and make the averages look small. "
            f"Begin with it: --from {period.history_from}."
        )
    rows = [find.opening.row for find in courses[0].finds if find.opening.row is not None]
    short = sum(any(bool(row[name]) for name in row.index if str(name).startswith("short.")) for row in rows)
    if short:
        yield (
            f"{count(short, unit)} of {len(rows)} {'was' if short == 1 else 'were'} announced with less history than "
            f"the windows of their signals ask for: history begins on {period.history_from}."
        )


def _silent(sides: Sequence[Side], unit: str) -> Iterator[str]:
    new = sides[0].already_qualified
    if not any(side.already_qualified for side in sides):
        return
    versus = f" (by the old one {sides[1].already_qualified})" if len(sides) > 1 else ""
    yield (
        f"By the new definition {count(new, unit)}{versus} qualified already when the period began. Nobody is told "
        "of those: what was true already is no news."
    )


def _rest(courses: Sequence[Course], purchases: Purchases) -> Iterator[str]:
    if not courses[0].definition.plays:
        yield "The new definition has no play: nobody is told anything until it has one."
    if purchases.known_to is None:
        yield "The CRM gives no dated outcome: whether anybody bought afterwards is unknown."
