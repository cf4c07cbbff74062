"""What a preview says, as plain values: figures of both definitions, the accounts that differ, alerts day by day.

Instants are aware UTC, days are local dates; `as_dict` writes both as ISO text. *New* is the definition tried, *old*
the one it is compared with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

Group = Literal["added", "removed", "kept"]
Became = Literal["bought", "not yet", "customer before", "unknown"]
"""`bought`: its first purchase came after the alert. `customer before`: it had bought when the alert came."""


@dataclass(frozen=True)
class Outcome:
    """What became of a number of announced accounts, each after its alert."""

    accounts: int
    bought: int
    not_yet: int
    customers_before: int
    unknown: int
    median_days_to_buy: float | None  # of those that bought
    least_days_had: int | None  # of those that did not: how long they have had, at least and at most
    most_days_had: int | None


@dataclass(frozen=True)
class Side:
    """One definition over the period. An alert is one account told of at one moment (SEM-D5)."""

    definition: str
    title: str
    status: str
    version: str
    subject: str
    path: str
    announced: int  # subjects announced at least once; accounts, where users are compared with accounts
    already_qualified: int  # at the first moment: the silent baseline
    old_news: int  # silent later on: it had qualified a week earlier, or its key changed
    alerts: int  # announced and other triggers, one for each account and moment
    other_alerts: int  # of these: only by another trigger than `newly_qualified`
    alerts_a_day: float
    median_a_day: float
    most_a_day: int
    busiest_day: date | None
    days_over_cap: int  # days with a run that the storm cap would have held
    outcome: Outcome  # of the accounts announced


@dataclass(frozen=True)
class Day:
    """How many alerts one local day has, by each definition."""

    day: date
    new: int
    old: int | None
    new_over_cap: bool = False
    old_over_cap: bool = False


@dataclass(frozen=True)
class Segment:
    """The accounts of one segment, as it was when they were announced."""

    name: str
    added: int
    removed: int
    kept: int
    new: int  # announced by the new definition
    old: int
    new_bought: int  # of these, afterwards
    old_bought: int


@dataclass(frozen=True)
class Cause:
    """A condition that keeps accounts out on one side, and how many."""

    text: str
    accounts: int


@dataclass(frozen=True)
class Account:
    """One account that at least one of the two would have announced.

    `new_at` and `old_at` are the moments at which it was found, `new_day` and `old_day` the local days these look back
    on (the day of `Preview.days` that counts it); `new_silent` and `old_silent` say why it was not announced then
    ("baseline": it qualified already at the first moment), "" if it was. `days_sooner` is how many days earlier the new
    definition announces it (negative: later), None unless both announce it.
    """

    group: Group
    subject_key: str
    account_key: str
    name: str
    segment: str
    new_at: datetime | None
    old_at: datetime | None
    new_day: date | None
    old_day: date | None
    new_silent: str
    old_silent: str
    days_sooner: int | None
    score: int
    activation_pct: int
    became: Became
    bought_at: datetime | None
    days_had: int | None  # from the alert to the purchase, or so far
    reasons: tuple[str, ...]  # its strongest lines when it was announced
    missing: tuple[str, ...]  # what the other definition asked for besides at that moment, with what it found
    asked: tuple[str, ...]  # the same conditions alone


@dataclass(frozen=True)
class Preview:
    """What a change of a definition would have meant."""

    sentence: str
    new: Side
    old: Side | None
    first: datetime  # the silent baseline
    last: datetime
    first_day: date
    last_day: date
    every: str
    unit: str  # account or user
    added: Outcome
    removed: Outcome
    kept: Outcome
    sooner: int  # of the kept: announced on an earlier day by the new one, or before the period
    later: int
    days: tuple[Day, ...]
    segments_by: str
    segments: tuple[Segment, ...]
    added_because: tuple[Cause, ...]  # what the old definition asked for besides
    removed_because: tuple[Cause, ...]
    accounts: tuple[Account, ...]  # by group, then by when
    outcome_known_to: datetime | None  # None: the CRM gives no dated outcome
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON knows it."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
