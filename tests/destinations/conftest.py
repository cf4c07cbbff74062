"""One rich alert and the orders that carry it: the material of this room's stories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pql.types import Alert, Champion, Order, Reason


@pytest.fixture
def alert() -> Alert:
    """The alert behind PRODUCT-A2's example."""
    others = (Reason(12, "4 integrations"), Reason(8, "calls"), Reason(4, "files"), Reason(3, "docs read"))
    return Alert(
        headline="just qualified",
        definitions=("new-business",),
        titles=("New business",),
        subject_key="org:acme",
        account_key="org:acme",
        account_name="Acme Inc",
        as_of="2026-03-06T14:00:00+00:00",
        score=82,
        activation_pct=75,
        grade="B1",
        grade_10=9,
        score_delta_night=31,
        score_delta_week=40,
        size="mid",
        employees=240,
        trial_day=9,
        owner_email="dana@relay.example",
        owner_name="Dana Fox",
        crm_id="4711",
        crm_kind="company",
        reasons=(
            Reason(25, "turned on self-serve billing"),
            Reason(20, "messages on 6 of the last 7 days"),
            Reason(15, "12 teammates invited"),
            *others,
            Reason(-5, "admin on free mail"),
        ),
        champions=(Champion("Mia Chen", 412, 7, "mia@acme.example"), Champion("Tom Ruiz", 160, 5, "tom@acme.example")),
        next_step="they use 12 of 15 seats: offer the team plan",
    )


@pytest.fixture
def make_order(alert: Alert) -> Callable[..., Order]:
    def make(kind: str = "slack", **changes: Any) -> Order:
        values: dict[str, Any] = {
            "delivery_id": 1,
            "key": "key-1",
            "kind": kind,
            "options": {"channel": "#pql-mid", "mention": "owner"},
            "alert": alert,
        }
        return Order(**{**values, **changes})

    return make
