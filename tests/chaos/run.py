"""`make chaos`: every row of the delivery guarantees at full size → docs/reference/delivery-guarantees.md."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime

from tests.bench.page import machine
from tests.chaos import results, soaks, stories
from tests.chaos.results import Result
from tests.chaos.rows import ROWS, SOAK, Row
from tests.chaos.stories import LEDGERS, Told

BAR = 24


def main() -> int:
    """0 if every chosen row passed, 1 if one did not, 2 for a wrong call."""
    chosen = _arguments()
    rows = [row for row in ROWS if not chosen.only or row.name in chosen.only]
    on = list(LEDGERS) if chosen.ledger == "both" else [chosen.ledger]
    where = machine(datetime.now(UTC).date())  # noqa: TID251  # the edge: the page says when it was run
    date, on_what = where.pop("date"), ", ".join(f"{name} {value}" for name, value in where.items())
    known = results.read()
    bar = _Bar(len(rows))
    print(f"seed {chosen.seed}" + (f" to {chosen.seed + chosen.seeds - 1}" if chosen.seeds > 1 else ""), flush=True)
    failed = False
    for number, row in enumerate(rows):
        bar.begin(number, row)
        told, seeds = _run(row, chosen, on, bar)
        failed |= not told.state.startswith("passed")
        new = Result(told.state, date, told.ledgers, told.figures, seeds, on_what)
        known[row.name] = results.replaced(results.merged(row, known), new)
        bar.end(row, told)
        if not chosen.no_page:
            results.write(ROWS, known)
    if not chosen.no_page:
        print(f"Written: {results.PAGE}")
    return int(failed)


def _run(row: Row, chosen: argparse.Namespace, on: list[str], bar: _Bar) -> tuple[Told, str]:
    if row.name != SOAK:
        return stories.tell(row, on), ""
    seeds = range(chosen.seed, chosen.seed + chosen.seeds)
    return soaks.run(seeds, on, chosen.deliveries, chosen.minutes, bar.say)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make chaos",
        description="Hold the delivery guarantees against faults, each row at full size. Rows that need a real Airflow "
        "and the soaks take long; --only chooses. Say what a failed soak printed to see it again: "
        "make chaos ARGS='--only soak --seed 17'",
        epilog="Rows: " + ", ".join(row.name for row in ROWS),
    )
    parser.add_argument("--seed", type=int, default=1, help="the first seed of the soaks (default 1)")
    parser.add_argument("--seeds", type=int, default=None, help="how many seeds (default 20, or 1 if --seed is given)")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], metavar="ROW", help="these rows")
    parser.add_argument(
        "--ledger", choices=[*LEDGERS, "both"], default="both", help="where the ledger is (default both)"
    )
    parser.add_argument(
        "--minutes", type=float, default=180, help="no further soak is begun after so many (default 180)"
    )
    parser.add_argument("--deliveries", type=int, default=soaks.FULL, help=f"in each soak (default {soaks.FULL})")
    parser.add_argument("--no-page", action="store_true", help="print the results, and leave the page as it is")
    chosen = parser.parse_args()
    if chosen.seeds is None:
        chosen.seeds = 1 if "--seed" in " ".join(sys.argv) else 20
    if chosen.seeds < 1 or chosen.deliveries < 1:
        parser.error("--seeds and --deliveries are at least 1")
    return chosen


class _Bar:
    """How far it is: a bar on a terminal's line, a line now and then elsewhere."""

    def __init__(self, rows: int) -> None:
        self._rows, self._done, self._began = rows, 0, time.monotonic()
        self._live = sys.stderr.isatty()
        self._said_at = 0.0
        self._row = ""

    def begin(self, number: int, row: Row) -> None:
        self._done, self._row = number, row.name
        self.say(0, "begins")

    def say(self, share: float, what: str) -> None:
        now = time.monotonic()
        if now - self._said_at < (0.2 if self._live else 30) and share > 0:
            return
        self._said_at = now
        full = int(BAR * (self._done + share) / self._rows)
        line = f"{now - self._began:6.0f} s [{'█' * full}{'·' * (BAR - full)}] {self._row}: {share:4.0%} {what}"
        print(
            f"\r\033[K{line[:150]}" if self._live else line, end="" if self._live else "\n", file=sys.stderr, flush=True
        )

    def end(self, row: Row, told: Told) -> None:
        if self._live:
            print("\r\033[K", end="", file=sys.stderr)
        on = ", ".join(told.ledgers)
        print(f"{row.name:<16} {told.state:<10} {on:<20} {'; '.join(told.figures)}", flush=True)
        if not told.state.startswith("passed") and told.output:
            print("\n".join(told.output.splitlines()[-60:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
