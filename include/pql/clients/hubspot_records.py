"""What the HubSpot client hands out and takes in: frozen records, and how HubSpot writes an instant and a checkbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pql.types import Outcome

BATCH = 100  # inputs of one batch call
TASK_KEY_PROPERTY = "pql_delivery_key"

T = TypeVar("T")
Object = Literal["companies", "contacts", "deals", "meetings", "tasks"]
PropertyType = Literal["string", "number", "bool", "date", "datetime"]


@dataclass(frozen=True)
class Task:
    """One task to exist; `key` is the value of its unique property, so that writing it twice makes one task."""

    key: str
    properties: Mapping[str, str]  # hs_timestamp (due, required), hs_task_subject, hs_task_body, hubspot_owner_id …
    company_ids: tuple[str, ...] = ()
    contact_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskOutcome:
    """How one task of a batch ended. `linked`: it hangs on the records asked for."""

    key: str
    outcome: Outcome
    id: str = ""
    created: bool = False
    linked: bool = False
    reason: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True)
class DealNow:
    """One deal as it is at this moment."""

    id: str
    stage: str
    is_closed: bool
    is_won: bool
    closed_at: datetime | None
    owner_id: str


@dataclass(frozen=True)
class CompanyNow:
    """A company (or a contact standing for an account of one) as it is at this moment, with its deals."""

    id: str
    name: str = ""
    owner_id: str = ""
    lifecycle_stage: str = ""
    not_a_fit: bool = False
    snooze_until: datetime | None = None
    deals: tuple[DealNow, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)  # every value that was asked for and is set

    @property
    def open_deals(self) -> tuple[DealNow, ...]:
        """Deals not closed yet."""
        return tuple(deal for deal in self.deals if not deal.is_closed)

    @property
    def won_deals(self) -> tuple[DealNow, ...]:
        """Deals closed and won."""
        return tuple(deal for deal in self.deals if deal.is_won)


def instant(value: str | None) -> datetime | None:
    """An instant as HubSpot writes it, in UTC; None for nothing.

    >>> instant("2026-03-01T12:00:00.000Z").isoformat(), instant("1772366400000").isoformat(), instant("")
    ('2026-03-01T12:00:00+00:00', '2026-03-01T12:00:00+00:00', None)
    """
    if not value:
        return None
    if value.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    parsed = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def is_true(value: str | None) -> bool:
    """A checkbox as HubSpot writes it."""
    return (value or "").strip().lower() in ("true", "yes", "1")


def batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows, a hundred at a time."""
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
