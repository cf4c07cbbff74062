"""Two courses in, the accounts that at least one of them announces out: added, removed, or found by both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from pql.definition.model import Definition
from pql.insight.previewing.course import Course, Find
from pql.insight.previewing.model import Account, Cause, Group, Segment
from pql.insight.previewing.period import day_of
from pql.insight.previewing.purchases import Purchases
from pql.pipeline.project import Project
from pql.plays.alert import name_of
from pql.plays.values import line
from pql.scoring import reasons

REASONS = 3
CAUSES = 8
GROUPS: tuple[Group, ...] = ("added", "removed", "kept")


def compare(project: Project, courses: Sequence[Course], purchases: Purchases) -> tuple[Account, ...]:
    """Every account that one of the courses announces, by group, then by when it was found.

    *Added*: announced by the new definition and never found by the old; *removed* the other way round; *kept*: found
    by both, though one of them may have been silent, because it had qualified before the period.
    """
    by_account = are_mixed([course.definition for course in courses])
    found = [_first_finds(course, by_account) for course in courses]
    new, old = found[0], found[1] if len(found) > 1 else {}
    accounts = [
        _account(project, courses, new.get(key), old.get(key), purchases)
        for key in {**new, **old}
        if any(find is not None and not find.opening.silent for find in (new.get(key), old.get(key)))
    ]
    return tuple(sorted(accounts, key=lambda a: (GROUPS.index(a.group), _when(a), a.subject_key)))


def announced(course: Course, *, by_account: bool = False) -> tuple[Find, ...]:
    """The first announcement of each subject."""
    return tuple(find for find in _first_finds(course, by_account).values() if not find.opening.silent)


def silences(course: Course, *, by_account: bool = False) -> list[str]:
    """Why nobody was told, of each stay that began in silence; by account each reason once."""
    found = [find for find in course.finds if find.opening.silent]
    if by_account:
        return [reason for _, reason in sorted({(find.account_key, find.opening.silent) for find in found})]
    return [find.opening.silent for find in found]


def are_mixed(definitions: Iterable[Definition]) -> bool:
    """Whether one is about users and another about accounts: then accounts are what can be compared."""
    return len({definition.subject for definition in definitions}) > 1


def causes(accounts: Iterable[Account], group: Group) -> tuple[Cause, ...]:
    """What kept the accounts of a group out of the other definition, the most frequent first."""
    counted = Counter(text for a in accounts if a.group == group for text in a.asked)
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Cause(text, count) for text, count in ordered[:CAUSES])


def segments(accounts: Sequence[Account], purchases: Purchases) -> tuple[Segment, ...]:
    """Counts by segment, the busiest first; none if nothing divides them."""
    names = {a.segment for a in accounts}
    if names <= {""}:
        return ()
    made = [_segment(name, [a for a in accounts if a.segment == name], purchases) for name in sorted(names)]
    return tuple(sorted(made, key=lambda s: (-(s.new + s.old), s.name)))


def _segment(name: str, accounts: Sequence[Account], purchases: Purchases) -> Segment:
    groups = Counter(a.group for a in accounts)
    new = [a for a in accounts if a.new_at and not a.new_silent]
    old = [a for a in accounts if a.old_at and not a.old_silent]
    return Segment(
        name or "none",
        added=groups["added"],
        removed=groups["removed"],
        kept=groups["kept"],
        new=len(new),
        old=len(old),
        new_bought=sum(purchases.after(a.account_key, a.new_at).became == "bought" for a in new if a.new_at),
        old_bought=sum(purchases.after(a.account_key, a.old_at).became == "bought" for a in old if a.old_at),
    )


def _first_finds(course: Course, by_account: bool) -> Mapping[str, Find]:
    """The first announcement of each subject, else its first silent opening."""
    found: dict[str, Find] = {}
    for find in sorted(course.finds, key=lambda f: (bool(f.opening.silent), f.opening.at)):
        found.setdefault(find.account_key if by_account else find.subject_key, find)
    return found


def _account(
    project: Project, courses: Sequence[Course], new: Find | None, old: Find | None, purchases: Purchases
) -> Account:
    told = [find for find in (new, old) if find is not None and not find.opening.silent]
    speaker, first = told[0], min(told, key=lambda find: find.opening.at)
    definition = courses[0 if speaker is new else 1].definition
    row = speaker.opening.row
    assert row is not None, "what is announced has its row"
    plain = {str(name): value for name, value in row.items()}
    fate = purchases.after(speaker.account_key, speaker.opening.at)
    return Account(
        group="added" if old is None else "removed" if new is None else "kept",
        subject_key=speaker.subject_key,
        account_key=speaker.account_key,
        name=name_of(definition, plain),
        segment=speaker.segment,
        new_at=_at(new),
        old_at=_at(old),
        new_day=_day(project, new),
        old_day=_day(project, old),
        new_silent=new.opening.silent if new else "",
        old_silent=old.opening.silent if old else "",
        days_sooner=_days_sooner(project, new, old) if len(told) > 1 else None,
        score=int(plain["score"]),
        activation_pct=int(plain["activation_pct"]),
        became=fate.became,
        bought_at=fate.bought_at,
        days_had=fate.days_had,
        reasons=tuple(line(reason) for reason in reasons(definition, plain)[:REASONS] if reason.points),
        missing=tuple(text for text, _ in first.missing),
        asked=tuple(dict.fromkeys(asked for _, asked in first.missing)),
    )


def _days_sooner(project: Project, new: Find | None, old: Find | None) -> int:
    assert new is not None
    assert old is not None
    return (day_of(old.opening.at, project) - day_of(new.opening.at, project)).days


def _day(project: Project, find: Find | None) -> date | None:
    return day_of(find.opening.at, project) if find else None


def _at(find: Find | None) -> datetime | None:
    return find.opening.at if find else None


def _when(account: Account) -> datetime:
    at = account.new_at or account.old_at
    assert at is not None
    return at
