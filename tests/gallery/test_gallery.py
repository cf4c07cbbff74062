"""The gallery as a whole: nothing in it is untested, unsaid or suspicious."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gallery.conftest import GALLERY, SETTINGS

from pql import definition as language
from pql.cli import gallery
from pql.pipeline.project import ROOT
from pql.scoring.wording import phrase
from pql.settings import load_settings

ENTRIES = gallery.entries()
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)

PROMISED = {
    *("slack-volume", "slack-habit", "facebook", "drift", "dropbox", "messaging-app", "video-conferencing"),
    *("dynapictures", "twilio", "mixpanel", "statusgator", "grammarly", "spotify", "calendly", "hightouch-points"),
    *("hightouch-sql", "two-of-five", "trial-saas-by-size", "upsell-basic", "usage-limit", "hand-raiser"),
    *("minimum-viable", "starting-point"),
}


def test_everything_promised_is_there_and_nothing_is_untested() -> None:
    """PRODUCT-D9: the gallery holds what it promises, and a test of this folder scores each of it."""
    assert {entry.id for entry in ENTRIES} == PROMISED
    tests = "\n".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert set(re.findall(r'scored\(\s*"([\w-]+)"', tests)) == PROMISED


def test_nothing_in_it_is_wrong_or_suspicious(tmp_path: Path) -> None:
    """What is copied is what we would write: no errors and no warnings, all of it side by side."""
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "settings.yaml")
    loaded = language.load(GALLERY)
    assert [str(problem) for problem in loaded.problems] == []
    assert len(loaded.definitions) == len(PROMISED)
    assert [str(problem) for d in loaded.definitions for problem in language.lint(d, settings=settings)] == []


@each_entry
def test_an_entry_says_what_it_is_for_and_where_its_numbers_come_from(entry: gallery.Entry) -> None:
    """Its id is its file's name, it is a draft, short, and its head has the two paragraphs that the page shows."""
    assert entry.definition.id == entry.id
    assert entry.definition.status == "draft"
    assert re.match(r"# [^\n]+\n(# [^\n]+\n)*#\n# Thresholds: [^\n]+\n(# [^\n]+\n)*\ndefinition: ", entry.text)
    assert entry.purpose.endswith(".")
    assert entry.thresholds.endswith(".")
    assert len(entry.text.splitlines()) <= 65


@each_entry
def test_every_number_has_a_source_or_is_marked_as_ours(entry: gallery.Entry) -> None:
    """A number stands in the head among the thresholds, or the line or its section says `ours` (PRODUCT-D9)."""
    told = {float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", entry.thresholds.replace("2022", ""))}
    assert {
        (line, number) for line, number in _unmarked_numbers(entry.text) if number not in {0.0, 1.0, *told}
    } == set()


def _unmarked_numbers(text: str) -> Iterator[tuple[str, float]]:
    """The numbers of rules that no `ours` covers: on the line itself, or on a line that it stands under."""
    under: int | None = None  # how far the line is indented that covers what stands under it
    rules = text[text.index("\nevents:") :].partition("\nplays:")[0].splitlines()
    for line in (line for line in rules if line and not line.startswith("#")):
        rule, _, comment = line.partition(" #")
        indent = len(line) - len(line.lstrip())
        under = under if under is not None and indent > under else None
        is_ours = re.search(r"\bours\b", comment) is not None
        if is_ours and rule.rstrip().endswith(":"):
            under = indent
        if not is_ours and under is None:
            words = re.sub(r"(stage|title): [^,}]*", "", rule)
            yield from ((line.strip(), float(n)) for n in re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)[dhw]?\b", words))


def test_the_page_is_current() -> None:
    """The page of the gallery is what its files say; `make docs` brings it there."""
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["gallery_page"]()
    assert (ROOT / "docs" / "reference" / "gallery.md").read_text() == page, "run `make docs`"


def test_reasons_made_of_its_names_read_like_what_people_say() -> None:
    """What a rep reads is made of the names one copies: no "3 logged ins", "values on 3 days", "3 words (texts)"."""
    said = [phrase(e.definition, s, 3.0) for e in gallery.entries() for s in e.definition.signals if s.events]
    silly = re.compile(
        r"logged ins|set ups|\b(values|apis|apps|works|premiums|others|warneds?)\b|\(\w+\)|limits warned"
    )
    assert [text for text in said if silly.search(text)] == []
    assert {"3 logins", "reports on 3 of the last 14 days"} <= set(said)
