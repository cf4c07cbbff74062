"""What rows came to: kept as JSON between calls, written as `docs/reference/delivery-guarantees.md`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.chaos.rows import Row

DOCS = Path(__file__).parents[2] / "docs" / "reference"
PAGE, KEPT = DOCS / "delivery-guarantees.md", DOCS / "delivery-guarantees.json"
INTRO = """\
# Delivery guarantees, as tried

<!-- Written by `make chaos`. Change tests/chaos instead. -->

What [is guaranteed](../explanation/what-is-guaranteed.md) about deliveries, held against faults by `make chaos`. The
judge is the sandbox's own log of what it really did, never the ledger alone: a row has passed only if nothing was lost,
nothing doubled and nothing there that nobody decided. All times are simulated unless a figure says otherwise. Each row
says when it was last run; a row that was not run is no proof of anything, and neither is the part that was skipped.
"""


@dataclass(frozen=True)
class Result:
    """How one row ended when it was last run."""

    state: str  # passed, failed, skipped in part, not run
    date: str
    ledgers: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    seeds: str = ""
    machine: str = ""


NOT_RUN = Result("not run", "")


def merged(row: Row, results: Mapping[str, Result]) -> Result:
    """The row's result, `NOT_RUN` if there is none."""
    return results.get(row.name, NOT_RUN)


def replaced(old: Result, new: Result) -> Result:
    """Which of the two is kept: the new one, unless it passed in part only and the old one was whole or failed."""
    is_part = new.state.startswith("passed,") or new.state == NOT_RUN.state
    return old if is_part and (old.state == "passed" or old.state.startswith("failed")) else new


def read(path: Path = KEPT) -> dict[str, Result]:
    """What earlier calls have kept, nothing if there is nothing."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text())
    return {
        name: Result(**{**each, "ledgers": tuple(each["ledgers"]), "figures": tuple(each["figures"])})
        for name, each in kept.items()
    }


def write(rows: Sequence[Row], results: Mapping[str, Result], page: Path = PAGE, kept: Path = KEPT) -> None:
    """Keep the results of these rows, and write the page."""
    known = {row.name: asdict(results[row.name]) for row in rows if row.name in results}
    kept.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    page.write_text(text(rows, results))


def text(rows: Sequence[Row], results: Mapping[str, Result]) -> str:
    """The page."""
    found = [(row, merged(row, results)) for row in rows]
    passed = sum(result.state == "passed" for _, result in found)
    lines = [
        INTRO,
        f"**{passed} of {len(rows)} rows passed when they were last run.**",
        "",
        "| fault | expected | result | run on | ledger | figures | seed |",
        "|---|---|---|---|---|---|---|",
        *(_line(row, result) for row, result in found),
        "",
        "## What shows it",
        "",
        "| `--only` | tests | |",
        "|---|---|---|",
        *(f"| `{row.name}` | {_tests(row)} | {row.about} |" for row, _ in found),
        "",
        "## On which machine",
        "",
        *(f"- {machine}: {names}" for machine, names in _machines(found).items()),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row, result: Result) -> str:
    state = result.state if result.state == "passed" else f"**{result.state}**"
    seeds = result.seeds or ("fixed in the tests" if result.date else "")
    cells = (row.fault, row.expected, state, result.date, ", ".join(result.ledgers), "; ".join(result.figures), seeds)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _tests(row: Row) -> str:
    if not row.tests:
        return "`tests/chaos/soak.py`"
    files: dict[str, list[str]] = {}
    for test in row.tests:
        path, _, name = test.partition("::")
        files.setdefault(path, []).append(name)
    return "; ".join(f"`{path}`: {', '.join(f'`{name}`' for name in names)}" for path, names in files.items())


def _machines(found: Sequence[tuple[Row, Result]]) -> dict[str, str]:
    machines: dict[str, list[str]] = {}
    for row, result in found:
        if result.machine:
            machines.setdefault(result.machine, []).append(row.name)
    return {machine: ", ".join(names) for machine, names in machines.items()}
