"""`python -m pql.sandbox --port 0 --state DIR [--seed 7] [--now ISO] [--host H]`: serve; the first line says where."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from pql.sandbox.clock import fixed_clock, system_clock
from pql.sandbox.server import HOST, Server


def main() -> int:
    """Serve until SIGINT or SIGTERM; 2 if the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m pql.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free port")
    parser.add_argument("--state", type=Path, required=True, help="folder of the effects log")
    parser.add_argument("--seed", type=int, default=7, help="another seed is another company")
    parser.add_argument("--now", type=datetime.fromisoformat, help="stop the simulated clock at this instant")
    parser.add_argument("--host", default=HOST, help="the address it listens on (links always say 127.0.0.1)")
    options = parser.parse_args()
    now = options.now and (options.now if options.now.tzinfo else options.now.replace(tzinfo=UTC))
    clock = fixed_clock(now) if now else system_clock
    try:
        server = Server(options.state, options.seed, clock, port=options.port, host=options.host)
    except OSError as error:
        print(f"port {options.port} is not free on {options.host}: {error.strerror}", file=sys.stderr)
        return 2
    print(json.dumps({"url": server.url}), flush=True)
    server.serve_until_stopped()
    return 0


if __name__ == "__main__":
    sys.exit(main())
