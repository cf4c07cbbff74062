"""Airflow parses every DAG file again and again: what each costs over `import airflow.sdk`, in a fresh process.

The aim keeps heavy libraries (DuckDB, pandas, SQLAlchemy) out of the DAG files; tasks import them when they run.
"""

from __future__ import annotations

import os
import runpy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.process import ROOT, measured

AIM_S = 0.3
DAGS = sorted((ROOT / "dags").glob("*.py"))


def measure(say: Callable[[str], None], *, scale: float = 1.0) -> list[Figure]:
    """Seconds for each DAG file, the best of so many processes."""
    times = 5 if scale >= 1 else 1
    figures = []
    for path in DAGS:
        say(f"importing {path.name}, best of {times}")
        runs = [measured("tests.bench.imports:seconds", dag_file=str(path)).result for _ in range(times)]
        extra = min(run["dag"] for run in runs)
        note = f"`import airflow.sdk` itself {min(run['airflow'] for run in runs):.2f} s"
        figures.append(Figure(f"dags/{path.name}", extra, "s more", f"< {AIM_S}", extra < AIM_S, note))
    return figures


def seconds(dag_file: str) -> dict[str, float]:
    """How long `import airflow.sdk` takes here, and how much longer the DAG file."""
    with tempfile.TemporaryDirectory(prefix="pql-bench-") as home:
        os.environ.setdefault("AIRFLOW_HOME", home)
        began = time.perf_counter()
        import airflow.sdk  # noqa: F401  # it is what is measured

        imported = time.perf_counter()
        runpy.run_path(str(Path(dag_file)))
        return {"airflow": imported - began, "dag": time.perf_counter() - imported}
