"""The CRM's records as the simulation has them: (seed, instant) in, companies, contacts, deals and meetings out.

A record is a creation and dated changes to its properties; its state and its last change follow for any instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from pql.sandbox import names
from pql.sandbox.company import DAY, HOUR, MINUTE, Account, accounts_of, day_of
from pql.sandbox.residents import residents
from pql.sandbox.simulation import LIFE_BEFORE

REMEMBERED_DAYS = 75  # how long after its turning point the CRM still lists an account

Changes = tuple[tuple[int, dict[str, str]], ...]  # (second, properties set then), in order of time; the first creates


@dataclass(frozen=True)
class Record:
    """One simulated CRM record with all that will ever happen to it."""

    type: str  # companies, contacts, deals, meetings
    id: str
    changes: Changes
    links: tuple[tuple[str, str], ...] = ()  # (type, id) of the records it belongs to

    @property
    def created_at(self) -> int:
        """Second of its creation."""
        return self.changes[0][0]


def records(seed: int, now: int) -> dict[tuple[str, str], Record]:
    """Every record that exists at that second, by (type, id)."""
    today = day_of(now)
    return {key: record for key, record in _around(seed, today).items() if record.created_at <= now}


@lru_cache(maxsize=3)
def _around(seed: int, today: int) -> dict[tuple[str, str], Record]:
    days = range(today - REMEMBERED_DAYS, today + LIFE_BEFORE + 1)
    accounts = [*residents(seed), *(a for day in days for a in accounts_of(seed, day))]
    return {(r.type, r.id): r for account in accounts for r in _records_of(account)}


def _records_of(account: Account) -> Iterator[Record]:
    company_id = str(9_000_000_000 + account.number)
    has_company = account.company_created_at is not None
    if has_company:
        yield Record("companies", company_id, _company_changes(account))
    if account.kind != "inhouse" and (has_company or account.kind == "solo"):
        yield from _contacts(account, company_id if has_company else None)
    if has_company and account.deal_at is not None:
        yield Record(
            "deals", str(30_000_000_000 + account.number), _deal_changes(account), (("companies", company_id),)
        )
    if has_company and account.meeting_at is not None:
        yield _meeting(account, company_id)


def _company_changes(a: Account) -> Changes:
    created = a.company_created_at or 0
    first = {
        "name": a.name,
        "domain": a.domain,
        "industry": a.industry,
        "lifecyclestage": "lead",
        "plan": a.plan_at(created),
        "plan_seats": str(a.seats),
    }
    if a.employees is not None:
        first["numberofemployees"] = str(a.employees)
    if a.linked and a.org_id:
        first["product_account_id"] = a.org_id
    if a.owner is not None:
        first["hubspot_owner_id"] = names.OWNERS[a.owner][0]
    changes = [(created, first)]
    if a.deal_at is not None:
        changes.append((max(a.deal_at, created + 1), {"lifecyclestage": "opportunity"}))
    if a.plan_before == "trial" and a.won_at is None:
        changes.append((a.moment_at + 21 * DAY, {"plan": "free"}))
    if a.won_at is not None:
        won = max(a.won_at, created + 2)
        dates = dict.fromkeys(
            ("closedate", "hs_lifecyclestage_customer_date", "hs_v2_date_entered_customer"), stamp(won)
        )
        changes.append((won, {"lifecyclestage": "customer", "plan": "pro", **dates}))
    return tuple(sorted(changes, key=lambda change: change[0]))


def _contacts(account: Account, company_id: str | None) -> Iterator[Record]:
    for place, person in enumerate(account.people):
        if place % 9 == 8:
            continue  # nobody's CRM knows everybody
        first, _, last = person.name.partition(" ")
        at = max(person.joined_at + 10 * MINUTE, account.company_created_at or 0)
        properties = {"email": person.email, "firstname": first, "lastname": last, "lifecyclestage": "lead"}
        links = (("companies", company_id),) if company_id else ()
        yield Record("contacts", str(100_000_000_000 + account.number * 100 + place), ((at, properties),), links)


def _deal_changes(a: Account) -> Changes:
    opened = max(a.deal_at or 0, (a.company_created_at or 0) + 2)
    amount = str(1200 + (a.employees or 20) * 12)
    first = {
        "dealname": f"{a.name} – team plan",
        "dealstage": "qualifiedtobuy",
        "pipeline": "default",
        "amount": amount,
        "hs_is_closed": "false",
        "hs_is_closed_won": "false",
    }
    if a.owner is not None:
        first["hubspot_owner_id"] = names.OWNERS[a.owner][0]
    changes = [(opened, first)]
    closed = {"hs_is_closed": "true", "closedate": ""}
    if a.won_at is not None:
        won = max(a.won_at, opened + HOUR)
        closed |= {"dealstage": "closedwon", "hs_is_closed_won": "true", "closedate": stamp(won)}
        changes.append((won, closed))
    elif a.number % 3 == 0:
        lost = opened + 12 * DAY
        changes.append((lost, closed | {"dealstage": "closedlost", "closedate": stamp(lost)}))
    return tuple(changes)


def _meeting(a: Account, company_id: str) -> Record:
    booked = a.meeting_at or 0
    starts = booked + 2 * DAY
    first = {
        "hs_meeting_title": f"Demo for {a.name}",
        "hs_timestamp": stamp(starts),
        "hs_meeting_start_time": stamp(starts),
        "hs_meeting_end_time": stamp(starts + 30 * MINUTE),
        "hs_meeting_outcome": "SCHEDULED",
    }
    contact_id = str(100_000_000_000 + a.number * 100)
    links = (("companies", company_id), ("contacts", contact_id))
    return Record("meetings", str(40_000_000_000 + a.number), ((booked, first),), links)


def stamp(at: float) -> str:
    """HubSpot's way to write an instant.

    >>> stamp(0)
    '1970-01-01T00:00:00.000Z'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(at * 1000) % 1000:03d}Z"
