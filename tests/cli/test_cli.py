"""The command line: help that helps, exit codes, rows a program can read, and everything can be pointed elsewhere."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from tests.flow.conftest import HABIT, SETTINGS, days_before
from typer.main import get_command

from pql.cli import app

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]  # a group has them
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: TID251  # the CLI reads the clock

SEEN = ("user:ada", "user:bob", "user:new", "user:old")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project's folder: settings, a definition, and an export in which ada has a habit and bob does not."""
    folder = tmp_path / "home"
    (folder / "definitions").mkdir(parents=True)
    (folder / "events").mkdir()
    (folder / "settings.yaml").write_text(SETTINGS)
    (folder / "definitions" / "habit.yaml").write_text(HABIT)
    did = {"ada": (3, 2, 1), "bob": (9, 2), "old": (30,), "new": (1,)}
    moments = [(who, at) for who, days in did.items() for at in days_before(TODAY, *days)]
    rows = [{"at": at.isoformat(), "who": who, "what": "Act"} for who, at in moments]
    (folder / "events" / "day.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def loaded(pql, home) -> Path:
    """The same with its events in the lake."""
    assert pql("--home", home, "ingest").code == 0
    return home


def test_there_are_the_commands_the_project_promises():
    """Everything the DAGs do, and what people ask of the result."""
    promised = {"check", "ingest", "score", "decide", "deliver", "replay", "release", "block", "explain", "deliveries"}
    assert promised <= COMMANDS.keys()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_says_what_it_does_and_what_each_word_means(pql, command):
    """`--help` ends with 0, begins with usage, and leaves no option or argument without a word about it."""
    said = pql(*[command] * bool(command), "--help")
    assert said.code == 0
    assert said.out.lstrip().startswith("Usage: pql")
    if not command:
        assert all(name in said.out for name in COMMANDS)
        assert "Exit codes" in said.out
        return
    assert COMMANDS[command].help
    for parameter in COMMANDS[command].params:
        assert getattr(parameter, "help", None), f"pql {command}: {parameter.name} has no help"


def test_commands_that_have_a_moment_take_it_and_commands_that_print_rows_take_a_format():
    """`--as-of` where it applies, `--format` wherever rows are printed."""
    having = {
        option: {name for name, command in COMMANDS.items() if any(option in each.opts for each in command.params)}
        for option in ("--as-of", "--format")
    }
    assert {"ingest", "score", "decide", "run", "explain"} <= having["--as-of"]
    assert set(COMMANDS) - having["--format"] <= {"init", "schema", "prune"}


WRONG_CALLS = {
    "no such command": (["scores"], "No such command 'scores'"),
    "no such option": (["score", "--asof", "2026-01-01"], "No such option"),
    "no such definition": (["score", "habbit"], "no definition `habbit`"),
    "no such source": (["ingest", "prodct"], "no source `prodct`"),
    "no date": (["score", "--as-of", "yesterday"], "`yesterday` is no date or time"),
    "the future": (["score", "--as-of", "2999-01-01"], "lies in the future"),
    "half a panel": (["score", "--from", "2026-01-01"], "--from and --to go together"),
    "no duration": (["score", "--from", "2026-01-01", "--to", "2026-01-02", "--every", "1y"], "`1y` is no duration"),
    "no kind": (["run", "--kind", "weekly"], "hourly or nightly, not `weekly`"),
    "no format": (["score", "--format", "xml"], "'xml' is not one of"),
    "no first moment": (["replay"], "--from is needed"),
    "no reason": (["block", "user:ada"], "--reason is needed"),
    "nobody of that name": (["explain", "nobody"], "No account is known as `nobody`"),
    "a file of no known kind": (["score", "--out", "scores.xlsx"], "must end in .parquet or .csv"),
}


@pytest.mark.parametrize("what", WRONG_CALLS)
def test_a_wrong_call_ends_with_2_and_says_what_to_put_right(pql, loaded, what):
    """Exit code 2, the reason on standard error, no traceback."""
    words, reason = WRONG_CALLS[what]
    said = pql("--home", loaded, *words)
    assert said.code == 2
    assert reason in " ".join(said.err.replace("│", " ").split())
    assert said.out == ""


def test_a_folder_that_is_not_there_is_named(pql, tmp_path):
    """A wrong --home is the caller's to put right, and nothing is made in its place."""
    said = pql("--home", tmp_path / "nowhere", "score")
    assert said.code == 2
    assert "There is no folder" in said.err
    assert not (tmp_path / "nowhere").exists()


def test_a_named_home_is_whole(pql, home, monkeypatch, tmp_path):
    """What a shell says of another project (`source .demo/env`) counts no more once --home names a folder."""
    for name in ("SETTINGS", "DEFINITIONS", "LAKE", "LEDGER"):
        monkeypatch.setenv(f"PQL_{name}", str(tmp_path / "demo" / name.lower()))
    (read,) = json.loads(pql("--home", home, "ingest", "-f", "json").out)
    assert read["published"] == 7
    assert (home / ".pql" / "lake" / "events").is_dir()
    assert (home / ".pql" / "ledger.db").is_file()
    assert not (tmp_path / "demo").exists()


def test_an_option_beside_a_named_home_takes_its_part_from_elsewhere(pql, home, tmp_path):
    """`--home notes --lake …`: everything of the folder but the lake."""
    assert pql("--home", home, "--lake", tmp_path / "other", "ingest").code == 0
    assert (tmp_path / "other" / "events").is_dir()
    assert not (home / ".pql" / "lake").exists()


def test_a_home_of_the_environment_only_fills_in_what_its_other_variables_leave_open(pql, home, monkeypatch, tmp_path):
    """PQL_HOME with PQL_LAKE: the lake is where PQL_LAKE says."""
    monkeypatch.setenv("PQL_HOME", str(home))
    monkeypatch.setenv("PQL_LAKE", str(tmp_path / "other"))
    assert pql("ingest").code == 0
    assert (tmp_path / "other" / "events").is_dir()
    assert (home / ".pql" / "ledger.db").is_file()


def test_an_empty_lake_is_no_traceback(pql, home):
    """Whoever scores before reading anything is told what to do first."""
    said = pql("--home", home, "score")
    assert said.code == 2
    assert "pql ingest" in said.err


def _write_events(home: Path, *rows: object) -> None:
    (home / "events" / "day.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_a_source_of_which_nothing_can_be_used_fails_and_says_why(pql, home):
    """How many of how many, the first with file and line, what to set, and where they lie; every later call knows."""
    _write_events(home, *({"at": f"{day}.03.2026 10:00", "who": "ada", "what": "Act"} for day in (14, 15)))
    said = pql("--home", home, "ingest")
    assert said.code == 1
    lie = f"{home}/.pql/lake/quarantine/"
    assert "none of the 2 records could be used. The first, day.ndjson:1: at is not a time: 14.03.2026" in said.err
    assert '`time_format: "%d.%m.%Y %H:%M"`' in said.err
    assert lie in said.err
    scored = pql("--home", home, "score")
    assert scored.code == 2
    assert "nothing that `pql ingest` read could be used" in scored.err
    assert lie in scored.err
    assert lie in pql("--home", home, "check").out


def test_a_source_of_which_something_can_be_used_says_what_cannot(pql, home):
    """The number and the first reason, and exit code 0: the rest is in the lake."""
    good = {"at": TODAY.isoformat(), "who": "ada", "what": "Act"}
    _write_events(home, good, {**good, "at": "soon"}, {**good, "who": ""})
    said = pql("--home", home, "ingest")
    assert said.code == 0
    assert "1 of 3 records could not be used. The first, day.ndjson:2: at is not a time: soon." in said.err
    assert "1 row names neither a user nor a visitor and was left out" in " ".join(said.out.split())


def test_a_source_whose_rows_all_name_nobody_fails_too(pql, home):
    """Nothing is in quarantine then, and nothing is in the lake: which column names people is what to look at."""
    _write_events(home, {"at": TODAY.isoformat(), "who": "", "what": "Act"})
    said = pql("--home", home, "ingest")
    assert said.code == 1
    assert "its one record could not be used" in said.err
    assert "look at `user` and `anonymous` in the settings" in said.err


def test_a_run_of_which_one_source_brought_nothing_usable_says_so_at_its_end(pql, home):
    """The run itself went on with what there was; exit code 1, as `ingest` has it."""
    _write_events(home, {"at": TODAY.isoformat(), "who": "ada", "what": "Act"})
    assert pql("--home", home, "init").code == 0
    assert pql("--home", home, "run").code == 0
    (home / "events" / "later.ndjson").write_text(json.dumps({"at": "soon", "who": "ada", "what": "Act"}) + "\n")
    again = pql("--home", home, "run")
    assert again.code == 1
    assert "its one record could not be used" in again.err
    assert "evaluated" in again.out


def test_the_whole_line_by_hand(pql, home):
    """init, check, ingest, score, run, release, deliver: each by its command, the baseline silent."""
    assert pql("--home", home, "init").out == "the ledger is ready\n"
    assert "ok: habit" in pql("--home", home, "check").out
    for expected in (7, 0):
        (read,) = json.loads(pql("--home", home, "ingest", "-f", "json").out)
        assert read["read"] == expected
    scored = json.loads(pql("--home", home, "score", "-f", "json").out)
    assert {row["subject_key"]: row["qualified"] for row in scored} == {
        "user:ada": True,
        "user:bob": False,
        "user:old": False,
        "user:new": False,
    }
    (night,) = json.loads(pql("--home", home, "run", "-f", "json").out)
    assert (night["silent"], night["announced"]) == (1, 0)
    (waiting,) = json.loads(pql("--home", home, "release", "-f", "json").out)
    assert (waiting["subject"], waiting["why_silent"]) == ("user:ada", "baseline")
    assert pql("--home", home, "deliver").out == "nothing was due\n"
    assert "released 1 opening:" in pql("--home", home, "release", "--top", 1, "--yes").out
    again = pql("--home", home, "release", "--episode", waiting["episode"]).out
    assert f"not released, as no stay of that number is open and silent: {waiting['episode']}" in again
    assert {row["state"] for row in json.loads(pql("--home", home, "deliveries", "-f", "json").out)} == {"pending"}
    assert "Alert" in pql("--home", home, "explain", "user:ada").out


def test_blocks_are_made_listed_and_lifted(pql, loaded):
    """A block by account key says until when; listed it can be read by a program; lifted it is gone."""
    said = pql("--home", loaded, "block", "user:ada", "--for", "30d", "--reason", "asked us to wait")
    assert said.out.startswith("user:ada is blocked (snooze) until")
    (row,) = json.loads(pql("--home", loaded, "block", "-f", "json").out)
    assert (row["account"], row["kind"], row["reason"]) == ("user:ada", "snooze", "asked us to wait")
    assert "1 block of user:ada ended" in pql("--home", loaded, "block", "user:ada", "--lift").out
    assert json.loads(pql("--home", loaded, "block", "-f", "json").out) == []


ROWS = {
    "check": (),
    "ingest": (),
    "score": (),
    "decide": (),
    "run": (),
    "deliver": (),
    "deliveries": (),
    "release": (),
    "block": (),
    "explain": ("user:ada",),
    "replay": ("--from", (TODAY - timedelta(days=2)).date(), "--every", "1d", "--no-send"),
}


@pytest.mark.parametrize("command", ROWS)
def test_rows_can_be_read_by_a_program(pql, loaded, command):
    """`--format json` and `--format csv` print the same rows and nothing else on standard output."""
    given = ["--home", loaded, command, *ROWS[command]]
    ledgers = [["--ledger", f"sqlite:///{loaded / name}.db"] for name in ("one", "two")]
    as_json = pql(*ledgers[0], *given, "--format", "json")
    as_csv = pql(*ledgers[1], *given, "--format", "csv")
    assert (as_json.code, as_csv.code) == (0, 0)
    rows = json.loads(as_json.out)
    table = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert isinstance(rows, list)
    assert len(table) == len(rows)
    if rows:
        assert list(table[0]) == list(rows[0])


@pytest.mark.parametrize(
    ("host", "words", "code"),
    [
        ("https://slack.com", [], 2),
        ("", [], 2),
        ("https://slack.com", ["--no-send"], 0),
        ("https://slack.com", ["--send"], 0),
        ("http://127.0.0.1:8090", [], 0),
        ("http://localhost:8090", [], 0),
    ],
)
def test_a_replay_tells_people_only_if_that_is_said(pql, loaded, monkeypatch, host, words, code):
    """History goes to a sandbox on this machine without a word, and to anybody else only with --send."""
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps({"conn_type": "slack", "host": host, "password": "x"}))
    said = pql("--home", loaded, "replay", "--from", TODAY.date(), "--to", TODAY.date(), "--every", "1d", *words)
    assert (said.code, "to slack. Say --no-send" in said.err) == (code, code == 2), said.err


def test_a_reconciliation_that_read_nothing_does_not_say_that_all_is_well(pql, loaded):
    """Exit code 1 and which destination: nobody knows what stands there. Asking nobody at all is no failure."""
    said = pql("--home", loaded, "reconcile")
    assert (said.code, said.out) == (1, "nothing differs in what could be read\n")
    assert "could not be checked: slack: There is no connection `slack_default`" in said.err
    stored = pql("--home", loaded, "reconcile", "--stored")
    assert (stored.code, stored.out) == (0, "ledger and destinations agree\n")


def test_a_panel_has_one_row_per_subject_and_moment(pql, loaded, tmp_path):
    """`pql score --from A --to B --every 1d --out FILE`: whoever had been seen by then, each on every day."""
    first, last = (TODAY - timedelta(days=2)).date(), TODAY.date()
    for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
        out = tmp_path / f"panel{suffix}"
        said = pql("--home", loaded, "score", "--from", first, "--to", last, "--every", "1d", "--out", out)
        panel = read(out)
        assert said.out == f"{len(panel)} rows (3 moments) written to {out}\n"
        assert not panel.duplicated(["as_of", "subject_key"]).any()
        assert panel.groupby("subject_key").size().to_dict() == dict(zip(SEEN, (3, 3, 1, 3), strict=True))


def test_everything_can_be_pointed_elsewhere_by_options(pql, home, tmp_path):
    """--settings, --definitions, --lake, --ledger: the home's own are not touched."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.yaml").write_text(HABIT.replace("definition: habit", "definition: other"))
    said = pql(
        *("--settings", home / "settings.yaml", "--definitions", elsewhere / "other.yaml"),
        *("--lake", elsewhere / "lake", "--ledger", f"sqlite:///{elsewhere / 'ledger.db'}"),
        *("run", "-f", "json"),
    )
    assert said.code == 0
    assert json.loads(said.out)[0]["evaluated"] == 4
    assert (elsewhere / "lake" / "scores" / "definition=other").is_dir()
    assert (elsewhere / "ledger.db").is_file()
    assert not (home / ".pql").exists()


def test_everything_can_be_pointed_elsewhere_by_the_environment(pql, home, tmp_path, monkeypatch):
    """PQL_HOME, PQL_LAKE, PQL_LEDGER, PQL_DEFINITIONS, PQL_SETTINGS; an option wins over its variable."""
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("PQL_HOME", str(home))
    monkeypatch.setenv("PQL_LAKE", str(elsewhere / "lake"))
    monkeypatch.setenv("PQL_LEDGER", f"sqlite:///{elsewhere / 'ledger.db'}")
    assert pql("run").code == 0
    assert (elsewhere / "lake" / "scores" / "definition=habit").is_dir()
    assert (elsewhere / "ledger.db").is_file()
    assert not (home / ".pql").exists()
    own = tmp_path / "own"
    assert pql("--lake", own, "ingest").code == 0
    assert (own / "events").is_dir()
    monkeypatch.setenv("PQL_DEFINITIONS", str(tmp_path / "no-definitions"))
    assert "no-definitions" in pql("score", "habit").err
    monkeypatch.setenv("PQL_SETTINGS", str(tmp_path / "no-settings.yaml"))
    assert "no-settings.yaml" in pql("ingest").err


def test_the_installed_command_ends_as_promised(home):
    """The script that is installed: 0 for what went well, 2 without a traceback for what must be put right."""
    pql = Path(sys.executable).with_name("pql")
    good = subprocess.run([pql, "--home", home, "check"], capture_output=True, text=True, timeout=120)
    bad = subprocess.run([pql, "--home", home, "score", "--as-of", "x"], capture_output=True, text=True, timeout=120)
    assert (good.returncode, good.stderr) == (0, "")
    assert bad.returncode == 2
    assert bad.stderr.startswith("pql: ")
