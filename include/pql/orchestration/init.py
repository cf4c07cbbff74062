"""Prepare a deployment once: migrate the ledger, create the Airflow pools. Safe to run again.

Run as `python -m pql.orchestration.init` after `airflow db migrate` (which it runs itself with `--airflow`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from pql import pipeline
from pql.orchestration.defaults import POOLS
from pql.pipeline.project import paths_from_environment


def create_pools() -> None:
    """Create or update every pool the DAGs use, through Airflow's own command line."""
    for name, (slots, description) in POOLS.items():
        subprocess.run(  # noqa: S603  # fixed words of our own
            [sys.executable, "-m", "airflow", "pools", "set", name, str(slots), description],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--airflow", action="store_true", help="migrate Airflow's own database first")
    arguments = parser.parse_args()
    if arguments.airflow:
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)  # fixed words
    pipeline.init(paths_from_environment())
    create_pools()
    print(f"ledger migrated, pools ready: {', '.join(POOLS)}")


if __name__ == "__main__":
    main()
