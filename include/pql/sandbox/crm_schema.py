"""What the CRM knows about its object types: properties, associations and the checks on a value, in HubSpot's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pql.sandbox import names

PORTAL_ID = 24_680_135
TYPES = ("companies", "contacts", "deals", "meetings", "tasks")
SINGULAR = {"companies": "company", "contacts": "contact", "deals": "deal", "meetings": "meeting", "tasks": "task"}
TYPE_IDS = {"0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-47": "meetings", "0-27": "tasks"}
MODIFIED = {"contacts": "lastmodifieddate"}  # every other type: hs_lastmodifieddate
CREATED = {"tasks": "hs_createdate", "meetings": "hs_createdate"}  # every other type: createdate
DEFAULTS = {
    "companies": ("name", "domain"),
    "contacts": ("email", "firstname", "lastname"),
    "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
    "meetings": (),
    "tasks": (),
}
# HubSpot's own association type ids, (from, to): default first.
# https://developers.hubspot.com/docs/guides/api/crm/associations
ASSOCIATIONS = {
    ("contacts", "companies"): (279, 1),
    ("companies", "contacts"): (280, 2),
    ("deals", "companies"): (341, 5),
    ("companies", "deals"): (342, 6),
    ("deals", "contacts"): (3,),
    ("contacts", "deals"): (4,),
    ("tasks", "contacts"): (204,),
    ("contacts", "tasks"): (203,),
    ("tasks", "companies"): (192,),
    ("companies", "tasks"): (191,),
    ("tasks", "deals"): (216,),
    ("deals", "tasks"): (215,),
    ("meetings", "contacts"): (200,),
    ("contacts", "meetings"): (199,),
    ("meetings", "companies"): (188,),
    ("companies", "meetings"): (187,),
}


class HubSpotError(Exception):
    """An answer other than success: HTTP status, category and the words of the real service."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.category, self.message, self.more = status, category, message, more

    def body(self) -> dict[str, Any]:
        """HubSpot's error envelope."""
        envelope = {"status": "error", "message": self.message, "correlationId": str(uuid4()), **self.more}
        return envelope | {"category": self.category}


@dataclass(frozen=True)
class Property:
    """One property of an object type."""

    name: str
    type: str = "string"  # string, number, datetime, date, enumeration, bool
    options: tuple[str, ...] = ()
    read_only: bool = False
    required: bool = False
    unique: bool = False
    label: str = ""
    group: str = ""
    custom: bool = False

    def as_json(self) -> dict[str, Any]:
        """As GET /crm/v3/properties/… gives it."""
        field_types = {
            "number": "number",
            "datetime": "date",
            "date": "date",
            "enumeration": "select",
            "bool": "booleancheckbox",
        }
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "fieldType": field_types.get(self.type, "text"),
            "description": "",
            "groupName": self.group,
            "options": [
                {"label": o, "value": o, "hidden": False, "displayOrder": i} for i, o in enumerate(self.options)
            ],
            "displayOrder": -1,
            "calculated": False,
            "externalOptions": False,
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": not self.custom,
            "formField": False,
            "archived": False,
        }


STAGES = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
_OWNER_IDS = tuple(owner[0] for owner in names.OWNERS)
_SYSTEM = [Property(name, "datetime", read_only=True) for name in ("createdate", "hs_createdate")] + [
    Property("hs_lastmodifieddate", "datetime", read_only=True),
    Property("lastmodifieddate", "datetime", read_only=True),
    Property("hs_object_id", "number", read_only=True),
    Property("hubspot_owner_id", "enumeration", _OWNER_IDS),
]
_PQL = [
    Property("pql_score", "number", custom=True),
    Property("pql_activation_pct", "number", custom=True),
    Property("pql_grade", custom=True),
    Property("pql_qualified", "bool", ("true", "false"), custom=True),
    Property("pql_qualified_at", "datetime", custom=True),
    Property("pql_reasons", custom=True),
    Property("pql_not_a_fit", "bool", ("true", "false"), custom=True),
    Property("pql_snooze_until", "datetime", custom=True),
]
_OWN = {
    "companies": [
        *(Property(n) for n in ("name", "domain", "website", "phone", "city", "country", "industry")),
        Property("numberofemployees", "number"),
        Property("annualrevenue", "number"),
        Property("lifecyclestage", "enumeration", STAGES),
        Property("closedate", "datetime"),
        Property("hs_lifecyclestage_customer_date", "datetime", read_only=True),
        Property("hs_v2_date_entered_customer", "datetime", read_only=True),
        Property("plan", "enumeration", ("trial", "free", "pro"), custom=True),
        Property("plan_seats", "number", custom=True),
        Property("product_account_id", custom=True),
        *_PQL,
    ],
    "contacts": [
        *(Property(n) for n in ("firstname", "lastname", "phone", "jobtitle", "company", "hs_lead_status")),
        Property("email", unique=True),
        Property("lifecyclestage", "enumeration", STAGES),
        *_PQL,
    ],
    "deals": [
        *(Property(n) for n in ("dealname", "pipeline", "dealtype", "description")),
        Property("dealstage", "enumeration", ("appointmentscheduled", "qualifiedtobuy", "closedwon", "closedlost")),
        Property("amount", "number"),
        Property("closedate", "datetime"),
        Property("hs_is_closed", "bool", ("true", "false"), read_only=True),
        Property("hs_is_closed_won", "bool", ("true", "false"), read_only=True),
    ],
    "meetings": [
        *(Property(n) for n in ("hs_meeting_title", "hs_meeting_body", "hs_meeting_outcome", "hs_activity_type")),
        *(Property(n, "datetime") for n in ("hs_meeting_start_time", "hs_meeting_end_time")),
        Property("hs_timestamp", "datetime", required=True),
    ],
    "tasks": [
        *(Property(n) for n in ("hs_task_subject", "hs_task_body", "hs_task_reminders", "hs_queue_membership_ids")),
        Property("hs_timestamp", "datetime", required=True),
        Property("hs_task_status", "enumeration", ("NOT_STARTED", "IN_PROGRESS", "COMPLETED", "WAITING", "DEFERRED")),
        Property("hs_task_priority", "enumeration", ("NONE", "LOW", "MEDIUM", "HIGH")),
        Property("hs_task_type", "enumeration", ("TODO", "CALL", "EMAIL")),
    ],
}


