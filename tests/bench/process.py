"""A function run in a fresh Python process: its name and arguments in, what it returned, seconds and peak memory out.

Every measurement gets a process of its own, so that none profits from what another has imported, cached or allocated.
"""

from __future__ import annotations

import importlib
import json
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Measured:
    """One run of one function."""

    seconds: float  # wall time of the call; the interpreter's start and the module's import are not in it
    cpu_seconds: float  # of all its threads
    peak_mib: float  # resident memory at its highest, the interpreter included
    result: Any  # what the function returned, as JSON


def measured(function: str, *, times: int = 1, **arguments: Any) -> Measured:
    """The fastest of so many runs of `module:function` with keyword arguments that JSON can carry.

    RuntimeError with what the process said if it fails.
    """
    runs = [_run(function, arguments) for _ in range(times)]
    return min(runs, key=lambda run: run.seconds)


def _run(function: str, arguments: dict[str, Any]) -> Measured:
    command = [sys.executable, "-m", __name__, function, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{function} failed:\n{done.stdout}\n{done.stderr}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def peak_mib() -> float:
    """The highest resident memory of this process so far.

    Linux hands the ru_maxrss of the parent on to a child, so the kernel's own mark of this process is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def _main(function: str, arguments: str) -> None:
    module, name = function.split(":")
    call = getattr(importlib.import_module(module), name)
    began, began_cpu = time.perf_counter(), time.process_time()
    result = call(**json.loads(arguments))
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak_mib(), "result": result}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
