"""The tests of a row run at full size in a process of their own: node ids in, how they ended and their figures out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from tests.chaos.rows import Row

ROOT = Path(__file__).parents[2]
LEDGERS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True)
class Told:
    """How the tests of a row ended."""

    state: str
    ledgers: tuple[str, ...]
    figures: tuple[str, ...]
    output: str  # pytest's own, for whoever has to look


@dataclass(frozen=True)
class Case:
    """One test that was run, from pytest's report."""

    test: str  # file::name, without parameters
    parameters: str
    ended: str  # passed, failed, skipped
    figures: tuple[tuple[str, str], ...]
    said: tuple[str, ...]


def tell(row: Row, ledgers: Sequence[str]) -> Told:
    """Run the row's tests with PQL_CHAOS=1 on these ledgers ("sqlite", "postgresql")."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=7200"),
            *("-o", "junit_logging=system-out", "-o", "junit_family=xunit1", f"--junitxml={report}", *row.tests),
        ]
        if len(ledgers) == 1:
            command += ["-k", f"not [{next(iter(set(LEDGERS) - set(ledgers)))}"]
        environment = {**os.environ, "PQL_CHAOS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        cases = read(report.read_text()) if report.exists() else []
    return judged(row, cases, done.stdout + done.stderr)


def read(report: str) -> list[Case]:
    """The cases of a JUnit report as pytest writes it (family xunit1)."""
    return [_case(each) for each in ElementTree.fromstring(report).iter("testcase")]  # noqa: S314  # pytest's own


def judged(row: Row, cases: Sequence[Case], output: str) -> Told:
    """What the cases say of the row: passed only if each of its tests was run and none failed or was skipped."""
    missing = set(row.tests) - {case.test for case in cases}
    ended = Counter(case.ended for case in cases)
    state = "passed"
    if ended["failed"] or (missing and cases):
        state = "failed"
    elif not cases or not ended["passed"]:
        state = "not run"
    elif ended["skipped"]:
        state = f"passed, {ended['skipped']} of {len(cases)} skipped"
    seen = [name for id, name in LEDGERS.items() if any(id in case.parameters for case in cases)]
    told = cases if row.of_effects else [replace(case, figures=()) for case in cases]
    return Told(state, tuple(seen), _figures(told), output)


def _case(found: ElementTree.Element) -> Case:
    name, _, parameters = found.get("name", "").partition("[")
    ended = "passed"
    if found.find("failure") is not None or found.find("error") is not None:
        ended = "failed"
    elif found.find("skipped") is not None:
        ended = "skipped"
    properties = [(each.get("name", ""), each.get("value", "")) for each in found.iter("property")]
    said = (found.findtext("system-out") or "").splitlines()
    path = found.get("file") or found.get("classname", "").replace(".", "/") + ".py"
    return Case(f"{path}::{name}", parameters.rstrip("]"), ended, tuple(properties), tuple(said))


def _figures(cases: Sequence[Case]) -> tuple[str, ...]:
    """Numbers that tests recorded, added up; times and other words as they are."""
    added: Counter[str] = Counter()
    for name, value in (figure for case in cases if case.ended == "passed" for figure in case.figures):
        added[name] += int(value)
    printed = [line.strip() for case in cases for line in case.said if re.search(r"\d+ s\b", line)]
    ended = Counter(case.ended for case in cases)
    return (*_counted("cases", ended), *(f"{number:,} {name}" for name, number in added.items()), *printed)


def _counted(what: str, ended: Counter[str]) -> Iterable[str]:
    yield f"{sum(ended.values())} {what}" + (f" ({ended['failed']} failed)" if ended["failed"] else "")
