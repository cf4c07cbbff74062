"""`pql storms`: which runs were stopped, what they hold, and one answer to each with who and why (PRODUCT-A6)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.cli.conftest import Said
from tests.outbox.conftest import World

from pql import store
from pql.store.tables import storm_answers

Pql = Callable[..., Said]


@pytest.fixture
def world(tmp_path: Path, migrated_sqlite: Path) -> Iterator[World]:
    """A project's ledger in which things happen."""
    (tmp_path / ".pql").mkdir()
    (tmp_path / "settings.yaml").write_text("{}")
    shutil.copyfile(migrated_sqlite, tmp_path / ".pql" / "ledger.db")
    engine = store.connect(f"sqlite:///{tmp_path / '.pql' / 'ledger.db'}")
    yield World(engine)
    engine.dispose()


@pytest.fixture
def storms(pql: Pql, world: World, tmp_path: Path) -> Pql:
    """`pql storms …` in that project."""
    return partial(pql, "--home", tmp_path, "storms")


def answers(world: World) -> list[tuple[Any, ...]]:
    columns = storm_answers.c
    with store.reading(world.engine) as conn:
        return [tuple(row) for row in conn.execute(select(columns.answer, columns.who, columns.why, columns.origin))]


def test_they_are_listed_until_they_are_answered(storms: Pql, world: World) -> None:
    """With reason, accounts and deliveries; afterwards on demand, with who answered."""
    assert storms().out == "no run waits for an answer\n"
    run_id = world.stops("org:1", "org:2", because="2 accounts at once: at most 1 may be announced")
    [row] = json.loads(storms("--format", "json").out)
    assert (row["run"], row["accounts"], row["deliveries"], row["answer"]) == (run_id, 2, 2, "waits")
    assert row["because"] == "2 accounts at once: at most 1 may be announced"
    assert storms("approve", run_id, "--reason", "a launch", "--by", "dana").code == 0
    assert storms().out == "no run waits for an answer\n"
    [row] = json.loads(storms("--answered", 1, "--format", "json").out)
    assert (row["run"], row["accounts"], row["answer"], row["who"], row["why"]) == (
        run_id, 2, "approved", "dana", "a launch",
    )  # fmt: skip


def test_one_is_looked_into_before_it_is_answered(storms: Pql, world: World) -> None:
    """Why it was stopped, where it would go and because of what; then the hottest, the highest score first."""
    run_id = world.stops("org:1", "org:2", because="too many")
    lines = storms("show", run_id).out.splitlines()
    assert lines[0] == f"run {run_id} (hourly, 2026-03-02 00:00 UTC): too many"
    assert lines[1:3] == ["  2 deliveries: Slack #pql", "  2 accounts: `ping` of d"]
    assert [row["account"] for row in json.loads(storms("show", run_id, "-f", "json").out)] == ["Org:2", "Org:1"]


@pytest.mark.parametrize(
    ("verb", "verdict", "state"),
    [("approve", "approved", "pending"), ("digest", "digest", "pending"), ("reject", "rejected", "suppressed")],
)
def test_each_answer_is_carried_out_once(
    storms: Pql, world: World, verb: str, verdict: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger keeps who (the system's user) and why; the second answer is told of the first and changes nothing."""
    monkeypatch.setenv("LOGNAME", "dana")
    run_id = world.stops("org:1", "org:2")
    assert f"run {run_id}: 2 deliveries" in storms(verb, run_id, "--reason", "as we said").out
    assert {each.state for each in world.all()} == {state}
    for other in ("approve", "reject", "digest"):
        said = storms(other, run_id, "--reason", "something else")
        assert (said.code, "nothing was changed" in said.out, f"{verdict} already, by dana" in said.out) == (
            0, True, True,
        )  # fmt: skip
    assert answers(world) == [(verdict, "dana", "as we said", "cli")]
    assert {each.state for each in world.all()} == {state}


def test_an_answer_needs_a_run_and_a_reason(storms: Pql, world: World) -> None:
    """Without either, or for a run that held nothing, nothing happens and the message says what to do."""
    run_id = world.stops("org:1")
    for words, message in (
        (("approve",), "Say which: pql storms approve RUN"),
        (("reject", run_id), "--reason is needed to reject a storm"),
        (("digest", run_id, "--reason", "  "), "--reason is needed"),
        (("approve", 99, "--reason", "x"), "Run 99 is no storm"),
        (("show", 99), "Run 99 is no storm"),
    ):
        said = storms(*words)
        assert (said.code, message in said.err) == (2, True), words
    assert answers(world) == []
    assert {each.state for each in world.all()} == {"held"}


def test_release_held_is_an_answer_too(pql: Pql, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pql release --held --yes` approves the storms that wait, one or all, so that it is kept who did it."""
    monkeypatch.setenv("LOGNAME", "dana")
    first, _ = world.stops("org:1", "org:2"), world.stops("org:3")
    release = partial(pql, "--home", tmp_path, "release", "--held", "--yes")
    assert release("--run", first).out == "2 deliveries are due now (pql deliver)\n"
    assert [(each.account_key, each.state) for each in world.all()][2] == ("org:3", "held")
    assert release().out == "1 delivery is due now (pql deliver)\n"
    assert answers(world) == [("approved", "dana", "pql release --held --yes", "cli")] * 2
    assert release().out == "0 deliveries are due now (pql deliver)\n"
