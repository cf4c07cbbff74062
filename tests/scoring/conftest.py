"""Definitions from YAML and hand-made feature rows for the scoring tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest

from pql.definition import parse
from pql.definition.model import Definition
from pql.scoring import score

T = pd.Timestamp("2026-03-10")  # a nightly midnight, naive UTC as in features

HEAD = """
definition: test
title: Test
status: live
priority: 10
events:
  signed_up: {event: Signed Up, passive: true}
  message_sent: Message Sent
  teammate_invited: {event: Invite Sent, where: {status: accepted}}
  pricing_viewed: {event: Page View, where: {path: /pricing}}
  call_ended: {event: Call Ended, value: minutes}
  tool_connected: Tool Connected
"""


@pytest.fixture
def define() -> Callable[[str], Definition]:
    """Reads the rest of a definition after a common head."""

    def read(text: str) -> Definition:
        definition, problems = parse(HEAD + text, "test.yaml")
        assert definition is not None, [str(p) for p in problems]
        return definition

    return read


@pytest.fixture
def rows() -> Callable[..., pd.DataFrame]:
    """Feature rows at T: one per mapping given, anything unsaid being an active account signed up nine days ago."""

    def build(*given: dict[str, Any]) -> pd.DataFrame:
        base = {
            "as_of": T,
            "subject_key": "",
            "account_key": "",
            "signup_at": pd.Timestamp("2026-03-01 09:00"),
            "signup_day": date(2026, 3, 1),
            "last_active_at": pd.Timestamp("2026-03-09 12:00"),
            "domain": None,
        }
        frame = pd.DataFrame(
            [base | {"subject_key": f"org:{i}", "account_key": f"org:{i}"} | g for i, g in enumerate(given)]
        )
        for name in ("as_of", "signup_at", "last_active_at"):
            frame[name] = pd.to_datetime(frame[name])
        return frame

    return build


@pytest.fixture
def scored(define: Callable[[str], Definition], rows: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """Scores hand-made rows by the rest of a definition."""

    def run(
        text: str, *given: dict[str, Any], own_domains: tuple[str, ...] = (), timezone: str = "UTC"
    ) -> pd.DataFrame:
        return score(define(text), rows(*given), timezone=timezone, own_domains=own_domains)

    return run
