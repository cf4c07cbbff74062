"""`make bench`: every measurement in turn, printed as a table; a whole run is written to docs/reference/benchmarks.md.

A further measurement is one line in `PARTS`: a module with `measure(say, *, scale) -> list[Figure]`, whose docstring
says on the page what is measured.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.page import machine, page, value, verdict

PARTS = {  # name for --only and module → heading on the page
    "ingest": "Ingestion",
    "features": "Features and evaluation",
    "imports": "Import of DAG files",
    "deliveries": "Deliveries",
}
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks.md"


def main() -> int:
    """0 if everything was measured, whether aims are met or not; 2 for a wrong call."""
    chosen = _arguments()
    missing = [name for name in chosen.only or PARTS if importlib.util.find_spec(_module(name)) is None]
    if missing:
        print(f"bench: there is no tests/bench/{missing[0]}.py; --only measures the others.", file=sys.stderr)
        return 2
    where = machine(datetime.now(UTC).date())  # noqa: TID251  # the edge: the page says when it was measured
    sections = []
    for name in chosen.only or PARTS:
        module = importlib.import_module(_module(name))
        figures = module.measure(_say(name), scale=chosen.scale)
        _print(PARTS[name], figures)
        sections.append((PARTS[name], inspect.getdoc(module) or "", figures))
    if chosen.only or chosen.scale != 1:
        print(f"{PAGE.name} is written by a whole run only.")
    else:
        PAGE.write_text(page(sections, where))
        print(f"Written: {PAGE}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure the project on generated data. With make: make bench ARGS='--only ingest --scale 0.1'",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the data's full size (default 1)")
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    return parser.parse_args()


def _module(name: str) -> str:
    return f"tests.bench.{name}"


def _say(name: str) -> Callable[[str], None]:
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {name}: {what}", file=sys.stderr, flush=True)

    return say


def _print(heading: str, figures: list[Figure]) -> None:
    print(f"\n{heading}")
    for f in figures:
        aim = f"aim {f.aim}: {verdict(f).strip('*')}" if f.aim else ""
        print(f"  {f.name:<45} {value(f):>24}   {aim:<18} {f.note}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
