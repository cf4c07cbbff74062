"""`make demo`: a simulated company, a real Airflow, the whole line; then a summary with true figures.

The demo fixes its own clock: nightly from two midnights back (the first is the silent baseline), hourly the last full
hour, horizon 72 h. What it sent outlives it (`.demo/`), so a second demo sends nothing twice.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from pql.orchestration.demo_receipts import read_back
from pql.orchestration.demo_summary import Summary, summarise
from pql.orchestration.local_airflow import LocalAirflow, free_port
from pql.pipeline.project import ROOT
from pql.sandbox.credentials import connections
from pql.settings import load_settings

PREFERRED_AIRFLOW_PORT = 8080
PREFERRED_SANDBOX_PORT = 8090
HORIZON_HOURS = 72


def main() -> None:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end after the summary instead of staying up")
    parser.add_argument("--home", type=Path, default=ROOT / ".demo", help="where the demo keeps its things")
    parser.add_argument("--seed", type=int, default=7, help="which company is simulated")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    begun = time.monotonic()
    try:
        with (
            _sandbox(arguments.home, arguments.seed) as sandbox_url,
            _airflow(arguments.home, sandbox_url) as airflow,
        ):
            summary = _walk(airflow, arguments.home, sandbox_url)
            print(
                summary.text(
                    airflow.url, sandbox_url, _environment_file(arguments.home, airflow), time.monotonic() - begun
                ),
                flush=True,
            )
            if not arguments.exit:
                _say("everything stays up until Ctrl-C")
                threading.Event().wait()
    except (RuntimeError, TimeoutError, requests.RequestException) as error:
        print(f"make demo: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        _say("stopped; what was sent is remembered in .demo/ (`make clean` forgets it)")
        return
    sys.exit(1 if summary.failures else 0)


def _walk(airflow: LocalAirflow, home: Path, sandbox_url: str) -> Summary:
    """Baseline night, next night, last full hour; then wait until nothing is left to deliver."""
    airflow.wait_for_dags("nightly_scores", "hourly_signals", "deliver")
    airflow.unpause("deliver")
    _say("nightly_scores: the silent baseline, then last night")
    airflow.unpause("nightly_scores")
    runs = {"nightly_scores": airflow.wait_for_runs("nightly_scores", 2, 600)}
    _say("hourly_signals: the last full hour")
    airflow.unpause("hourly_signals")
    runs["hourly_signals"] = airflow.wait_for_runs("hourly_signals", 1, 300)
    _say("deliver: outbox → Slack, CRM, webhooks")
    ledger = _ledger(home)
    _drain(airflow, ledger)
    runs["deliver"] = airflow.runs("deliver")
    _say("reconcile: what stands in Slack and CRM is held against the ledger")
    return summarise(airflow, runs, ledger, sandbox_url, differences=read_back(airflow.environment))


def _drain(airflow: LocalAirflow, ledger: str, seconds: float = 300) -> None:
    """Wait until nothing is due any more; start a delivery run by hand if the scheduler has none under way."""
    from pql.orchestration.demo_summary import open_deliveries

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        under_way = [run for run in airflow.runs("deliver") if run["state"] in ("queued", "running")]
        if not open_deliveries(ledger) and not under_way:
            return
        if not under_way:
            airflow.trigger("deliver")
        time.sleep(1)
    raise TimeoutError("deliveries were still open after five minutes; see `pql deliveries` and the deliver DAG")


@contextmanager
def _sandbox(home: Path, seed: int) -> Iterator[str]:
    """The simulated company's servers, as a process of their own; what they received outlives them."""
    port = free_port(PREFERRED_SANDBOX_PORT)
    if port != PREFERRED_SANDBOX_PORT:
        _say(f"port {PREFERRED_SANDBOX_PORT} is taken, the sandbox uses {port}")
    state = home / "sandbox"
    state.mkdir(parents=True, exist_ok=True)
    with (home / "sandbox.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # fixed words of our own
            [sys.executable, "-m", "pql.sandbox", "--port", str(port), "--state", str(state), "--seed", str(seed)],
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sandbox did not start; see {home / 'sandbox.log'}")
        url = str(json.loads(line)["url"])
        _say(f"sandbox (Slack, HubSpot, Mixpanel of a simulated company): {url}")
        requests.get(url, timeout=60).raise_for_status()
        yield url
    finally:
        _end(process)


def _airflow(home: Path, sandbox_url: str) -> LocalAirflow:
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = now.replace(minute=0, second=0, microsecond=0)
    port = free_port(PREFERRED_AIRFLOW_PORT)
    if port != PREFERRED_AIRFLOW_PORT:
        _say(f"port {PREFERRED_AIRFLOW_PORT} is taken, Airflow uses {port}")
    return LocalAirflow(
        home=home / "airflow",
        port=port,
        say=_say,
        environment={
            "PQL_SETTINGS": str(_settings(home)),
            "PQL_LAKE": str(home / "lake"),
            "PQL_LEDGER": _ledger(home),
            "PQL_NIGHTLY_START": (midnight - timedelta(days=2)).isoformat(),
            "PQL_HOURLY_START": (hour - timedelta(hours=1)).isoformat(),
            "PQL_DELIVER_START": hour.isoformat(),
            "PQL_TASK_RETRIES": "1",
            "PQL_RETRY_DELAY_S": "5",
            **connections(sandbox_url),
        },
    )


def _environment_file(home: Path, airflow: LocalAirflow) -> Path:
    """A file to `source`: after it, plain `pql …` speaks of this demo. It holds the sandbox's public tokens only."""
    file = home / "env"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(airflow.environment.items())]
    file.write_text("\n".join(lines) + "\n")
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def _ledger(home: Path) -> str:
    return f"sqlite:///{home / 'ledger.db'}"


def _settings(home: Path) -> Path:
    """The project's own settings with the demo's horizon, within which no source is late: it begins two nights back."""
    settings = load_settings(ROOT / "include" / "settings.yaml")
    file = home / "settings.yaml"
    patient = {
        name: source.model_copy(update={"late_after_hours": HORIZON_HOURS}) if source.late_after_hours else source
        for name, source in settings.sources.items()
    }
    demo = settings.model_copy(update={"horizon_hours": HORIZON_HOURS, "sources": patient})
    file.write_text(json.dumps(demo.model_dump(mode="json", exclude_none=True), indent=2))  # JSON is YAML
    return file


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return


def _interrupt(_signal: int, _frame: Any) -> None:
    """The first Ctrl-C (or SIGTERM) stops everything; a second one must not stop the stopping."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", flush=True)


if __name__ == "__main__":
    main()
