"""The preview itself: a project and two definitions in, `Preview` out. Nothing is written but the lake's own cache."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pql.definition.attributes import attributes_of
from pql.definition.lint import mapped_attributes
from pql.definition.model import Definition
from pql.insight.previewing import alerts, compared
from pql.insight.previewing.course import SIZE, Course, go_through
from pql.insight.previewing.model import Account, Group, Outcome, Preview, Side
from pql.insight.previewing.notes import notes
from pql.insight.previewing.period import choose_period
from pql.insight.previewing.purchases import Fate, Purchases, sum_up
from pql.insight.previewing.sentence import moved, sentence
from pql.pipeline.project import Project
from pql.types import Progress, UserError

DAY = timedelta(days=1)


def preview(
    project: Project,
    new: Definition,
    against: Definition | None,
    *,
    first: datetime | None = None,
    last: datetime | None = None,
    every: timedelta = DAY,
    now: datetime,
    by: str = SIZE,
    progress: Progress | None = None,
) -> Preview:
    """Who `new` would have announced between `first` and `last`, and who `against`, both taken as live all the while.

    The first moment is the silent baseline of both. Without `first` and `last` it is the last 30 days of complete
    history. `by` is `size` or an attribute. Raises UserError for an empty lake, period, or an unknown attribute.
    """
    definitions = [new] if against is None else [new, against]
    _check_attribute(project, definitions, by)
    period = choose_period(project, definitions, first=first, last=last, step=every, now=now)
    courses, purchases = go_through(project, definitions, period, by=by, progress=progress)
    accounts = compared.compare(project, courses, purchases)
    daily = [alerts.series(course, period, project) for course in courses]
    by_account = compared.are_mixed(definitions)
    sides = [_side(course, found, purchases, by_account) for course, found in zip(courses, daily, strict=True)]
    old = sides[1] if against is not None else None
    outcomes = {group: _outcome(accounts, group) for group in compared.GROUPS}
    unit = _unit(definitions)
    days = alerts.as_days(daily)
    sooner, later = moved(accounts)
    return Preview(
        sentence=sentence(unit, outcomes["added"], outcomes["removed"], accounts, sides[0], old, len(days)),
        new=sides[0],
        old=old,
        first=period.moments[0],
        last=period.moments[-1],
        first_day=days[0].day,
        last_day=days[-1].day,
        every=period.label,
        unit=unit,
        added=outcomes["added"],
        removed=outcomes["removed"],
        kept=outcomes["kept"],
        sooner=sooner,
        later=later,
        days=days,
        segments_by=by,
        segments=compared.segments(accounts, purchases),
        added_because=compared.causes(accounts, "added"),
        removed_because=compared.causes(accounts, "removed"),
        accounts=accounts,
        outcome_known_to=purchases.known_to,
        notes=notes(courses, sides, period, purchases, unit, project.zone),
    )


def _check_attribute(project: Project, definitions: Sequence[Definition], by: str) -> None:
    known = mapped_attributes(project.settings).union(*(attributes_of(d) for d in definitions))
    if by != SIZE and by.removeprefix("user.") not in known:
        raise UserError(f"--by: no source gives the attribute `{by}` (there are: size, {', '.join(sorted(known))}).")


def _unit(definitions: Sequence[Definition]) -> str:
    return "account" if compared.are_mixed(definitions) else definitions[0].subject


def _side(course: Course, daily: alerts.Series, purchases: Purchases, by_account: bool) -> Side:
    definition, told = course.definition, compared.announced(course, by_account=by_account)
    silent = compared.silences(course, by_account=by_account)
    busiest, most = daily.busiest
    return Side(
        definition=definition.id,
        title=definition.title,
        status=definition.status,
        version=definition.rules_hash[:12],
        subject=definition.subject,
        path=definition.path,
        announced=len(told),
        already_qualified=silent.count("baseline"),
        old_news=len(silent) - silent.count("baseline"),
        alerts=sum(daily.by_day.values()),
        other_alerts=sum(each.only_other for each in course.told),
        alerts_a_day=daily.average,
        median_a_day=daily.median,
        most_a_day=most,
        busiest_day=busiest,
        days_over_cap=len(daily.over_cap),
        outcome=sum_up(purchases.after(find.account_key, find.opening.at) for find in told),
    )


def _outcome(accounts: Sequence[Account], group: Group) -> Outcome:
    return sum_up(Fate(a.became, a.bought_at, a.days_had) for a in accounts if a.group == group)
