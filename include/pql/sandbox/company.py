"""Who there is in the simulated world: (seed, day) in, the accounts whose turning point falls on that day out.

An account is a short script fixed for ever: when it signs up, when usage ramps up, the moment its people look at the
prices, when a deal opens and is won, when it falls silent. Every day brings its own accounts, Sundays too, so that
somebody becomes interesting at any hour the world is looked at, and the past never changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from random import Random
from typing import Literal

from pql.sandbox import names

DAY, HOUR, MINUTE = 86_400, 3_600, 60

Kind = Literal[
    "riser", "sleeper", "hand_raiser", "upgrader", "dabbler", "bounce", "logo", "solo", "customer", "inhouse"
]

# Accounts whose turning point falls on one day: (kind, how many on a weekday, how many on a Saturday or Sunday).
DAILY: tuple[tuple[Kind, int, int], ...] = (
    ("riser", 6, 4),
    ("sleeper", 2, 1),
    ("hand_raiser", 2, 1),
    ("upgrader", 2, 1),
    ("dabbler", 4, 2),
    ("bounce", 3, 2),
    ("logo", 1, 0),
    ("solo", 3, 2),
)
# Hours in which turning points fall, one account after the other, so that most hours of the day see one; those of a
# single hour come an hour later every other day.
SLOTS = (
    (9, 10),
    (13, 14),
    (7, 8),
    (16, 17),
    (0, 6),
    (11, 12),
    (19, 24),
    (15, 16),
    (10, 11),
    (14, 15),
    (12, 13),
    (17, 18),
)


@dataclass(frozen=True)
class Person:
    """One user of the product. Instants are whole seconds since 1970 UTC."""

    user_id: str
    name: str
    email: str
    device_id: str
    joined_at: int
    core: bool  # uses the product nearly every day while the account is in its stride


@dataclass(frozen=True)
class Account:
    """One customer-to-be and its script. Instants are whole seconds since 1970 UTC; None: it never happens."""

    key: str
    number: int  # makes up its ids in the CRM
    kind: Kind
    name: str
    domain: str
    employees: int | None
    industry: str
    people: tuple[Person, ...]
    org_id: str | None
    signup_at: int
    ramp_at: int
    moment_at: int
    ends_at: int
    intensity: float  # actions of an active person on a day, on average
    seats: int
    plan_before: str
    utc_shift_hours: int
    company_created_at: int | None  # None: the CRM has no such company
    linked: bool  # the CRM knows the product's account id
    owner: int | None  # place in names.OWNERS
    deal_at: int | None = None
    won_at: int | None = None
    meeting_at: int | None = None
    wakes: bool = field(default=False)

    def plan_at(self, at: int) -> str:
        """trial, free or pro as the product and the CRM know it at that second."""
        if self.won_at is not None and at >= self.won_at:
            return "pro"
        if self.plan_before == "trial" and at > self.moment_at + 21 * DAY:
            return "free"
        return self.plan_before


def day_of(at: float) -> int:
    """The day number (days since 1970-01-01 UTC) of a second.

    >>> day_of(0), day_of(86_399), day_of(86_400)
    (0, 0, 1)
    """
    return int(at // DAY)


def is_weekend(day: int) -> bool:
    """Saturday or Sunday, by day number.

    >>> is_weekend(0), is_weekend(2)  # 1970-01-01 was a Thursday
    (False, True)
    """
    return day % 7 in (2, 3)


def iso(day: int) -> str:
    """The ISO date of a day number."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()


@lru_cache(maxsize=512)
def accounts_of(seed: int, day: int) -> tuple[Account, ...]:
    """The accounts whose turning point falls on that day; always the same for the same seed and day."""
    kinds = [kind for kind, weekday, weekend in DAILY for _ in range(weekend if is_weekend(day) else weekday)]
    return tuple(_account(seed, day, place, kind) for place, kind in enumerate(kinds))


def _account(seed: int, day: int, place: int, kind: Kind) -> Account:
    rng = Random(f"{seed}|{day}|{place}")  # noqa: S311 - a simulation, not a secret
    moment = day * DAY + _second_of_day(rng, day, place)
    employees = _employees(rng, kind)
    name, domain = company_name(rng, day * 100 + place)
    signup, ramp = _beginning(rng, kind, moment)
    known = kind != "solo" and rng.random() < 0.88
    deal = (
        moment + rng.randrange(DAY, 4 * DAY)
        if kind in ("riser", "sleeper", "upgrader") and rng.random() < 0.4
        else None
    )
    if kind == "riser" and rng.random() < 0.06:  # a colleague was faster
        deal = moment - rng.randrange(DAY, 3 * DAY)
    key = f"{day}-{place:02d}"
    solo = kind == "solo"
    people = _people(rng, key, kind, None if solo else domain, employees, signup, ramp, moment)
    return Account(
        key=key,
        number=day * 100 + place,
        kind=kind,
        name=people[0].name if solo else name,
        domain="" if solo else domain,
        employees=employees,
        industry=rng.choice(names.INDUSTRIES),
        people=people,
        org_id=None if solo else f"org_{key.replace('-', '')}",
        signup_at=signup,
        ramp_at=ramp,
        moment_at=moment,
        ends_at=moment + rng.randrange(8, 28) * DAY,
        intensity=rng.uniform(2.6, 6.4),
        seats=_seats(rng, kind, len(people)),
        plan_before="free" if kind == "upgrader" or (kind == "solo" and rng.random() < 0.5) else "trial",
        utc_shift_hours=rng.choice((-5, -1, 0, 0, 0, 1, 1, 2, 5)),
        company_created_at=signup + rng.randrange(5 * MINUTE, 20 * HOUR) if known else None,
        linked=rng.random() < 0.85,
        owner=_owner(rng, employees) if known else None,
        deal_at=deal if known else None,
        won_at=deal + rng.randrange(5, 16) * DAY if known and deal and rng.random() < 0.6 else None,
        meeting_at=moment + rng.randrange(2 * HOUR, 2 * DAY) if known and rng.random() < 0.25 else None,
        wakes=kind == "sleeper",
    )


