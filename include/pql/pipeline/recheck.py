"""Ask the CRM at the moment of sending: may this still be said, and to whom? (SEM-W4)

The ledger's own objections (blocks, stays that have ended) are the outbox's; these are the world's: entry conditions of
the definition, a deal that is open or was won since, "not a fit", and who owns the account now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from pql.clients.hubspot import HubSpot
from pql.clients.hubspot_records import CompanyNow
from pql.definition.model import Definition
from pql.outbox.claims import Claim
from pql.pipeline.project import Project
from pql.settings import HubSpotSource
from pql.types import Alert

Recheck = Callable[[Claim], Alert | str]


def rechecker(project: Project, clock: Callable[[], datetime]) -> Recheck:
    """A function from a claimed delivery to what to say (its alert, with today's owner) or why to say nothing.

    The function raises RemoteError when the CRM cannot be asked: nothing is sent unchecked.
    """
    crm = next((s for s in project.settings.sources.values() if isinstance(s, HubSpotSource)), None)
    definitions = {d.id: d for d in project.definitions}

    def without_crm(claim: Claim) -> Alert | str:
        return _not_live(claim, definitions) or claim.alert

    if crm is None:
        return without_crm
    asked = crm

    @cache
    def crm_client() -> HubSpot:
        """Built when the first delivery asks: what is suppressed without it needs no connection."""
        return HubSpot(
            project.connections(asked.connection),
            not_a_fit_property=asked.not_a_fit_property,
            snooze_property=asked.snooze_property,
        )

    def with_crm(claim: Claim) -> Alert | str:
        alert = claim.alert
        gone = _not_live(claim, definitions)
        if gone or not alert.crm_id:
            return gone or alert
        client = crm_client()
        look = client.contact_now if alert.crm_kind == "contact" else client.company_now
        wanted = asked.contact_attributes if alert.crm_kind == "contact" else asked.attributes
        record = look(alert.crm_id, sorted(wanted.values()))
        if record is None:
            return f"the CRM has no {alert.crm_kind} {alert.crm_id} any more"
        spoken = [definitions[name] for name in alert.definitions if name in definitions]
        objection = _objection(claim, record, spoken, wanted, clock())
        if objection:
            return objection
        owner = client.owner_email(record.owner_id) if record.owner_id else ""
        return alert if owner == alert.owner_email else replace(alert, owner_email=owner, owner_name="")

    return with_crm


def _not_live(claim: Claim, definitions: dict[str, Definition]) -> str:
    """Empty unless every definition this delivery speaks for has been retired, withdrawn or set back to draft."""
    spoken = [definitions.get(name) for name in claim.alert.definitions]
    if any(d is not None and d.status == "live" for d in spoken):
        return ""
    return f"the definition is no longer live: {', '.join(claim.alert.definitions)}"


def _objection(
    claim: Claim, record: CompanyNow, definitions: list[Definition], wanted: Any, now: datetime
) -> str | None:
    if record.not_a_fit:
        return "marked not a fit in the CRM"
    if record.snooze_until is not None and record.snooze_until > now:
        return f"snoozed in the CRM until {record.snooze_until:%Y-%m-%d}"
    if claim.kind != "crm_update":  # a write-back is no message: a colleague who is closing wants it too
        if record.open_deals:
            return "a colleague is closing it: the CRM has an open deal"
        since = datetime.fromisoformat(claim.alert.as_of)
        if any(deal.closed_at is not None and deal.closed_at >= since for deal in record.won_deals):
            return "already won: the CRM has a deal won since"
    entries = [_entry(definition, record, wanted) for definition in definitions]
    return None if not entries or None in entries else entries[0]


def _entry(definition: Definition, record: CompanyNow, wanted: Any) -> str | None:
    """Why the record can no longer enter the definition; None if it can (unknown is not failing)."""
    values = {"lifecycle_stage": record.lifecycle_stage}
    values |= {name: record.properties.get(field, "") for name, field in wanted.items()}
    for name, refused in definition.exclude.attributes:
        if values.get(name) and values[name] in {str(v) for v in refused}:
            return f"excluded now: {name} is {values[name]}"
    for name, allowed in definition.only:
        if values.get(name) and values[name] not in {str(v) for v in allowed}:
            return f"no longer eligible: {name} is {values[name]}"
    return None
