"""A run's figures reach a StatsD listener through Airflow's own stats; without one nothing happens."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk._shared.observability.metrics.statsd_logger import SafeStatsdLogger
from airflow.sdk.observability import stats

from pql.orchestration import metrics

SUMMARY: dict[str, Any] = {
    **dict.fromkeys(metrics.COUNTED, 0),
    "live": True,
    "kind": "hourly",
    "read": 1200,
    "announced": 2,
    "sources": [{"source": "product", "age_s": 90, "late": False}, {"source": "files", "age_s": None, "late": False}],
}


class Client:
    """The part of a StatsD client that Airflow uses, over real UDP (the lines are the protocol's)."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", port)

    def incr(self, stat: str, count: int, rate: float) -> None:
        self._socket.sendto(f"{stat}:{count}|c".encode(), self._to)

    def gauge(self, stat: str, value: float, rate: float, delta: bool) -> None:
        self._socket.sendto(f"{stat}:{value}|g".encode(), self._to)


@pytest.fixture
def heard() -> Iterator[Callable[[], list[str]]]:
    """A listener that Airflow is configured to send to; call it for the lines that arrived."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(5)
    logger = SafeStatsdLogger(Client(listener.getsockname()[1]))
    stats.initialize(factory=lambda: logger, export_legacy_names=True)

    def lines() -> list[str]:
        stats.incr("the.end")
        found = []
        while (line := listener.recv(1000).decode()) != "the.end:1|c":
            found.append(line)
        return found

    yield lines
    listener.close()
    stats.initialize(factory=NoStats, export_legacy_names=True)


class NoStats:
    """What Airflow uses where nothing is configured."""

    def incr(self, *_: Any, **__: Any) -> None: ...

    def gauge(self, *_: Any, **__: Any) -> None: ...


def test_a_run_is_counted(heard: Callable[[], list[str]]) -> None:
    """What a live run came to is counted, with and without its kind in the name; how old sources are is a gauge."""
    metrics.of_run(SUMMARY)
    assert heard() == [
        "pql.read:1200|c",
        "pql.read.hourly:1200|c",
        "pql.announced:2|c",
        "pql.announced.hourly:2|c",
        "pql.source_age_seconds:90|g",
        "pql.source_age_seconds.product:90|g",
        "pql.source_late:0|g",
        "pql.source_late.product:0|g",
        "pql.source_late:0|g",
        "pql.source_late.files:0|g",
    ]


def test_deliveries_are_counted_by_destination(heard: Callable[[], list[str]]) -> None:
    """Each batch says how its deliveries ended."""
    metrics.of_deliveries([{"destinations": {"slack": {"delivered": 3, "dead": 1}}}])
    assert heard() == ["pql.delivered:3|c", "pql.delivered.slack:3|c", "pql.dead:1|c", "pql.dead.slack:1|c"]


def test_a_run_of_the_past_is_not_counted(heard: Callable[[], list[str]]) -> None:
    """A backfill moves no dashboard."""
    metrics.of_run({**SUMMARY, "live": False})
    assert heard() == []


def test_a_broken_listener_breaks_no_run() -> None:
    """Whatever the metrics backend raises stays here."""

    def broken() -> Any:
        raise OSError("no route")

    stats.initialize(factory=broken, export_legacy_names=True)
    try:
        metrics.of_run(SUMMARY)
    finally:
        stats.initialize(factory=NoStats, export_legacy_names=True)
