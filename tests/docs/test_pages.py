"""All pages: links lead somewhere, commands exist with their options, no page is an orphan."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from pql.cli import app
from pql.pipeline.project import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CLI: Any = typer.main.get_command(app)
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
AIRFLOW = {"dags unpause", "backfill create"}
ELSEWHERE = {"curl", "export", "git", "python", "python3", "sed", "source", ".", "AIRFLOW", "TOKEN"}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for text in re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
            yield page, text


def commands() -> Iterator[tuple[Path, str]]:
    """(page, command) for every line of the shell blocks that begins one; what a quote spans is one command."""
    for page, text in blocks("sh"):
        text = re.sub(r"<<'EOF'\n.*?^EOF$", "", text, flags=re.DOTALL | re.MULTILINE)
        plain = re.sub(r"\\\n", " ", re.sub(r"'[^']*'|\"[^\"]*\"", "…", text))
        for line in plain.splitlines():
            command = line.partition(" #")[0].strip()
            if command and not command.startswith(("#", "AIRFLOW_CONN_")):
                yield page, command


def headings(page: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    lines = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE).splitlines()
    titles = [line.lstrip("# ").lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_resolve(page: Path) -> None:
    """Every link and image of the page that stays in the project leads to a file, and to a heading it has."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name(page)} links to {target}"
        assert not anchor or anchor in headings(found), f"{name(page)} links to {target}, which has no such heading"


def test_no_page_is_an_orphan() -> None:
    """Whoever begins at the README can come to every page by links."""
    reached, to_read = {ROOT / "README.md"}, [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        targets = {
            (page.parent / t.partition("#")[0]).resolve() for t in re.findall(r"\]\(([^)\s]+)\)", page.read_text())
        }
        fresh = (targets & set(PAGES)) - reached
        reached |= fresh
        to_read += fresh
    assert {name(page) for page in set(PAGES) - reached} == set()


@pytest.mark.parametrize(
    ("page", "command"), sorted(set(commands())), ids=lambda v: name(v) if isinstance(v, Path) else v
)
def test_commands_exist(page: Path, command: str) -> None:
    """A command in a shell block is one that there is."""
    words = re.sub(r"\|\|.*", "", command).split()
    match words[0].partition("=")[0]:
        case "make":
            assert words[1] in TARGETS
        case "pql":
            _is_pql(words[1:])
        case "airflow":
            assert " ".join(words[1:3]) in AIRFLOW
        case "python" if words[1] == "-m":
            assert importlib.util.find_spec(words[2]) is not None
        case "docker":
            assert words[1] == "compose"  # no Docker engine in tests; tests/compose reads the rest of the line
        case other if "/" in other:
            assert (ROOT / other).is_file()
        case other:
            assert other in ELSEWHERE, f"{name(page)}: is `{command}` a command?"


def _is_pql(words: list[str]) -> None:
    own = {opt for p in CLI.params for opt in p.opts}
    while words[0] in own:
        words = words[2:]
    command = CLI.commands[words[0]]
    if len(words) > 1 and words[1] in getattr(command, "commands", {}):
        command, words = command.commands[words[1]], words[1:]
    known = {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
    assert {word for word in words[1:] if word.startswith("-")} <= known


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`pql ([a-z]+)", "\n".join(p.read_text() for p in PAGES)))))
def test_commands_named_in_the_text_exist(command: str) -> None:
    """`pql …` in a sentence is a command, too."""
    assert command in CLI.commands


def test_every_decision_is_listed() -> None:
    """The list of decisions has each of them."""
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}
