"""`pql score` and `decide`: what they say of moments before history, of live runs, and of who has no name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from tests.cli.conftest import Said
from tests.cli.test_cli import TODAY, home, loaded  # noqa: F401  # fixtures

Pql = Callable[..., Said]
BEGINS = (TODAY - timedelta(days=30)).date()  # the first event of the export


def day(after: int) -> str:
    """The date of that many days after history began."""
    return f"{BEGINS + timedelta(days=after)}"


def test_a_panel_wholly_before_history_is_refused(pql: Pql, loaded: Path, tmp_path: Path) -> None:  # noqa: F811
    """Instead of an empty file and exit code 0, as if nobody had been there."""
    out = tmp_path / "panel.parquet"
    said = pql("--home", loaded, "score", "--from", day(-30), "--to", day(0), "--out", out)
    assert (said.code, said.out, out.exists()) == (2, "", False)
    assert f"The period ends before history begins on {BEGINS}: nothing is known of it." in said.err


def test_a_panel_that_begins_before_history_says_so(pql: Pql, loaded: Path, tmp_path: Path) -> None:  # noqa: F811
    """It is written; with the day that is advised there is nothing to say."""
    out = tmp_path / "panel.parquet"
    said = pql("--home", loaded, "score", "--from", day(-3), "--to", day(2), "--out", out)
    assert (said.code, len(pd.read_parquet(out))) == (0, 2)
    assert f"Begin with it: --from {BEGINS}." in said.err
    assert pql("--home", loaded, "score", "--from", BEGINS, "--to", day(2), "--out", out).err == ""


@pytest.mark.parametrize("command", ["score", "decide"])
def test_a_moment_before_history_is_named(pql: Pql, loaded: Path, command: str) -> None:  # noqa: F811
    """Rows of zeros, or none, are told apart from a quiet day; standard output is as ever."""
    said = pql("--home", loaded, command, "--as-of", day(0), "-f", "json")
    assert (said.code, isinstance(json.loads(said.out), list)) == (0, True)
    assert said.err == f"pql: {BEGINS} 00:00 lies before history begins on {BEGINS}: nothing is known of it.\n"
    assert pql("--home", loaded, command, "--as-of", day(1)).err == ""


def test_what_a_live_run_announced_is_not_told_twice(pql: Pql, loaded: Path) -> None:  # noqa: F811
    """What would have been announced is a column of runs that announce nothing; programs get it always."""
    live = pql("--home", loaded, "decide", "-f", "json")
    assert "would_have_announced" in json.loads(live.out)[0]
    assert "would have announced" not in pql("--home", loaded, "decide").out
    past = pql("--home", loaded, "decide", "--as-of", (TODAY - timedelta(days=9)).date())
    assert "would have announced" in past.out


NAMELESS = {"org:c1": "cedar.example", "org:c2": None, "org:c3": None}  # c2 has an address of free mail, c3 none


@pytest.fixture
def nameless(pql: Pql, home: Path) -> Path:  # noqa: F811  # the fixture imported above
    """Accounts that no source gives a name."""
    mails = ("ada@cedar.example", "bob@gmail.com", None)
    rows = [
        {"at": TODAY - timedelta(hours=9), "who": f"u{key[-1]}", "what": "Act", "org": key[4:], "mail": mail}
        for key, mail in zip(NAMELESS, mails, strict=True)
    ]
    (home / "events" / "day.ndjson").write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    assert pql("--home", home, "ingest").code == 0
    return home


@pytest.mark.parametrize("is_decided", [False, True])
def test_who_has_no_name_goes_by_the_domain(pql: Pql, nameless: Path, is_decided: bool) -> None:
    """In scores and in what is explained; a domain of free mail names nobody, and then the key stands there once."""
    if is_decided:
        assert pql("--home", nameless, "decide").code == 0
    scored = json.loads(pql("--home", nameless, "score", "-f", "json").out)
    assert {row["subject_key"]: row["name"] for row in scored} == NAMELESS
    for key, name in NAMELESS.items():
        first = pql("--home", nameless, "explain", key).out.splitlines()[0]
        assert first.startswith(f"{name or key} · A habit · ")
        assert first.count(key) == 1
