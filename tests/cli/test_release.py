"""`pql release --top`: whom it would announce is shown first, and nobody is told unless somebody says yes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Said
from tests.cli.test_storms import world  # noqa: F401  # a fixture
from tests.outbox.conftest import World

Pql = Callable[..., Said]


class Terminal(io.StringIO):
    """Standard input at which somebody has typed."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def release(pql: Pql, world: World, tmp_path: Path) -> Pql:  # noqa: F811  # the fixture imported above
    """`pql release …` where three opened silently: 90, 80 and 70 points."""
    for account, score in (("org:b", 80), ("org:a", 90), ("org:c", 70)):
        world.qualifies(account, silent="baseline", score=score)
    return partial(pql, "--home", tmp_path, "release")


def shown(said: Said) -> list[str]:
    return [line.split()[2] for line in said.out.splitlines() if "baseline" in line]


def test_without_a_terminal_it_takes_a_yes(release: Pql, world: World) -> None:  # noqa: F811
    """Whom it would announce is printed, nothing is queued, and the message says what to add; exit code 2."""
    said = release("--top", 2)
    assert (said.code, shown(said)) == (2, ["org:a", "org:b"])
    assert "Nothing was announced. Add --yes to announce 2 openings" in said.err
    assert world.all() == []
    done = release("--top", 2, "--yes")
    assert (done.code, shown(done)) == (0, ["org:a", "org:b"])
    assert done.out.endswith("released 2 openings: 2 deliveries due (pql deliver)\n")
    assert {each.account_key for each in world.all()} == {"org:a", "org:b"}


@pytest.mark.parametrize(("typed", "code", "queued"), [("y\n", 0, {"org:a"}), ("n\n", 1, set()), ("\n", 1, set())])
def test_at_a_terminal_it_asks(
    release: Pql,
    world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
    queued: set[str],
) -> None:
    """Only a yes announces."""
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    said = release("--top", 1)
    assert (said.code, shown(said)) == (code, ["org:a"])
    assert "Announce 1 opening?" in said.err
    assert {each.account_key for each in world.all()} == queued


def test_it_announces_at_least_one(release: Pql, world: World) -> None:  # noqa: F811
    """`--top 0` is a wrong call; where nothing is silent there is nothing to ask."""
    assert release("--top", 0).code == 2
    assert release("--top", 9, "--yes").code == 0
    assert release("--top", 1).out == "nothing opened silently\n"
    assert len(world.all()) == 3


def test_of_chosen_ones_the_hottest_are_announced(release: Pql, world: World) -> None:  # noqa: F811
    """`--episode` with `--top`; rows for a program stay alone on standard output."""
    chosen: list[Any] = [f"--episode={world.episodes[key]}" for key in ("org:b", "org:c")]
    said = release(*chosen, "--top", 1, "--yes", "--format", "json")
    assert [row["subject"] for row in json.loads(said.out)] == ["org:b"]
    assert "released 1 opening" in said.err
    assert {each.account_key for each in world.all()} == {"org:b"}
