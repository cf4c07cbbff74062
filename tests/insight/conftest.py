"""Stories to ask about: the project of the end-to-end stories, with a richer definition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from tests.flow.conftest import Story, new_story  # noqa: F401  # a fixture

from pql import insight

SETTINGS = """
sources:
  product:
    kind: files
    path: events/*.ndjson
    emits:
      - event: what
        time: at
        user: who
        account: org
        id: id
        user_traits: {email: mail}
        account_traits: {plan: plan, employees: employees, seats: seats}
        properties: [tool, status]
destinations:
  slack: {kind: slack}
"""

TRIAL = """
definition: trial
title: Trial
status: live
events:
  signed_up: {event: Signed Up, passive: true}
  message_sent: Message Sent
  teammate_invited: Invite Sent
  pricing_viewed: Pricing Viewed
only: {plan: [trial, free]}
signals:
  messages: {count: message_sent}
  days: {active_days: any_event, last: 7d}
  invites: {count: teammate_invited, last: 14d}
  prices: {count: pricing_viewed, last: 7d}
  teammates: {users: any_event, last: 14d}
  seats_pct: {share: teammates, of: seats}
  employees: {attribute: employees}
activation:
  - {stage: Talked, when: {messages: {min: 3}}}
  - {stage: Invited, when: {invites: {min: 2}}}
criteria:
  fit: {employees: {min: 10}}
  value: {any: [{days: {min: 4}}, {invites: {min: 2}}]}
  intent: {any: [{prices: {min: 1}}, {seats_pct: {min: 80}}]}
score:
  fit: [{signal: employees, between: [50, 1000], points: 20}]
  value:
    max: 40
    lines:
      - {signal: messages, points: 2, per: 1, max: 30}
      - {signal: days, points: 5, per: 1, max: 35}
  intent: [{signal: prices, min: 1, points: 16, half_life: 2d}]
plays:
  - {play: Tell sales, on: newly_qualified, do: [{slack: {channel: "#pql"}}]}
"""


@pytest.fixture
def trial(new_story: Callable[..., Story]) -> Story:  # noqa: F811  # the fixture imported above
    """A story with the trial definition, and somebody who was there long before."""
    made = new_story(definition=TRIAL, settings=SETTINGS)
    (made.definitions / "habit.yaml").rename(made.definitions / "trial.yaml")
    return made


def ask(story: Story, whom: str, at: datetime, **more: Any) -> dict[str, Any]:
    """What is explained about the account's first subject by the first definition."""
    project = story.open()
    try:
        return insight.explain(project, whom, as_of=at, now=max(story.now, at), **more)[0]
    finally:
        project.close()
