"""A definition with plays, and one account's scored row at T."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from pql.definition import parse
from pql.definition.model import Definition
from pql.qualification.model import Decisions, OccurrenceOpened, Opened
from pql.scoring import score

T = datetime(2026, 3, 10, tzinfo=UTC)

HEAD = """
definition: new-business
title: New business
status: live
priority: 10
events:
  signed_up: {event: Signed Up, passive: true}
  message_sent: Message Sent
  teammate_invited: {event: Invite Sent, where: {status: accepted}}
signals:
  habit: {active_days: message_sent, last: 7d}
  invites: {count: teammate_invited}
  seats: {users: any_event}
  seats_used_pct: {share: seats, of: plan_seats}
  billing: {attribute: self_serve_billing}
  free_mail: {attribute: is_free_mail}
size: {by: employees, from: {small: 0, mid: 50, large: 500}, unknown: small}
activation:
  - {stage: First, when: {habit: {min: 1}}, weight: 3}
  - {stage: Second, when: {invites: {min: 2}}}
criteria: {value: {habit: {min: 3}}}
score:
  fit: [{signal: free_mail, is: true, points: -5, title: admin on free mail}]
  value:
    - {signal: habit, min: 3, points: 20}
    - {signal: invites, points: 1.25, per: 1, max: 15}
  intent: [{signal: billing, is: true, points: 25, title: turned on self-serve billing}]
plays:
"""

PING = """
  - play: Ping the owner
    on: newly_qualified
    next: "They use {{ seats_used_pct }} % of their seats: offer the team plan"
    do:
      - slack: {channel: "#pql-{{ size }}", mention: owner}
      - crm_task: {due: 1 business day, subject: "Call {{ account.name }}: {{ top_reason }}", fallback_owner: sdr@x.com}
      - crm_update:
          pql_score: score
          pql_reasons: reasons
          pql_plan: "{{ account.plan }}"
          pql_flag: true
          pql_at: qualified_at
"""


@pytest.fixture
def define() -> Callable[..., Definition]:
    """The definition with these plays."""

    def read(plays: str = PING, **changes: Any) -> Definition:
        definition, problems = parse(HEAD + plays, "test.yaml")
        assert definition is not None, [str(p) for p in problems]
        return replace(definition, **changes)

    return read


def features(subject: str = "org:acme", **said: Any) -> dict[str, Any]:
    return {
        "as_of": pd.Timestamp("2026-03-10"),
        "subject_key": subject,
        "account_key": subject,
        "signup_at": pd.Timestamp("2026-03-01 09:00"),
        "signup_day": date(2026, 3, 1),
        "last_active_at": pd.Timestamp("2026-03-09 12:00"),
        "domain": "acme.example",
        "attr.name": "Acme Inc",
        "attr.domain": "acme.example",
        "attr.employees": 240.0,
        "attr.owner_email": "dana@x.com",
        "attr.owner_name": "Dana",
        "attr.crm_id": "991",
        "attr.crm_kind": "company",
        "attr.plan": "trial",
        "attr.plan_seats": 15.0,
        "signal.habit": 6.0,
        "signal.invites": 12.0,
        "signal.seats": 12.0,
        "signal.seats_used_pct": 80.0,
        "signal.billing": True,
        "signal.free_mail": True,
        "stage_at.0": pd.Timestamp("2026-03-02"),
        "stage_at.1": pd.NaT,
    } | said


@pytest.fixture
def snapshot() -> Callable[..., pd.DataFrame]:
    """The scored snapshot of the accounts whose features are given (default: Acme)."""

    def build(definition: Definition, *given: dict[str, Any], **columns: Any) -> pd.DataFrame:
        rows = [features(**g) if "subject" in g else features() | g for g in given or ({},)]
        return score(definition, pd.DataFrame(rows), timezone="UTC").assign(**columns)

    return build


@pytest.fixture
def opened() -> Callable[..., Decisions]:
    """Decisions that open an episode for each subject named."""

    def decide(definition: Definition, *subjects: str, silent: Any = None) -> Decisions:
        made = tuple(Opened(s, s, T, silent is None, silent, 55) for s in subjects or ("org:acme",))
        return Decisions(definition.id, definition.rules_hash, T, live=True, opened=made)

    return decide


@pytest.fixture
def occurred() -> Callable[..., Decisions]:
    """Decisions that open an occurrence of a play for Acme."""

    def decide(definition: Definition, play: str, silent: Any = None) -> Decisions:
        made = OccurrenceOpened(play, "org:acme", "org:acme", T, silent is None, silent)
        return Decisions(definition.id, definition.rules_hash, T, live=True, occurrences_opened=(made,))

    return decide
