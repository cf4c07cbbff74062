"""Who was always there: paying customers, Relay's own staff, its testers, and the company with the dangerous name."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from pql.sandbox import names
from pql.sandbox.company import DAY, HOUR, Account, company_name, person


@lru_cache(maxsize=8)
def residents(seed: int) -> tuple[Account, ...]:
    """Accounts that were always there: paying customers, Relay's own staff, testers, and the company with the name."""
    fixed = [
        (names.OWN_DOMAIN, "Relay", 9),
        (names.TEST_DOMAIN, "ACME (test)", 3),
        ("soehne.example", names.HOSTILE_NAME, 4),
    ]
    return tuple(
        [_resident(seed, i, domain, name, count) for i, (domain, name, count) in enumerate(fixed)]
        + [_resident(seed, i, None, None, 0) for i in range(len(fixed), len(fixed) + 24)]
    )


def _resident(seed: int, i: int, domain: str | None, name: str | None, count: int) -> Account:
    rng = Random(f"{seed}|resident|{i}")  # noqa: S311 - a simulation, not a secret
    made_name, made_domain = company_name(rng, 500 + i)
    inhouse = domain in (names.OWN_DOMAIN, names.TEST_DOMAIN)
    since = 17_000 * DAY + rng.randrange(1_500 * DAY)
    pays = name is None
    team = [
        person(rng, f"r{i:02d}-{n}", domain or made_domain, joined_at=since, core=n < 2)
        for n in range(count or rng.randrange(3, 9))
    ]
    return Account(
        key=f"r{i:02d}",
        number=i,
        kind="inhouse" if inhouse else "customer",
        name=name or made_name,
        domain=domain or made_domain,
        employees=120 if name else int(20 * 200 ** rng.random()),
        industry=rng.choice(names.INDUSTRIES),
        people=tuple(team),
        org_id=f"org_r{i:02d}",
        signup_at=since,
        ramp_at=since,
        moment_at=since,
        ends_at=2**40,
        intensity=6.0 if inhouse else rng.uniform(2.5, 5.0),
        seats=len(team) + rng.randrange(2, 9),
        plan_before="free",
        utc_shift_hours=rng.choice((-5, 0, 1)),
        company_created_at=None if inhouse else since + HOUR,
        linked=True,
        owner=None if inhouse else i % len(names.OWNERS),
        deal_at=since + 5 * DAY if pays else None,
        won_at=since + 20 * DAY if pays else None,
    )
