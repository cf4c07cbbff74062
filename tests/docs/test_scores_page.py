"""docs/reference/scores.md explains every column of a panel and of a snapshot, and none that is not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd
from tests.cli.conftest import Said, pql  # noqa: F401  # commands are typed as anybody types them
from tests.docs.test_tutorial import FILES

from pql.pipeline.project import ROOT

PAGE = (ROOT / "docs" / "reference" / "scores.md").read_text()
DEFINITION = "notes/ready-to-buy.yaml"
INVITES = "  invites: {count: teammate_invited}\n"
WINDOW = "  early: {count: note_written, first: 14d}\n"
PLAY = "  - {play: Warmer, on: {score_up: 10, in: 7d}, do: [{slack: {channel: '#pql'}}]}\n"


def _patterns(text: str) -> list[str]:
    return [re.sub("<[a-z]+>", ".+", re.escape(name)) for name in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)]


def _check(columns: Collection[str], patterns: Collection[str]) -> None:
    assert {name for name in columns if not any(re.fullmatch(each, name) for each in patterns)} == set()
    assert {each for each in patterns if not any(re.fullmatch(each, name) for name in columns)} == set()


def test_every_column_is_explained(
    pql: Callable[..., Said],  # noqa: F811  # the fixture of that name
    tmp_path: Path,
) -> None:
    """The tutorial's definition with a window and a trigger more: the page has its columns and no others (SEM-S1)."""
    files = dict(FILES)
    files[DEFINITION] = files[DEFINITION].replace(INVITES, INVITES + WINDOW) + PLAY
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    home = tmp_path / "notes"
    for words in (["ingest"], ["score", "--out", tmp_path / "panel.parquet"], ["decide"]):
        said = pql("--home", home, *words, *([] if words == ["ingest"] else ["--as-of", "2025-03-11"]))
        assert said.code == 0, said.err
    panel = pd.read_parquet(tmp_path / "panel.parquet")
    of_panels, of_snapshots = map(_patterns, PAGE.split("## Only in snapshots"))
    _check(panel.columns, of_panels)
    addends = panel.filter(regex=r"^(line|limit)\.")
    assert addends.sum(axis=1).tolist() == panel["score"].tolist()
    (snapshot,) = home.rglob("scores.parquet")
    _check(pd.read_parquet(snapshot).columns, [*of_panels, *of_snapshots])
