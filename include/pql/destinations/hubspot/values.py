"""Values as HubSpot's properties take them: what a play writes in, its text and the property's type out; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pql.clients.hubspot_records import PropertyType
from pql.destinations.hubspot.objects import TEXT_LIMIT

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")


def written(value: object) -> str:
    """A property value as HubSpot takes it: always a string, an instant in UTC.

    >>> written(True), written(3.0), written("2026-03-02T09:00+01:00"), written(None)
    ('true', '3', '2026-03-02T08:00:00.000Z', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if (moment := _moment(value)) is not None:
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)[:TEXT_LIMIT]


def type_of(value: object) -> PropertyType:
    """What kind of property holds such a value."""
    if isinstance(value, bool):
        return "bool"
    if _moment(value) is not None:
        return "datetime"
    return "number" if isinstance(value, int | float) else "string"


def _moment(value: object) -> datetime | None:
    """The instant that a value is, or is written as (ISO 8601 with time and offset)."""
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) else None
