"""What worker processes of the stories run: one drain that ends itself, by SIGKILL, where it is told to.

`python -m tests.faults.workers LEDGER SANDBOX SETTINGS_JSON NOW BOUNDARY`
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime, timedelta

from pql import outbox, store
from pql.connections import from_environment
from pql.destinations import build
from pql.sandbox import connections
from pql.settings import Settings


def deliver_until(url: str, sandbox: str, settings: str, now: datetime, boundary: str) -> None:
    """Deliver what is due on the ledger at `url` until that boundary is passed; time stands still but for sleeping."""
    chosen = Settings.model_validate_json(settings)
    destinations = {name: build(name, chosen, from_environment(connections(sandbox))) for name in chosen.destinations}
    moment = [now]

    def passing(name: str) -> None:
        if name == boundary:
            os.kill(os.getpid(), signal.SIGKILL)

    def sleep(seconds: float) -> None:
        moment[0] += timedelta(seconds=seconds)

    outbox.deliver(
        store.connect(url),
        destinations,
        recheck=lambda claim: None,
        clock=lambda: moment[0],
        sleep=sleep,
        boundary=passing,
    )


if __name__ == "__main__":
    url, sandbox, settings, now, boundary = sys.argv[1:]
    deliver_until(url, sandbox, settings, datetime.fromisoformat(now), boundary)
