"""The command line: everything the DAGs do, without Airflow, and what a person asks of the result.

Exit codes: 0 all went well, 1 something failed on the way, 2 the call or a file must be put right.
"""

from __future__ import annotations

import sys

from pql.cli.app import app
from pql.cli.commands import alerting, authoring, computing, forget, inspecting, new, preview, prune
from pql.types import UnknownConnection, UserError

__all__ = ["alerting", "app", "authoring", "computing", "forget", "inspecting", "main", "new", "preview", "prune"]


def main() -> None:
    """Run `pql`; what the caller can put right is printed without a traceback and ends with 2."""
    try:
        app()
    except (UserError, UnknownConnection) as error:
        print(f"pql: {error}", file=sys.stderr)
        sys.exit(2)
