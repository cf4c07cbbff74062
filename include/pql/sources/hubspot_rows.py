"""HubSpot records as rows of the lake's CRM tables: a record in, one plain dict with exactly `CRM_COLUMNS` out.

Property names: developers.hubspot.com, default properties of companies, contacts, deals and meetings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pql.clients.hubspot_bulk import Record
from pql.clients.hubspot_records import Object, instant, is_true
from pql.settings import HubSpotSource

Row = dict[str, Any]
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?")
# when a company became a customer: the newer name of the stage's date, the older one
_CUSTOMER_AT = ("hs_v2_date_entered_customer", "hs_lifecyclestage_customer_date")


@dataclass(frozen=True)
class Table:
    """One lake table: which object fills it, what to ask for, how a record becomes a row."""

    table: str  # name in CRM_COLUMNS
    object: Object
    properties: tuple[str, ...]
    links: tuple[Object, ...]
    row: Callable[[Record], Row]


def tables(settings: HubSpotSource) -> tuple[Table, ...]:
    """The tables that HubSpot objects fill (owners come from an endpoint of their own)."""
    extra = (settings.account_id_property,) if settings.account_id_property else ()
    return (
        Table(
            "accounts",
            "companies",
            _unique(
                "name", "domain", "numberofemployees", "hubspot_owner_id", "lifecyclestage", "createdate",
                *_CUSTOMER_AT, settings.not_a_fit_property, settings.snooze_property, *extra,
                *settings.attributes.values(),
            ),
            (),
            lambda record: account_row(record, settings),
        ),
        Table(
            "contacts",
            "contacts",
            _unique(
                "email", "firstname", "lastname", "hubspot_owner_id", "lifecyclestage", "createdate",
                *settings.contact_attributes.values(),
            ),
            ("companies",),
            lambda record: contact_row(record, settings),
        ),
        Table(
            "deals",
            "deals",
            ("dealstage", "amount", "closedate", "hs_is_closed", "hs_is_closed_won", "hubspot_owner_id", "createdate"),
            ("companies",),
            deal_row,
        ),
        Table(
            "meetings",
            "meetings",
            ("hs_meeting_start_time", "hs_timestamp", "hs_createdate"),
            ("companies", "contacts"),
            meeting_row,
        ),
    )  # fmt: skip


def account_row(record: Record, settings: HubSpotSource) -> Row:
    """A company."""
    values = record.values
    external = values.get(settings.account_id_property) if settings.account_id_property else None
    return {
        "id": record.id,
        "name": values.get("name") or None,
        "domain": (values.get("domain") or "").strip().lower() or None,
        "employees": _whole(values.get("numberofemployees")),
        "owner_id": values.get("hubspot_owner_id") or None,
        "lifecycle_stage": values.get("lifecyclestage") or None,
        "became_customer_at": _stamp(next((values[name] for name in _CUSTOMER_AT if values.get(name)), None)),
        "external_account_id": (external or "").strip() or None,
        "not_a_fit": is_true(values.get(settings.not_a_fit_property)),
        "snooze_until": _stamp(values.get(settings.snooze_property)),
        "properties": _attributes(values, settings.attributes),
        **_dates(record, "createdate"),
    }


def contact_row(record: Record, settings: HubSpotSource) -> Row:
    """A contact."""
    values = record.values
    names = [name.strip() for name in (values.get("firstname"), values.get("lastname")) if name and name.strip()]
    return {
        "id": record.id,
        "email": (values.get("email") or "").strip().lower() or None,
        "name": " ".join(names) or None,
        "account_id": _first(record, "companies"),
        "owner_id": values.get("hubspot_owner_id") or None,
        "lifecycle_stage": values.get("lifecyclestage") or None,
        "properties": _attributes(values, settings.contact_attributes),
        **_dates(record, "createdate"),
    }


def deal_row(record: Record) -> Row:
    """A deal; `closed_at` of an open one is only a hope and left out."""
    values = record.values
    is_closed = is_true(values.get("hs_is_closed"))
    amount = values.get("amount")
    return {
        "id": record.id,
        "account_id": _first(record, "companies"),
        "owner_id": values.get("hubspot_owner_id") or None,
        "stage": values.get("dealstage") or None,
        "is_closed": is_closed,
        "is_won": is_true(values.get("hs_is_closed_won")),
        "amount": float(amount) if amount and _NUMBER.fullmatch(amount) else None,
        "closed_at": _stamp(values.get("closedate")) if is_closed else None,
        **_dates(record, "createdate"),
    }


def meeting_row(record: Record) -> Row:
    """A meeting."""
    return {
        "id": record.id,
        "account_id": _first(record, "companies"),
        "contact_id": _first(record, "contacts"),
        "starts_at": _stamp(record.values.get("hs_meeting_start_time") or record.values.get("hs_timestamp")),
        **_dates(record, "hs_createdate"),
    }


def owner_row(owner: Mapping[str, Any]) -> Row:
    """An owner."""
    names = [str(owner[part]).strip() for part in ("firstName", "lastName") if owner.get(part)]
    return {
        "id": str(owner["id"]),
        "email": str(owner.get("email") or "").strip().lower() or None,
        "name": " ".join(name for name in names if name) or None,
        "archived": bool(owner.get("archived", False)),
    }


def scalar(value: str) -> str | float | int | bool:
    """A property value, which travels as a string, as what it looks like.

    >>> scalar("15"), scalar("0.5"), scalar("true"), scalar("007"), scalar("free")
    (15, 0.5, True, '007', 'free')
    """
    if value in ("true", "false"):
        return value == "true"
    if _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value


def _attributes(values: Mapping[str, str | None], wanted: Mapping[str, str]) -> str:
    found = {attribute: values.get(name) for attribute, name in wanted.items()}
    return json.dumps({attribute: scalar(value) for attribute, value in found.items() if value}, ensure_ascii=False)


def _dates(record: Record, created: str) -> Row:
    return {
        "created_at": _stamp(record.values.get(created) or record.created_at),
        "updated_at": _stamp(record.updated_at),
        "archived": record.archived,
    }


def _first(record: Record, object: Object) -> str | None:
    return next(iter(record.to.get(object, ())), None)


def _whole(value: str | None) -> int | None:
    return int(float(value)) if value and _NUMBER.fullmatch(value) else None


def _stamp(value: str | None) -> str | None:
    """Naive UTC, as DuckDB reads a TIMESTAMP."""
    at: datetime | None = instant(value)
    return at.replace(tzinfo=None).isoformat(sep=" ") if at else None


def _unique(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
