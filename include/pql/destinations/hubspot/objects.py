"""Which of HubSpot's objects an account's record is: an alert in, `companies` or `contacts` out."""

from __future__ import annotations

from typing import Literal

from pql.types import Alert

Records = Literal["companies", "contacts"]
RECORDS: tuple[Records, ...] = ("companies", "contacts")


def records_of(alert: Alert) -> Records:
    """Where its record is kept; a record of unnamed kind is a company."""
    return "contacts" if alert.crm_kind == "contact" else "companies"
