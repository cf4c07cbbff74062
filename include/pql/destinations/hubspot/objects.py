"""HubSpot's objects: an alert in, which one its record is (`companies` or `contacts`) out; how much text fits."""

from __future__ import annotations

from typing import Literal

from pql.types import Alert

Records = Literal["companies", "contacts"]
TEXT_LIMIT = 60_000  # HubSpot holds 65,536 characters in a property
RECORDS: tuple[Records, ...] = ("companies", "contacts")


def records_of(alert: Alert) -> Records:
    """Where its record is kept; a record of unnamed kind is a company."""
    return "contacts" if alert.crm_kind == "contact" else "companies"
