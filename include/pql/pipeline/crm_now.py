"""What the CRM says at this moment about the subject of a delivery: its company and, of a user, its contact."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import CompanyNow
from pql.settings import HubSpotSource
from pql.types import Alert

_DOMAIN, _EMPLOYEES = "domain", "numberofemployees"


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


def ask(client: HubSpot, source: HubSpotSource, alert: Alert) -> CrmNow | None:
    """The records behind `alert`, None if the CRM has its record no more; RemoteError if it cannot be asked."""
    contact = company = None
    if alert.crm_kind == "contact":
        contact = client.contact_now(alert.crm_id, sorted(source.contact_attributes.values()))
        if contact is None:
            return None
    company_id = alert.company_id if contact else alert.crm_id
    if company_id:
        company = client.company_now(company_id, sorted({*source.attributes.values(), _DOMAIN, _EMPLOYEES}))
    return CrmNow(company, contact) if contact or company else None


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
