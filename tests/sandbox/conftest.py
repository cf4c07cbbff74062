"""A sandbox whose clock a test can turn, with the clients of the outside world pointed at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from slack_sdk import WebClient

from pql.sandbox import Server

WEDNESDAY = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


class Clock:
    """An instant that only a test moves."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, **time: float) -> None:
        self.at += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock(WEDNESDAY)


@pytest.fixture
def sandbox(tmp_path: Path, clock: Clock) -> Iterator[Server]:
    """A sandbox that keeps no rate limits."""
    with Server(tmp_path / "sandbox", seed=7, clock=clock, limits=False) as server:
        yield server


@pytest.fixture
def strict(tmp_path: Path, clock: Clock) -> Iterator[Server]:
    """A sandbox that keeps the vendors' rate limits."""
    with Server(tmp_path / "strict", seed=7, clock=clock) as server:
        yield server


@pytest.fixture
def slack(sandbox: Server) -> WebClient:
    return WebClient("xoxb-sandbox", base_url=f"{sandbox.url}/slack/api/", retry_handlers=[])


Call = Callable[..., requests.Response]


@pytest.fixture
def hubspot(sandbox: Server) -> Call:
    """`hubspot("GET", "/crm/v3/owners")`, signed in."""

    def call(method: str, path: str, json: Any = None, **query: Any) -> requests.Response:
        headers = {"Authorization": "Bearer pat-sandbox"}
        return requests.request(
            method, f"{sandbox.url}/hubspot{path}", json=json, params=query, headers=headers, timeout=30
        )

    return call
