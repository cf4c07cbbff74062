"""What the CRM says at this moment about the subject of a delivery: its company and, of a user, its contact."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import CompanyNow
from pql.settings import HubSpotSource
from pql.types import Alert

KEPT_FOR = timedelta(seconds=5)  # one account's message, task and webhook leave together and need one question
_DOMAIN, _EMPLOYEES = "domain", "numberofemployees"
_Object = Literal["companies", "contacts"]


@dataclass(frozen=True)
class CrmNow:
    """The records behind one alert; the company's word about the account comes before the contact's."""

    company: CompanyNow | None
    contact: CompanyNow | None

    @property
    def records(self) -> tuple[CompanyNow, ...]:
        """Those that there are, the company first."""
        return tuple(record for record in (self.company, self.contact) if record is not None)

    @property
    def domain(self) -> str:
        """The company's, "" if the CRM knows none."""
        return self.company.properties.get(_DOMAIN, "").strip().casefold() if self.company else ""

    def values(self, source: HubSpotSource) -> dict[str, object]:
        """Attribute → value, under the names that definitions use; what is blank is not known and not there."""
        of_contact = _values(self.contact, source.contact_attributes)
        of_company = _values(self.company, {**source.attributes, "domain": _DOMAIN, "employees": _EMPLOYEES})
        return of_contact | {f"user.{name}": value for name, value in of_contact.items()} | of_company


class CrmNews:
    """What the CRM says, asked for many alerts at once and kept for five seconds; safe to ask from several threads."""

    def __init__(self, client: HubSpot, source: HubSpotSource, clock: Callable[[], datetime]) -> None:
        self.client = client
        self.source = source
        self._clock = clock
        self._asking = threading.Lock()
        self._known: dict[tuple[_Object, str], tuple[datetime, CompanyNow | None]] = {}

    def about(self, alerts: Sequence[Alert]) -> list[CrmNow | None]:
        """The records behind each, None where the CRM has its record no more; RemoteError if it cannot be asked."""
        contacts = [alert.crm_id for alert in alerts if alert.crm_kind == "contact"]
        companies = [_company_id(alert) for alert in alerts]
        with self._asking:
            self._forget()
            self._learn("contacts", contacts, sorted(self.source.contact_attributes.values()))
            self._learn("companies", companies, sorted({*self.source.attributes.values(), _DOMAIN, _EMPLOYEES}))
            return [self._about(alert) for alert in alerts]

    def _forget(self) -> None:
        now = self._clock()
        self._known = {key: (at, one) for key, (at, one) in self._known.items() if at <= now <= at + KEPT_FOR}

    def _learn(self, object: _Object, ids: Sequence[str], properties: Sequence[str]) -> None:
        unknown = [id for id in dict.fromkeys(ids) if id and (object, id) not in self._known]
        if unknown:
            at = self._clock()
            found = self.client.records_now(object, unknown, properties)
            self._known |= {(object, id): (at, found.get(id)) for id in unknown}

    def _about(self, alert: Alert) -> CrmNow | None:
        company_id, contact = _company_id(alert), None
        if alert.crm_kind == "contact":
            _, contact = self._known["contacts", alert.crm_id]
            if contact is None:
                return None
        _, company = self._known["companies", company_id] if company_id else (None, None)
        return CrmNow(company, contact) if contact or company else None


def _company_id(alert: Alert) -> str:
    return alert.company_id if alert.crm_kind == "contact" else alert.crm_id


def with_owner(client: HubSpot, now: CrmNow, alert: Alert) -> Alert:
    """The alert for who owns the account now; where the CRM names nobody, for whom it was."""
    for record in now.records:
        owner = client.owner_email(record.owner_id) if record.owner_id else ""
        if owner:
            return alert if owner == alert.owner_email else replace(alert, owner_email=owner, owner_name="")
    return alert


def _values(record: CompanyNow | None, fields: dict[str, str]) -> dict[str, object]:
    if record is None:
        return {}
    found = {name: record.properties.get(field, "") for name, field in fields.items()}
    found |= {"lifecycle_stage": record.lifecycle_stage, "name": record.name}
    return {name: value for name, value in found.items() if value.strip()}
