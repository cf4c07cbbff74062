"""`pql preview` as somebody types it: a draft tried on history, told in the terminal, as JSON, as CSV and as a page."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.flow.conftest import HABIT, SETTINGS, days_before

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: TID251  # the CLI reads the clock
DID = {"ada": (3, 2, 1), "bob": (3, 2), "cid": (30,), "dan": (4, 3, 2)}  # days back on which each was there


@pytest.fixture
def home(tmp_path: Path, pql) -> Path:
    """A project with a live habit of three days, its events loaded, and a draft of two days outside its folder."""
    folder = tmp_path / "home"
    (folder / "definitions").mkdir(parents=True)
    (folder / "events").mkdir()
    (folder / "settings.yaml").write_text(SETTINGS)
    (folder / "definitions" / "vocabulary.yaml").write_text("events: {acted: Act}\n")
    live = HABIT.replace("events:\n  acted: Act\n", "")
    (folder / "definitions" / "habit.yaml").write_text(live)
    (tmp_path / "draft.yaml").write_text(live.replace("live", "draft").replace("3}", "2}"))
    rows = [
        {"at": at.isoformat(), "who": who, "what": "Act"} for who, on in DID.items() for at in days_before(TODAY, *on)
    ]
    (folder / "events" / "day.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert pql("--home", folder, "ingest").code == 0
    return folder


def day(back: int) -> str:
    """The date of that many days before today."""
    return f"{TODAY - timedelta(days=back):%Y-%m-%d}"


def test_a_draft_is_compared_with_the_live_definition_of_its_id(pql, home):
    """The sentence first; a draft outside the folder has the project's words; the page is written beside."""
    file = home.parent / "page.html"
    said = pql("--home", home, "preview", home.parent / "draft.yaml", "--from", day(5), "--to", day(1), "--html", file)
    assert (said.code, said.err) == (0, "")
    assert "+1 account, none lost; 0.6 alerts a day instead of 0.4, at most 2 on " + day(2) in said.out
    assert "the old one asks for: days at least 3 (1)" in said.out
    assert "The CRM gives no dated outcome" in said.out
    text = file.read_text()
    assert "<svg" in text
    assert "user:bob" in text


def test_programs_get_all_of_it(pql, home):
    """JSON is the whole preview, CSV a row per account; the newest complete day is the last by default."""
    draft = home.parent / "draft.yaml"
    told = json.loads(pql("--home", home, "preview", draft, "--from", day(5), "--format", "json").out)
    assert (told["first_day"], told["last_day"]) == (day(5), day(1))
    assert [d["new"] for d in told["days"]] == [0, 0, 1, 2, 0]
    assert [d["old"] for d in told["days"]] == [0, 0, 0, 1, 1]
    rows = list(csv.DictReader(io.StringIO(pql("--home", home, "preview", draft, "--from", day(5), "-f", "csv").out)))
    assert [(row["name"], row["group"], row["new_day"], row["old_day"], row["days_sooner"]) for row in rows] == [
        ("bob", "added", day(2), "", ""),
        ("dan", "kept", day(3), day(2), "1"),
        ("ada", "kept", day(2), day(1), "1"),
    ]


def test_a_wrong_draft_is_refused_as_check_says_it(pql, home):
    """Exit code 2 and the file's errors, line by line."""
    draft = home.parent / "draft.yaml"
    draft.write_text(draft.read_text().replace("active_days: acted", "active_days: actd"))
    said, checked = pql("--home", home, "preview", draft), pql("--home", home, "check", draft)
    assert (said.code, said.out, checked.code) == (2, "", 2)
    error = next(line for line in checked.out.splitlines() if line.startswith("error:"))
    assert error in said.err
    assert "acted" in error


WRONG = {
    "no live one": (["--against", "live"], "no live definition has the id `other`"),
    "no such id": (["--against", "habbit"], "no definition `habbit`"),
    "no such file": (["--against", "nowhere.yaml"], "nowhere.yaml"),
    "no days": (["--from", "2026-02-01", "--to", "2026-01-01"], "is not before"),
    "no attribute": (["--by", "colour"], "no source gives the attribute `colour`"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_compared_ends_with_2(pql, home, what):
    """The reason is on standard error, and nothing else is printed."""
    words, reason = WRONG[what]
    draft = home.parent / "draft.yaml"
    draft.write_text(draft.read_text().replace("definition: habit", "definition: other"))
    said = pql("--home", home, "preview", draft, *words)
    assert (said.code, said.out) == (2, "")
    assert reason in said.err
