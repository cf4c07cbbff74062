"""The command line: everything the DAGs do, without Airflow, and what a person asks of the result.

A command's own file is imported when the command is called (`on_demand`).

Exit codes: 0 all went well, 1 something failed on the way, 2 the call or a file must be put right.
"""

from __future__ import annotations

import sys

from pql.cli.app import app
from pql.types import UnknownConnection, UserError

__all__ = ["app", "main"]


def main() -> None:
    """Run `pql`; what the caller can put right is printed without a traceback and ends with 2."""
    try:
        app(prog_name="pql")
    except (UserError, UnknownConnection) as error:
        print(f"pql: {error}", file=sys.stderr)
        sys.exit(2)