def _second_of_day(rng: Random, day: int, place: int) -> int:
    start, end = SLOTS[place % len(SLOTS)]
    later = day % 2 if end - start == 1 else 0
    return rng.randrange((start + later) * HOUR, (end + later) * HOUR)


def _employees(rng: Random, kind: Kind) -> int | None:
    if kind == "solo" or rng.random() < 0.05:
        return None
    if kind == "logo":
        return rng.randrange(6_000, 90_000, 500)
    low, high = rng.choices(((2, 50), (50, 500), (500, 9_000)), weights=(5, 3.5, 1.5))[0]
    return int(low * (high / low) ** rng.random())  # log-uniform: most are small


def company_name(rng: Random, number: int) -> tuple[str, str]:
    one, two = rng.choice(names.ADJECTIVES), rng.choice(names.NOUNS)
    suffix = rng.choice(("", "", " GmbH", " Inc", " AB", " Ltd", " Co"))
    return f"{one} {two}{suffix}", f"{one}-{two}-{number % 9973}.example".lower()


def _beginning(rng: Random, kind: Kind, moment: int) -> tuple[int, int]:
    """(signed up at, usage ramps up at)."""
    if kind == "sleeper":
        ramp = moment - rng.randrange(5, 8) * DAY - rng.randrange(6 * HOUR)
        return ramp - rng.randrange(12, 30) * DAY, ramp
    if kind == "upgrader":
        start = moment - rng.randrange(30, 50) * DAY - rng.randrange(DAY)
        return start, start
    if kind in ("riser", "hand_raiser"):
        start = moment - rng.randrange(5, 11) * DAY - rng.randrange(4 * HOUR)
        return start, start
    return moment, moment  # the others have no turning point but their sign-up


def _people(
    rng: Random, key: str, kind: Kind, domain: str | None, employees: int | None, signup: int, ramp: int, moment: int
) -> tuple[Person, ...]:
    count = _headcount(rng, kind, employees or 8)
    joins = sorted(_joined_at(rng, kind, ramp, moment) for _ in range(count - 1))
    return tuple(
        person(rng, f"{key}-{i}", domain, joined_at=max(at, signup), core=i < 3)
        for i, at in enumerate([signup, *joins])
    )


def _headcount(rng: Random, kind: Kind, employees: int) -> int:
    if kind in ("solo", "bounce"):
        return 1
    if kind in ("dabbler", "logo", "hand_raiser"):
        return rng.randrange(1, 4)
    return min(
        rng.randrange(3, 6) + (employees >= 50) * rng.randrange(1, 4) + (employees >= 500) * 3, max(employees, 3)
    )


def _joined_at(rng: Random, kind: Kind, ramp: int, moment: int) -> int:
    if kind == "upgrader" and rng.random() < 0.5:
        return moment - rng.randrange(HOUR, 4 * DAY)  # the team grows into its limit
    late = 0.15 * 9 * DAY * rng.random() if rng.random() < 0.2 else 0
    return int(ramp + (max(moment, ramp + DAY) - ramp) * rng.random() ** 1.7 + late) + rng.randrange(HOUR)


def person(rng: Random, key: str, domain: str | None, *, joined_at: int, core: bool) -> Person:
    """A person with a work address, or a free-mail address where there is no company."""
    first, last = rng.choice(names.FIRST), rng.choice(names.LAST)
    local = f"{first}.{last}".lower()
    number = rng.randrange(100, 999)
    email = f"{local}{number % 7 or ''}@{domain}" if domain else f"{local}.x{number}@{rng.choice(names.FREE_MAIL)}"
    return Person(f"u_{key}", f"{first} {last}", email, f"{rng.getrandbits(96):024x}", joined_at, core)


def _seats(rng: Random, kind: Kind, people: int) -> int:
    if kind == "upgrader":
        return max(3, round(people * rng.uniform(1.0, 1.2)))
    return next(seats for seats in (5, 10, 25, 50) if seats >= people + rng.randrange(4))


def _owner(rng: Random, employees: int | None) -> int | None:
    chance = 0.3 if (employees or 0) < 50 else 0.85
    return rng.randrange(len(names.OWNERS)) if rng.random() < chance else None
