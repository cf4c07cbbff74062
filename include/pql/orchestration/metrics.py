"""A run's figures as metrics, through Airflow's own StatsD or OpenTelemetry; nothing happens where none is configured.

Each metric with a tag is also sent with the tag's value in its name (`pql.delivered.slack`): plain StatsD knows no
tags, and Airflow does the same with its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.observability import stats

log = logging.getLogger(__name__)

COUNTED = ("read", "quarantined", "evaluated", "newly_qualified", "announced", "silent", "queued", "held")


def of_run(summary: Mapping[str, Any]) -> None:
    """Counters of what the run came to, tagged by its kind; gauges of its sources. Runs of the past say nothing."""
    if not summary["live"]:
        return
    for name in COUNTED:
        _count(name, int(summary[name]), kind=str(summary["kind"]))
    for source in summary["sources"]:
        if source["age_s"] is not None:
            _gauge("source_age_seconds", source["age_s"], source=source["source"])
        _gauge("source_late", int(source["late"]), source=source["source"])


def of_deliveries(batches: Sequence[Mapping[str, Any]]) -> None:
    """Counters of how deliveries ended: `delivered`, `dead`, `suppressed`, `retry` and so on, tagged by destination."""
    for batch in batches:
        for destination, states in batch["destinations"].items():
            for state, number in states.items():
                _count(state, int(number), destination=destination)


def _count(name: str, number: int, **tags: str) -> None:
    if number:
        for stat, tagged in _names(name, tags):
            _quietly(stats.incr, stat, number, tags=tagged)


def _gauge(name: str, value: float, **tags: str) -> None:
    for stat, tagged in _names(name, tags):
        _quietly(stats.gauge, stat, value, tags=tagged)


def _names(name: str, tags: Mapping[str, str]) -> list[tuple[str, dict[str, str] | None]]:
    plain = stats.normalize_name_for_stats(".".join([name, *tags.values()]), log_warning=False)
    return [(f"pql.{name.replace(' ', '_')}", dict(tags)), (f"pql.{plain}", None)]


def _quietly(send: Any, *words: Any, **tags: Any) -> None:
    try:
        send(*words, **tags)
    except Exception:  # a metric must never break a run
        log.warning("a metric could not be sent: %s", words[0], exc_info=True)
