"""docs/tutorial.md, done as written: its files saved, its commands run, its output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pql.pipeline.project import ROOT

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
FILES = re.findall(r"^\*\*`([\w./-]+)`\*\*\n\n```\w+\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
STEPS = re.findall(r"^```sh\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """A newcomer who copies every block, in an empty folder, sees what the page shows ("…" is whatever it is)."""
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for commands, shown in STEPS:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=tmp_path,
            env=_clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        assert _matches(shown, done.stdout), f"{commands}\nprints\n{done.stdout}\nand the page says\n{shown}"


def test_every_block_is_used() -> None:
    """The page has no block that the test above would pass over."""
    assert {name for name, _ in FILES} == {"notes/events.csv", "notes/settings.yaml", "notes/ready-to-buy.yaml"}
    shown = sum(1 for _, text in STEPS if text)
    assert PAGE.count("```") == 2 * (len(FILES) + len(STEPS) + shown)


def _clean_environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PQL_", "AIRFLOW_CONN_"))}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _matches(shown: str, printed: str) -> bool:
    """Whether the page's lines are those printed, in order: spaces count once, "…" stands for anything."""
    lines = [re.escape(" ".join(line.split())).replace("…", ".*") for line in shown.splitlines()]
    pattern = r"\n".join("(?s:.*)" if line == ".*" else line for line in lines)
    squeezed = "\n".join(" ".join(line.split()) for line in printed.splitlines())
    return re.search(pattern, squeezed) is not None
