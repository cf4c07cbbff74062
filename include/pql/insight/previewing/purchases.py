"""Who bought when, by the CRM's dated facts: the day an account became a customer, the days its deals were won."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import duckdb
import pandas as pd

from pql import features
from pql.definition.model import All, Definition, Score
from pql.insight.previewing.model import Became, Outcome
from pql.pipeline.project import Project
from pql.scoring.values import is_one_of
from pql.usage import needs_of

BOUGHT_AT = ("attr.became_customer_at", "attr.first_won_at")


@dataclass(frozen=True)
class Fate:
    """What became of one account after its alert."""

    became: Became
    bought_at: datetime | None = None
    days_had: int | None = None  # from the alert to the purchase; of who did not buy, to when the CRM was last read


@dataclass(frozen=True)
class Purchases:
    """First purchases by account key, as the CRM told them up to `known_to` (None: it tells of none)."""

    known_to: datetime | None = None
    first: Mapping[str, datetime] = field(default_factory=dict)
    in_crm: frozenset[str] = frozenset()  # accounts of which it would tell

    def after(self, account_key: str, alert_at: datetime) -> Fate:
        """What became of the account after an alert; who had bought before is not counted as bought afterwards."""
        if self.known_to is None:
            return Fate("unknown")
        at = self.first.get(account_key)
        if at is not None and at <= alert_at:
            return Fate("customer before", at)
        if at is not None:
            return Fate("bought", at, (at - alert_at).days)
        if account_key not in self.in_crm:
            return Fate("unknown")
        return Fate("not yet", None, max((self.known_to - alert_at).days, 0))


def read_purchases(
    project: Project, lake: duckdb.DuckDBPyConnection, definition: Definition, *, at: datetime, known_to: datetime
) -> Purchases:
    """Everybody's purchases as the CRM had told them at `at`; it was last read at `known_to`."""
    plain = _accounts_only(definition)
    project.lake.prepare(lake, needs_of(plain), [at])
    rows = features.build(
        lake,
        plain,
        [at],
        timezone=project.settings.timezone,
        free_mail_domains=project.free_mail_domains,
        extra_attributes=("became_customer_at",),
    )
    dates = pd.DataFrame({name: pd.to_datetime(rows[name], errors="coerce", utc=True) for name in BOUGHT_AT})
    first = dates.min(axis=1)
    bought = first.notna()
    if not bought.any():
        return Purchases()
    # A customer nobody knows the date of is neither a purchase nor a missing one.
    undated = pd.Series(is_one_of(rows["attr.lifecycle_stage"], ("customer",))[0], index=rows.index) & ~bought
    known = (rows["attr.company_id"].fillna("") != "") & ~undated
    keys = rows["account_key"]
    return Purchases(
        known_to,
        {str(key): at.to_pydatetime().astimezone(UTC) for key, at in zip(keys[bought], first[bought], strict=True)},
        frozenset(keys[known]),
    )


def sum_up(fates: Iterable[Fate]) -> Outcome:
    """Counts of fates, and the time it took or that there was."""
    found = list(fates)
    took = [f.days_had for f in found if f.became == "bought" and f.days_had is not None]
    had = [f.days_had for f in found if f.became == "not yet" and f.days_had is not None]
    kinds = [fate.became for fate in found]
    return Outcome(
        accounts=len(found),
        bought=kinds.count("bought"),
        not_yet=kinds.count("not yet"),
        customers_before=kinds.count("customer before"),
        unknown=kinds.count("unknown"),
        median_days_to_buy=statistics.median(took) if took else None,
        least_days_had=min(had, default=None),
        most_days_had=max(had, default=None),
    )


def _accounts_only(definition: Definition) -> Definition:
    """A definition that asks for nothing but who the accounts are."""
    return replace(
        definition,
        subject="account",
        signals=(),
        stages=(),
        criteria=(),
        score=Score(),
        qualify=All(()),
        size=None,
        only=(),
        plays=(),
    )
