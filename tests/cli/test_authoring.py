"""`pql check` in CI and by hand: exit codes, rows, and a look at the data that can be left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Said

GOOD = "definition: d\nevents: {a: A}\nsignals: {n: {count: a}}\nqualify: {n: {min: 1}}\n"
UNUSED = GOOD.replace("{n: {count: a}}", "{n: {count: a}, m: {users: a}}")
SETTINGS = "sources:\n  s: {kind: files, path: '*.ndjson', emits: [{event: what, time: at, user: who}]}\n"
Pql = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Settings and a folder for definitions; one event is there to be read."""
    (tmp_path / "definitions").mkdir()
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    (tmp_path / "day.ndjson").write_text(json.dumps({"what": "A", "at": "2026-03-01T10:00:00Z", "who": "ada"}))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "plain", "strict"),
    [(GOOD, 0, 0), (UNUSED, 0, 1), (GOOD.replace("count: a", "count: b"), 2, 2)],
    ids=["good", "suspicious", "wrong"],
)
def test_ci_is_told_by_the_exit_code(pql: Pql, home: Path, text: str, plain: int, strict: int) -> None:
    """2 if something is wrong; warnings end with 1, and only if that is asked for."""
    (home / "definitions" / "d.yaml").write_text(text)
    assert pql("--home", home, "check").code == plain
    assert pql("--home", home, "check", "--strict").code == strict


def test_rows_for_ci_name_file_and_line(pql: Pql, home: Path) -> None:
    """`--format json` is one row per problem, nothing else on standard output."""
    (home / "definitions" / "d.yaml").write_text(UNUSED)
    (row,) = json.loads(pql("--home", home, "check", "--format", "json").out)
    assert (row["level"], Path(row["file"]).name, row["line"]) == ("warning", "d.yaml", 3)
    assert "`m` is never used" in row["message"]


def test_the_data_is_looked_at_once_there_is_some_and_can_be_left_out(pql: Pql, home: Path) -> None:
    """What was not looked at is said, so that silence is not taken for approval (SEM-T5)."""
    (home / "definitions" / "d.yaml").write_text(GOOD.replace("events: {a: A}", "events: {a: B}"))
    assert "nothing is loaded yet" in pql("--home", home, "check").out
    assert pql("--home", home, "ingest").code == 0
    looked = pql("--home", home, "check").out
    assert "definitions/d.yaml:2: event `a` (`B`) is not in the last 30 days of the data (up to 2026-03-01)" in looked
    assert "history: from 2026-03-01\ndata: looked at, up to 2026-03-01 10:00" in looked
    assert "data: not looked at" in pql("--home", home, "check", "--no-data").out
    elsewhere = pql("--home", home, "--ledger", "postgresql+psycopg://nobody@127.0.0.1:1/none", "check")
    assert (elsewhere.code, "data: not looked at (" in elsewhere.out) == (0, True)


def test_why_is_told_in_words_and_in_rows(pql: Pql, home: Path) -> None:
    """`pql explain` for people ends with what would qualify the account; as JSON it has the keys a page reads."""
    (home / "definitions" / "d.yaml").write_text(GOOD.replace("{min: 1}", "{min: 3}"))
    assert pql("--home", home, "ingest").code == 0
    asked = ("--home", home, "explain", "user:ada", "--as-of", "2026-03-02", "--definition", "d")
    said = pql(*asked).out
    assert "Nearest ways to qualify\n  · 2 more as   → score 0" in said
    assert "Since last night  not known: there is no nightly snapshot of that moment" in said
    assert "\nScore 0 " in said  # without stages there is no activation to be at 0 %
    (row,) = json.loads(pql(*asked, "--format", "json").out)
    assert {"alert", "lines", "moved", "nearest", "path", "seen", "stages"} <= row.keys()
    assert pql("--home", home, "explain", "user:ada", "--definition", "x").code == 2


def test_why_is_told_by_the_projects_clock(pql: Pql, home: Path) -> None:
    """SEM-T1: the midnight that was asked for and the stages' days are local; where the data ends is said, too."""
    settings = home / "settings.yaml"
    settings.write_text("timezone: Asia/Tokyo\n" + settings.read_text())
    (home / "definitions" / "d.yaml").write_text(GOOD + "activation: [{stage: Did it, when: {n: {min: 1}}}]\n")
    assert pql("--home", home, "ingest").code == 0
    said = pql("--home", home, "explain", "user:ada", "--as-of", "2026-03-02").out
    assert "as of 2026-03-02T00:00 Asia/Tokyo" in said
    assert "✓ Did it  2026-03-01T19:00" in said
    assert "The data ends" not in said
    later = pql("--home", home, "explain", "user:ada", "--as-of", "2026-03-12").out
    assert "The data ends at 2026-03-01T19:00: of the 10 days since nothing is known (--as-of 2026-03-02" in later


def test_an_unknown_size_is_not_told_as_known(pql: Pql, home: Path) -> None:
    """SEM-Q2: what it is treated as is said, and that it is unknown; one action is one action."""
    size = "size: {by: employees, from: {small: 0, large: 500}, unknown: small}\n"
    (home / "definitions" / "d.yaml").write_text(GOOD + size)
    assert pql("--home", home, "ingest").code == 0
    said = pql("--home", home, "explain", "user:ada", "--as-of", "2026-03-02").out
    assert "Size unknown, treated as small" in said
    assert "Champions  ada (1 action on 1 day)" in said
