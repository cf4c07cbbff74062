"""What every DAG and task of the project shares: owner, retries, pools, the as-of parameter."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param

from pql.orchestration import notices

# Pools are created by `python -m pql.orchestration.init`; a policy test compares (a task on an unknown pool hangs).
POOL_SOURCES = "pql_sources"  # talking to product analytics and the CRM
POOL_COMPUTE = "pql_compute"  # DuckDB work: as many as memory allows
POOL_OUTBOX = "pql_outbox"  # talking to Slack, CRM, webhooks
POOLS: dict[str, tuple[int, str]] = {
    POOL_SOURCES: (2, "Reads from product analytics and the CRM"),
    POOL_COMPUTE: (2, "DuckDB work on the lake"),
    POOL_OUTBOX: (3, "Deliveries to destinations"),
}

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "revops",
    "retries": int(os.environ.get("PQL_TASK_RETRIES", "3")),
    "retry_delay": timedelta(seconds=int(os.environ.get("PQL_RETRY_DELAY_S", "60"))),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": notices.task_failed,
}

AS_OF = Param(
    None,
    type=["null", "string"],
    format="date-time",
    title="As of",
    description="The moment to compute (ISO 8601). Empty: the end of the run's data interval.",
)


def start_date(name: str, default: str) -> datetime:
    """The first data interval of a DAG: `PQL_<NAME>_START` (ISO date, or instant; UTC if it says no offset)."""
    written = datetime.fromisoformat(os.environ.get(f"PQL_{name}_START") or default)
    return written.replace(tzinfo=UTC) if written.tzinfo is None else written.astimezone(UTC)


def nightly_catchup() -> bool:
    """Whether every night since the start date is run (`PQL_CATCHUP`, default yes): each is a snapshot of history."""
    return _is_on("PQL_CATCHUP", "true")


def hourly_catchup() -> bool:
    """Whether every hour since the start date, or of an outage, is run (`PQL_HOURLY_CATCHUP`, default no).

    Detection is level-triggered: the newest hour alone finds everybody the missed ones would have found.
    """
    return _is_on("PQL_HOURLY_CATCHUP", "false")


def _is_on(variable: str, default: str) -> bool:
    return os.environ.get(variable, default).lower() not in ("false", "0", "no")