class Schema:
    """The properties of every object type, including those a client adds."""

    def __init__(self) -> None:
        self._properties = {
            kind: {
                p.name: replace(p, group=p.group or f"{SINGULAR[kind]}information", label=p.label or p.name)
                for p in (*_SYSTEM, *own)
            }
            for kind, own in _OWN.items()
        }

    def of(self, kind: str) -> Mapping[str, Property]:
        """The properties of an object type by name."""
        return self._properties[kind]

    def add(self, kind: str, prop: Property) -> None:
        """Add a custom property, as POST /crm/v3/properties/… does."""
        self._properties[kind][prop.name] = prop

    def checked(self, kind: str, given: object, *, creating: bool) -> dict[str, str]:
        """The properties as they will be stored, or HubSpotError 400 naming every value that is wrong."""
        given = _strings(given)
        problems = [problem for name, value in given.items() if (problem := self._problem(kind, name, value))]
        if problems:
            raise invalid_values(problems)
        missing = [p.name for p in self.of(kind).values() if p.required and creating and not given.get(p.name)]
        if missing:
            text = f"Error creating {SINGULAR[kind].upper()}. Some required properties were not set."
            raise HubSpotError(400, "VALIDATION_ERROR", text, context={"properties": missing})
        return {name: self._stored(kind, name, value) for name, value in given.items()}

    def _problem(self, kind: str, name: str, value: str) -> tuple[str, str, str] | None:
        prop = self.of(kind).get(name)
        if prop is None:
            return name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'
        if prop.read_only:
            return name, "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.'
        if value and prop.type == "number" and not _is_number(value):
            return name, "INVALID_INTEGER", f"{value} was not a valid number."
        if value and prop.type in ("datetime", "date") and instant(value) is None:
            return name, "INVALID_DATE", f"{value} was not a valid date."
        if value and prop.options and value not in prop.options:
            return name, "INVALID_OPTION", f"{value} was not one of the allowed options: {list(prop.options)}"
        if len(value) > 65_536:
            return name, "INVALID_LENGTH", f"{name} was too long: at most 65536 characters."
        return None

    def _stored(self, kind: str, name: str, value: str) -> str:
        at = instant(value) if value and self.of(kind)[name].type == "datetime" else None
        return value if at is None else at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def invalid_values(problems: list[tuple[str, str, str]]) -> HubSpotError:
    """The 400 that lists (name, code, message) of every property value that was not accepted."""
    details = [
        {
            "isValid": False,
            "message": text,
            "error": code,
            "name": name,
            "localizedErrorMessage": text,
            "portalId": PORTAL_ID,
        }
        for name, code, text in problems
    ]
    errors = [{"message": text, "code": code, "context": {"propertyName": [name]}} for name, code, text in problems]
    listed = json.dumps(details, ensure_ascii=False, separators=(",", ":"))
    return HubSpotError(400, "VALIDATION_ERROR", f"Property values were not valid: {listed}", errors=errors)


def _strings(given: object) -> dict[str, str]:
    if not isinstance(given, dict):
        raise HubSpotError(
            400,
            "VALIDATION_ERROR",
            "Invalid input JSON on line 1, column 2: Some required fields were not set: [properties]",
        )
    for name, value in given.items():
        if not isinstance(value, str | None):
            where = f'(through reference chain: ["properties"]->["{name}"])'
            text = f"Cannot deserialize value of type `java.lang.String` {where}"
            raise HubSpotError(400, "VALIDATION_ERROR", f"Invalid input JSON on line 1, column 2: {text}")
    return {str(name): value or "" for name, value in given.items()}


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def instant(value: str) -> datetime | None:
    """A HubSpot date value (ISO 8601, or milliseconds since 1970) as an instant; None if it is neither."""
    try:
        if value.lstrip("-").isdigit():
            return datetime.fromtimestamp(int(value) / 1000, UTC)
        at = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
