"""`pql new`: a definition of one's own begins with one of the gallery, and is right from its first line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from tests.gallery.conftest import SETTINGS

from pql import definition as language
from pql.cli import gallery
from pql.cli.begin import begun
from pql.definition.model import Definition, EventMatch, NamedEvent


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project's folder somewhere else, with settings and an empty folder of definitions."""
    folder = tmp_path / "elsewhere"
    (folder / "definitions").mkdir(parents=True)
    (folder / "settings.yaml").write_text(SETTINGS)
    return folder


def read(file: Path) -> Definition:
    loaded = language.load(file)
    assert loaded.problems == ()
    return loaded.definitions[0]


def test_the_gallery_is_listed_from_any_home(pql, home):
    """--list prints id and title of every entry, the one to begin with first, and writes nothing."""
    said = pql("--home", home, "new", "--list", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert rows[0] == {"id": "starting-point", "title": "A starting point"}
    assert [row["id"] for row in rows] == [entry.id for entry in gallery.entries()]
    assert list((home / "definitions").iterdir()) == []


@pytest.mark.parametrize("entry", gallery.entries(), ids=lambda entry: entry.id)
def test_every_entry_begins_a_definition_with_the_same_rules(pql, home, entry):
    """What is written is a draft of the new name: same rules, every comment kept, and it says where it came from."""
    said = pql("--home", home, "new", "my-own", "--from", entry.id)
    assert (said.code, said.err) == (0, "")
    file = home / "definitions" / "my-own.yaml"
    made = read(file)
    assert (made.id, made.title, made.status) == ("my-own", "My own", "draft")
    assert (made.signals, made.qualify, made.score) == (
        entry.definition.signals,
        entry.definition.qualify,
        entry.definition.score,
    )
    lines = file.read_text().splitlines()
    assert lines[0] == f"# Begun from `{entry.id}` of the gallery ({entry.title}) with `pql new`."
    assert [line for line in entry.text.splitlines() if line not in lines][2:] == []  # all but id and title


def test_what_is_begun_without_from_passes_check(pql, home):
    """The commented start has no error and no warning in a project that has its destinations."""
    assert pql("--home", home, "new", "first").code == 0
    said = pql("--home", home, "check")
    assert said.code == 0
    assert "ok: first (draft" in said.out
    assert "warning" not in said.out


def test_it_says_what_to_change_and_what_to_do_next(pql, home):
    """The other product's events and properties are named in the head of the file and on the screen, then the steps."""
    said = pql("--home", home, "new", "minutes", "--from", "twilio")
    words = "events `API Request`, `Message Delivered`, `Call Ended`; property `minutes`"
    file = home / "definitions" / "minutes.yaml"
    assert file.read_text().splitlines()[1] == f"# Change to what your product says: {words}."
    first, *steps = said.out.splitlines()
    assert first == f"begun: {file}, a draft, from `twilio` (Twilio, traffic through the API)"
    assert words in steps[0]
    assert "give a signal a `title:`" in steps[1]  # what sales would read of the other product
    assert "reads “" in steps[1]
    assert f"pql --home {home} check {file}" in steps[2]  # as it was called: of the same data
    assert f"pql --home {home} preview {file}" in steps[3]


def test_who_begins_one_that_tells_nobody_is_told_so(pql, home):
    """Entries without plays only rank: that they need some is one of the next steps, and of the others not."""
    assert "add `plays:`" in pql("--home", home, "new", "friends", "--from", "facebook").out
    assert "add `plays:`" not in pql("--home", home, "new", "files", "--from", "dropbox").out


def test_events_that_the_project_shares_are_taken_from_its_vocabulary(pql, home):
    """A name is declared once: the product's own mapping wins, so the definition is right as it was written."""
    (home / "definitions" / "vocabulary.yaml").write_text("events:\n  message_sent: chat.message\n")
    assert pql("--home", home, "new", "habit", "--from", "slack-habit").code == 0
    file = home / "definitions" / "habit.yaml"
    assert read(file).event("message_sent").match.events == ("chat.message",)
    assert "# events: all of them are in vocabulary.yaml" in file.read_text()
    assert "Message Sent`" not in file.read_text()  # nothing of another product is left to change


def test_a_shared_event_without_the_value_that_is_needed_does_not_stand_in(pql, home):
    """Where the vocabulary's event lacks the value, the gallery's stays, under another name."""
    (home / "definitions" / "vocabulary.yaml").write_text(
        "events:\n  call_ended: call.over\n  api_request: api.request\n"
    )
    assert pql("--home", home, "new", "traffic", "--from", "twilio").code == 0
    made = read(home / "definitions" / "traffic.yaml")
    assert made.signal("call_minutes").events == ("own_call_ended",)
    assert made.event("own_call_ended").match == EventMatch(("Call Ended",), value="minutes")
    assert made.event("api_request").match.events == ("api.request",)


@pytest.mark.parametrize("entry", gallery.entries(), ids=lambda entry: entry.id)
def test_every_entry_goes_with_a_vocabulary_that_has_all_its_names(entry):
    """Whatever the project calls so already, what is begun can be read, with the shared events or its own."""
    shared = {event.name: NamedEvent(event.name, EventMatch(("Other",))) for event in entry.definition.events}
    made, problems = language.parse(begun(entry, "x", shared), "x.yaml", list(shared.values()))
    assert problems == ()
    assert made is not None


def test_nothing_is_overwritten(pql, home):
    """A definition of that name stays as it is, in whichever file it stands."""
    pql("--home", home, "new", "mine")
    file = home / "definitions" / "mine.yaml"
    file.write_text(file.read_text().replace("Mine", "Changed by hand"))
    said = pql("--home", home, "new", "mine", "--from", "drift")
    assert said.code == 2
    assert "There is a definition `mine` already" in said.err
    assert read(file).title == "Changed by hand"
    file.rename(home / "definitions" / "another-name.yaml")
    said = pql("--home", home, "new", "mine")
    assert said.code == 2
    assert "another-name.yaml" in said.err


WRONG = {
    "no name": ([], "NAME is missing"),
    "no id": (["My Habit"], "NAME: `My Habit` must be small letters, digits, - and _ (at most 63) (for example"),
    "a path": (["../habit"], "NAME: `../habit` must be small letters"),
    "empty": ([""], "NAME: must be a text"),
    "a file that is none": (["vocabulary"], "vocabulary.yaml has a meaning of its own"),
    "nearly an entry": (
        ["x", "--from", "slack-habbit"],
        "The gallery has no `slack-habbit`. Did you mean `slack-habit`?",
    ),
    "no entry at all": (["x", "--from", "qqq"], "`pql new --list` lists"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_call_writes_nothing_and_says_what_to_put_right(pql, home, what):
    """Exit code 2, the reason, and an empty folder."""
    words, reason = WRONG[what]
    said = pql("--home", home, "new", *words)
    assert said.code == 2
    assert reason in said.err
    assert list((home / "definitions").iterdir()) == []


def test_a_vocabulary_that_cannot_be_read_comes_first(pql, home):
    """What the project shares is put right before anything is begun on it."""
    (home / "definitions" / "vocabulary.yaml").write_text("events:\n  Message: {even: Message Sent}\n")
    said = pql("--home", home, "new", "habit")
    assert said.code == 2
    assert "vocabulary.yaml:2" in said.err
