"""The few frozen types and column lists that rooms hand each other; no behaviour, no input, no output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

# ---------------------------------------------------------------------------------------------------------------
# Lake columns (name → DuckDB type). All instants are UTC and stored as naive TIMESTAMP (microseconds).

EVENT_COLUMNS: dict[str, str] = {
    "event_id": "VARCHAR",  # stable across re-exports; duplicates share it
    "event": "VARCHAR",  # the source's own name
    "user_id": "VARCHAR",  # known user; NULL while anonymous
    "anonymous_id": "VARCHAR",  # device or visitor id, or the id a merge/alias replaces; NULL if none
    "account_hint": "VARCHAR",  # explicit account/group id; NULL if the source names none
    "occurred_at": "TIMESTAMP",
    "ingested_at": "TIMESTAMP",  # when the source received it, else when we read it
    "properties": "VARCHAR",  # JSON object
    "user_traits": "VARCHAR",  # JSON object of mapped user attributes (email, name, plan …), or NULL
    "account_traits": "VARCHAR",  # JSON object of mapped account attributes, or NULL
}

CRM_COLUMNS: dict[str, dict[str, str]] = {
    "accounts": {
        "id": "VARCHAR",
        "name": "VARCHAR",
        "domain": "VARCHAR",
        "employees": "BIGINT",
        "owner_id": "VARCHAR",
        "lifecycle_stage": "VARCHAR",
        "became_customer_at": "TIMESTAMP",
        "external_account_id": "VARCHAR",  # the product's own account id, where the CRM knows it
        "not_a_fit": "BOOLEAN",
        "snooze_until": "TIMESTAMP",
        "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "archived": "BOOLEAN",
        "properties": "VARCHAR",  # JSON object: every other attribute asked for
    },
    "contacts": {
        "id": "VARCHAR",
        "email": "VARCHAR",
        "name": "VARCHAR",
        "account_id": "VARCHAR",
        "owner_id": "VARCHAR",
        "lifecycle_stage": "VARCHAR",
        "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "archived": "BOOLEAN",
        "properties": "VARCHAR",
    },
    "owners": {"id": "VARCHAR", "email": "VARCHAR", "name": "VARCHAR", "archived": "BOOLEAN"},
    "deals": {
        "id": "VARCHAR",
        "account_id": "VARCHAR",
        "owner_id": "VARCHAR",
        "stage": "VARCHAR",
        "is_closed": "BOOLEAN",
        "is_won": "BOOLEAN",
        "amount": "DOUBLE",
        "created_at": "TIMESTAMP",
        "closed_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "archived": "BOOLEAN",
    },
    "meetings": {
        "id": "VARCHAR",
        "account_id": "VARCHAR",
        "contact_id": "VARCHAR",
        "starts_at": "TIMESTAMP",
        "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "archived": "BOOLEAN",
    },
}


# ---------------------------------------------------------------------------------------------------------------
# Connections: faces resolve them (Airflow, or AIRFLOW_CONN_* in the environment) and hand them down.


@dataclass(frozen=True)
class Connection:
    """One external system's address and secret; its repr never shows the secret."""

    id: str
    host: str = ""  # scheme://host[:port][/path], without a trailing slash
    login: str = ""
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class UnknownConnection(LookupError):
    """No connection of that id is configured; the message says where to put it."""


Connections = Callable[[str], Connection]  # raises UnknownConnection


class UserError(Exception):
    """Something the person at the keyboard can put right; shown without a traceback, exit code 2."""


Progress = Callable[[str, float], None]  # what is being done, and how much of it is done (0–1)


# ---------------------------------------------------------------------------------------------------------------
# Ingest


@dataclass(frozen=True)
class Quarantined:
    """One record that could not be used: where it stood, why, and the record itself."""

    where: str  # "events-2018-11-01.json:17"
    why: str
    record: str


@dataclass(frozen=True)
class IngestReport:
    """What one read of one source did."""

    source: str
    read: int  # records seen
    published: int  # records that are now in the lake
    quarantined: int
    complete_to: datetime | None  # the source is complete up to here (UTC), None if it cannot tell
    note: str = ""
    left_out: int = 0  # records that name nobody: nobody's activity, and no mistake of the record's


# ---------------------------------------------------------------------------------------------------------------
# What a message says. Built by plays, stored with the delivery as JSON, rendered by destinations.


@dataclass(frozen=True)
class Reason:
    """One score line in words; lines of a score add up to it exactly (SEM-S1)."""

    points: int
    text: str
    group: str = ""  # "fit", "value" …, whose points these are; LIMIT where points do not count


LIMIT = "limit"


@dataclass(frozen=True)
class Champion:
    """A most engaged user of the account."""

    name: str
    actions: int
    days: int
    email: str = ""


