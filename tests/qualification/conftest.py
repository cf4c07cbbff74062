"""A definition, hand-made snapshot rows, and a ledger in memory that applies decisions as the store does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pandas as pd
import pytest

from pql.definition import parse
from pql.definition.model import Definition
from pql.qualification import decide
from pql.qualification.model import (
    Baseline,
    Block,
    Decisions,
    Facts,
    LastClosed,
    OpenEpisode,
    OpenOccurrence,
    SubjectFacts,
)

T = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
HORIZON = timedelta(hours=48)

TEXT = """
definition: test
title: Test
status: live
priority: 10
events:
  signed_up: {event: Signed Up, passive: true}
  message_sent: Message Sent
only: {plan: [free]}
signals:
  messages: {count: message_sent}
  employees: {attribute: employees}
  seats: {users: any_event}
  seats_used_pct: {share: seats, of: plan_seats}
activation:
  - {stage: First, when: {messages: {min: 1}}}
  - {stage: Second, when: {messages: {min: 9}}}
criteria: {value: {messages: {min: 5}}}
score:
  value: [{signal: messages, points: 1, per: 1}]
plays:
  - {play: Ping, on: newly_qualified, do: [{slack: {channel: "#pql"}}]}
"""


@cache
def _parsed(more: str) -> Definition:
    definition, problems = parse(TEXT + more, "test.yaml")
    assert definition is not None, [str(p) for p in problems]
    return definition


@pytest.fixture
def define() -> Callable[..., Definition]:
    """The definition, with more text at its end (plays) or some of it replaced."""

    def read(more: str = "", **changes: Any) -> Definition:
        return replace(_parsed(more), **changes)

    return read


def row(subject: str = "org:a", **said: Any) -> dict[str, Any]:
    """One snapshot row; unsaid: a qualified account that was not qualified a week ago, free to enter."""
    return {
        "subject_key": subject,
        "account_key": subject,
        "qualified": True,
        "qualified_surely": said.get("qualified", True),
        "was_qualified": False,
        "excluded": False,
        "only_ok": True,
        "score": 50,
    } | said


@dataclass
class Ledger:
    """What the store keeps, in memory: applies decisions and refuses what its unique keys would refuse."""

    open: dict[str, OpenEpisode] = field(default_factory=dict)
    closed: dict[str, LastClosed] = field(default_factory=dict)
    decided: dict[str, datetime] = field(default_factory=dict)
    occurrences: dict[tuple[str, str], OpenOccurrence] = field(default_factory=dict)
    last_announced: dict[tuple[str, str], datetime] = field(default_factory=dict)
    blocks: dict[str, tuple[Block, ...]] = field(default_factory=dict)
    rekeyed: frozenset[str] = frozenset()
    announced: list[tuple[str, str]] = field(default_factory=list)  # (subject, "episode" or play)
    has_baseline: bool = True
    next_id: int = 1

    def facts(self) -> Facts:
        subjects = set(self.open) | set(self.closed) | set(self.decided) | {s for s, _ in self.occurrences}
        subjects |= {s for s, _ in self.last_announced}
        return Facts({s: self._subject(s) for s in subjects}, self.blocks, self.rekeyed)

    def _subject(self, s: str) -> SubjectFacts:
        return SubjectFacts(
            open=self.open.get(s),
            last_closed=self.closed.get(s),
            decided_as_of=self.decided.get(s),
            occurrences=tuple(o for (key, _), o in self.occurrences.items() if key == s),
            last_announced={play: at for (key, play), at in self.last_announced.items() if key == s},
        )

    def run(
        self,
        definition: Definition,
        *rows: dict[str, Any],
        at: datetime = T,
        now: datetime | None = None,
        complete: bool = True,
        baseline: Baseline | None = None,
    ) -> Decisions:
        """Decide the rows at `at` and apply the result."""
        made = decide(
            definition,
            pd.DataFrame(list(rows)),
            self.facts(),
            as_of=at,
            now=now or at,
            complete=complete,
            baseline=baseline or ("done" if self.has_baseline else "is_first"),
            horizon=HORIZON,
        )
        self._apply(made)
        return made

    def _apply(self, made: Decisions) -> None:
        self.has_baseline |= made.is_baseline
        for closed in made.closed:
            assert self.open.pop(closed.subject_key).id == closed.episode_id
            self.closed[closed.subject_key] = LastClosed(closed.as_of, closed.reason, closed.returns_after)
        for opened in made.opened:
            assert opened.subject_key not in self.open, "one open episode per subject"
            assert opened.announced == (opened.silent_reason is None)
            self.open[opened.subject_key] = OpenEpisode(
                self._id(), opened.subject_key, opened.account_key, opened.as_of, silent_reason=opened.silent_reason
            )
            if opened.announced:
                self.announced.append((opened.subject_key, "episode"))
        for change in made.unqualified:
            self.open[change.subject_key] = replace(self.open[change.subject_key], unqualified_since=change.since)
        self._apply_occurrences(made)
        for each in made.decided:
            assert self.decided.get(each.subject_key, each.as_of) <= each.as_of, "older never overturns newer"
            self.decided[each.subject_key] = each.as_of

    def _apply_occurrences(self, made: Decisions) -> None:
        for ended in made.occurrences_closed:
            assert self.occurrences.pop((ended.subject_key, ended.play)).id == ended.occurrence_id
        for change in made.occurrences_false:
            key = (change.subject_key, change.play)
            self.occurrences[key] = replace(self.occurrences[key], false_since=change.since)
        for opened in made.occurrences_opened:
            key = (opened.subject_key, opened.play)
            assert key not in self.occurrences, "one open occurrence per play and subject"
            self.occurrences[key] = OpenOccurrence(self._id(), opened.play, opened.subject_key, opened.as_of)
            if opened.announced:
                self.announced.append(key)
                self.last_announced[key] = opened.as_of

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id


@pytest.fixture
def ledger() -> Ledger:
    """An empty ledger of a definition whose baseline is done."""
    return Ledger()


@pytest.fixture
def account() -> Callable[..., dict[str, Any]]:
    """Builds one snapshot row."""
    return row


@pytest.fixture
def new_ledger() -> type[Ledger]:
    """Makes ledgers, for tests that compare several."""
    return Ledger
