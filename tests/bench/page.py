"""What a whole run measured: figures and the machine in, `docs/reference/benchmarks.md` out."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb
import psutil
from tests.bench.figure import Figure

INTRO = """\
# Benchmarks

<!-- Written by `make bench`. Change tests/bench instead. -->

`make bench` measures the project on generated data, on the machine it runs on. Each measurement has a process of its
own; whatever is compared was measured in the same run, in turn. The aims are ratios wherever that is possible, because
seconds say more about the machine than about the project. The numbers below are one run's, not a promise; on a machine
that does other things at the same time they are worse.
"""


def page(sections: Sequence[tuple[str, str, Sequence[Figure]]], machine: Mapping[str, str]) -> str:
    """The page; a section is (heading, what is measured, figures)."""
    lines = [INTRO, "| machine | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine.items())]
    for heading, about, figures in sections:
        lines += [
            "",
            f"## {heading}",
            "",
            about.strip(),
            "",
            "| figure | measured | aim | met | |",
            "|---|--:|---|---|---|",
        ]
        lines += [f"| {f.name} | {value(f)} | {f.aim} | {verdict(f)} | {f.note} |" for f in figures]
    return "\n".join(lines) + "\n"


def value(figure: Figure) -> str:
    """The measured value with its unit, as many digits as mean something.

    >>> value(Figure("", 1234567.8, "events/s", "", None)), value(Figure("", 1.834, "×", "≤ 2", True))
    ('1,234,568 events/s', '1.83 ×')
    """
    number = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:.2f}"
    return f"{number} {figure.unit}".strip()


def verdict(figure: Figure) -> str:
    """Whether the aim is met, in a word; empty where there is none."""
    return {True: "yes", False: "**no**", None: ""}[figure.met]


def machine(today: date) -> dict[str, str]:
    """Where and when this was measured."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "date": today.isoformat(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load when the run began (1, 5, 15 minutes)": load,
        "Python": platform.python_version(),
        "DuckDB": duckdb.__version__,
        "system": platform.system(),
    }


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    names = [line for line in about.read_text().splitlines() if line.startswith("model name")] if about.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.machine()
