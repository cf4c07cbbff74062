"""Prepare a deployment once: migrate the ledger, create the Airflow pools. Safe to run again.

Run as `python -m pql.orchestration.init` after `airflow db migrate` (which it runs itself with `--airflow`). With
`--sandbox URL` it also adds the connections that lead to a sandbox; those that are there already stay as they are.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pql import pipeline
from pql.orchestration.defaults import POOLS
from pql.pipeline.project import paths_from_environment
from pql.sandbox.credentials import connections


def create_pools() -> None:
    """Create or update every pool the DAGs use, in one call of Airflow's own command line."""
    _import("pools", {name: {"slots": slots, "description": text} for name, (slots, text) in POOLS.items()})


def add_connections(sandbox_url: str) -> None:
    """Add the connections to the sandbox at that address that Airflow does not have yet."""
    found = connections(sandbox_url)
    prefix = "AIRFLOW_CONN_"
    _import("connections", {name.removeprefix(prefix).lower(): json.loads(text) for name, text in found.items()})


def _import(what: str, content: dict[str, Any]) -> None:
    """`airflow WHAT import FILE`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{what}.json"
        file.write_text(json.dumps(content))
        _airflow(what, "import", str(file))


def _airflow(*words: str) -> None:
    done = subprocess.run(  # noqa: S603  # fixed words of our own
        [sys.executable, "-m", "airflow", *words], check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"`airflow {' '.join(words[:2])}` failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--airflow", action="store_true", help="migrate Airflow's own database first")
    parser.add_argument("--sandbox", metavar="URL", help="add connections to the sandbox there (for a demo)")
    arguments = parser.parse_args()
    if arguments.airflow:
        _airflow("db", "migrate")
    pipeline.init(paths_from_environment())
    create_pools()
    if arguments.sandbox:
        add_connections(arguments.sandbox)
    print(f"ledger migrated, pools ready: {', '.join(POOLS)}")


if __name__ == "__main__":
    main()
