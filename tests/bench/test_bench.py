"""Every measurement runs, at a size that takes seconds, and counts what it should; speed is not asserted."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from tests.bench import mixpanel_lines, process
from tests.bench.figure import Figure
from tests.bench.page import page
from tests.bench.run import PARTS

WRITTEN = [name for name in PARTS if importlib.util.find_spec(f"tests.bench.{name}")]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in this process: what is tested is what is counted, and a process each would take half a minute."""

    def run(function: str, arguments: dict[str, Any]) -> process.Measured:
        module, name = function.split(":")
        result = getattr(importlib.import_module(module), name)(**arguments)
        return process.Measured(seconds=1.0, cpu_seconds=1.0, peak_mib=process.peak_mib(), result=result)

    monkeypatch.setattr(process, "_run", run)


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.usefixtures("here")
def test_a_small_measurement_yields_figures(name: str) -> None:
    """Each part measures something, and what it counted is what there was (a wrong count raises)."""
    said: list[str] = []
    figures = importlib.import_module(f"tests.bench.{name}").measure(said.append, scale=0.001)
    assert said
    assert figures
    for figure in figures:
        assert isinstance(figure, Figure)
        assert math.isfinite(figure.value)
        assert figure.value > 0, figure
        assert bool(figure.aim) == (figure.met is not None), figure


def test_the_generated_export_repeats_one_line_in_200(tmp_path: Path) -> None:
    """What the lake should hold in the end is known from the number of lines; the broken ones come on top."""
    mixpanel_lines.write(tmp_path / "export.gz", 1_000, broken=True)
    lines = gzip.decompress((tmp_path / "export.gz").read_bytes()).decode().splitlines()
    assert len(lines) == 1_003
    assert len(set(lines) - set(mixpanel_lines.BROKEN)) == mixpanel_lines.distinct(1_000) == 995


def test_a_measurement_that_fails_says_why() -> None:
    """The process's own words are in the error."""
    with pytest.raises(RuntimeError, match="No files found"):
        process.measured("tests.bench.ingest:bare_copy", export="/nowhere.ndjson.gz")


def test_the_page_says_which_aims_are_missed() -> None:
    """A figure without an aim has no verdict."""
    figures = [Figure("a", 3, "×", "≤ 2", False), Figure("b", 1, "s", "", None, "why")]
    text = page([("Part", "What.", figures)], {"Python": "3.11"})
    assert "| a | 3.00 × | ≤ 2 | **no** |  |" in text
    assert "| b | 1.00 s |  |  | why |" in text
