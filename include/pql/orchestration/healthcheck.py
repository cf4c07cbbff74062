"""Whether a part of Airflow is alive, by its API server: `python -m pql.orchestration.healthcheck PART` ends 0 or 1.

For health checks of containers: Airflow's own `airflow jobs check` imports all of Airflow each time.
"""

from __future__ import annotations

import argparse
import json
import sys
from urllib.error import URLError
from urllib.request import urlopen

PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def status(url: str, part: str) -> str:
    """`healthy`, `unhealthy`, or why nobody knows.

    The API server reads when each part last wrote a heartbeat into Airflow's database.
    """
    try:
        with urlopen(f"{url}/api/v2/monitor/health", timeout=10) as answer:  # noqa: S310  # the operator's own address
            return str(json.load(answer)[part]["status"])
    except (URLError, OSError, ValueError, KeyError, TypeError) as error:
        return f"no answer from {url}: {error}"


def main() -> int:
    """0 if the part is healthy, else 1 and why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="where the API server is")
    arguments = parser.parse_args()
    found = status(arguments.url, arguments.part)
    print(f"{arguments.part}: {found}")
    return 0 if found == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main())