@dataclass(frozen=True)
class Alert:
    """Everything a person needs to understand one ping in ten seconds (PRODUCT-A2)."""

    headline: str  # "just qualified", "score up 24", "gone quiet" …
    definitions: tuple[str, ...]  # ids, by priority
    titles: tuple[str, ...]
    subject_key: str
    account_key: str
    account_name: str
    as_of: str  # ISO instant
    score: int
    activation_pct: int | None  # None: the definition has no stages
    grade: str  # letter grid, "B1"
    grade_10: int
    score_delta_night: int | None = None
    score_delta_week: int | None = None
    size: str = ""  # small | mid | large …
    size_unknown: bool = False
    employees: int | None = None
    trial_day: int | None = None  # 1 on the signup's local date
    plan: str = ""  # "" where nobody knows it
    owner_email: str = ""
    owner_name: str = ""
    crm_id: str = ""
    crm_kind: Literal["company", "contact", ""] = ""
    company_id: str = ""  # the account's company in the CRM, also where the record above is a contact
    domain: str = ""  # the account's
    reasons: tuple[Reason, ...] = ()  # strongest first, all lines
    champions: tuple[Champion, ...] = ()
    next_step: str = ""
    flags: tuple[str, ...] = ()  # "size unknown, treated as small" …


# ---------------------------------------------------------------------------------------------------------------
# Destinations: an action in, a receipt out.

Outcome = Literal["delivered", "not_sent", "ambiguous", "rejected"]

# What a play does, and what takes such a one back.
DeliveryKind = Literal[
    "slack", "crm_task", "crm_update", "webhook",
    "slack_retract", "crm_task_close", "webhook_retract",
]  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """What a table of many messages shows when it is sent: the hottest, and how many more its thread has."""

    alerts: tuple[Alert, ...]
    more: int = 0
    taken_back: frozenset[int] = frozenset()  # which of the alerts, from 0, are struck out: they had never qualified


@dataclass(frozen=True)
class Order:
    """One delivery as its destination sees it."""

    delivery_id: int
    key: str  # idempotency key, the same on every attempt
    kind: DeliveryKind
    options: Mapping[str, Any]  # rendered options of the action (channel, subject, due …); of a retraction its `reason`
    alert: Alert
    # receipt of the message to answer under; of a retraction the receipt of what it takes back, with that one's `key`
    thread: Mapping[str, Any] | None = None
    attempt: int = 1
    # receipts of what surely stands in the same place: a history that does not show them shows nothing
    witnesses: tuple[Mapping[str, Any], ...] = ()
    listing: Listing | None = None  # of a table of others, and of what takes some of its rows back


@dataclass(frozen=True)
class Result:
    """How one attempt ended.

    delivered: the effect exists, `receipt` tells where. not_sent: surely no effect, but for what a `receipt` says is
    there, incomplete; try again (after `retry_after_s` if given). ambiguous: it may or may not have happened; reconcile
    before trying again. rejected: it never will.
    """

    outcome: Outcome
    receipt: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Pace:
    """How far apart sends must be, kept by all workers together through the ledger."""

    gap_s: float
    by: Literal["lane", "destination"]  # what has a pace of its own: each channel, or the whole portal


class Destination(Protocol):
    """One external system that actions are carried out on."""

    @property
    def kind(self) -> str:
        """Which system it is, as in the settings."""

    @property
    def quiet_s(self) -> float:
        """How long after a request left its effect may still appear; before that, "not found" proves nothing.

        0 where the same key sent twice has one effect.
        """

    @property
    def pace(self) -> Pace | None:
        """How fast it may be sent to; None where there is no limit."""

    def send(self, order: Order) -> Result:
        """Carry the order out once; never raises for what the remote side does."""

    def find(self, order: Order) -> Result:
        """Look whether an earlier, ambiguous attempt took effect.

        delivered: yes, here is the receipt. not_sent: surely not. ambiguous: cannot tell.
        """


@runtime_checkable
class BatchDestination(Destination, Protocol):
    """A destination that takes many orders in one request."""

    @property
    def batch_size(self) -> int:
        """How many at most."""

    def send_many(self, orders: Sequence[Order]) -> Sequence[Result]:
        """Carry the orders out once and return how each ended, in order; never raises for what the remote side does."""


@runtime_checkable
class BatchFinder(Destination, Protocol):
    """A destination that can look for many orders in one request."""

    def find_many(self, orders: Sequence[Order]) -> Sequence[Result]:
        """As `find` of each, in order; never raises for what the remote side does."""


# ---------------------------------------------------------------------------------------------------------------
# Receipts read back: what stands at a destination, held against what the ledger says.


@dataclass(frozen=True)
class Expected:
    """One delivery as a reader looks for it. Without a receipt nothing need be there; its place is looked at."""

    key: str
    kind: DeliveryKind
    lane: str
    receipt: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Standing:
    """One effect that carries a delivery key and stands at its destination."""

    key: str
    place: str  # a channel, a thread in it, the tasks
    at: datetime  # when it was made, by the destination's clock
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class ReadBack:
    """What a destination shows. Of a place that is not in `read` nothing is known, and nothing follows."""

    standing: tuple[Standing, ...] = ()
    gone: Mapping[str, str] = field(default_factory=dict)  # key → place: delivered, and surely not there any more
    read: frozenset[str] = frozenset()  # places read to their end
    unread: Mapping[str, str] = field(default_factory=dict)  # place → why it could not be


class Reader(Protocol):
    """One destination that can be asked what stands there."""

    def read(self, expected: Sequence[Expected], since: datetime) -> ReadBack:
        """What was made there since that moment, where the expected stand or would; never raises for what it meets."""
