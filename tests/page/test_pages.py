"""The other pages, and what holds for all of them: definitions, empty states, errors, and what browsers are told."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from tests.page.conftest import EVIL, Site

PAGES = ("/", "/account?key=org:evil", "/account/why?key=org:evil", "/deliveries", "/openings", "/definitions")


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", PAGES)
def test_nothing_from_data_is_run(site: Site, path: str) -> None:
    """An account called like a script is text everywhere; no inline script, style or handler; links only http(s)."""
    answer = site.client.get(f"/airflow/pql{path}")
    assert answer.status_code == 200
    assert EVIL not in answer.text
    elements = Elements(answer.text).found
    assert [attributes.get("src") for tag, attributes in elements if tag == "script"] == [
        next(src for tag, a in elements if tag == "script" and (src := a.get("src")))
    ]
    for tag, attributes in elements:
        assert tag not in ("style", "iframe", "object", "embed", "base")
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
        target = attributes.get("href") or ""
        assert target.startswith(("/airflow/pql/", "http://", "https://", "#")) or tag != "a", target
    policy = answer.headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'self'", "form-action 'self'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_every_field_has_a_name_that_can_be_read_out(site: Site, path: str) -> None:
    """Inputs and selects stand in a label or carry one; every table column has a scope; the page has one heading 1."""
    text = site.client.get(f"/airflow/pql{path}").text
    bare = re.sub(r"<label>.*?</label>", "", text, flags=re.DOTALL)
    for tag, attributes in Elements(bare).found:
        if tag in ("input", "select", "textarea") and attributes.get("type") != "hidden":
            assert attributes.get("aria-label"), attributes
        if tag == "th":
            assert attributes.get("scope") in ("col", "row")
    assert text.count("<h1") == 1


def test_style_and_script_are_served_here_and_kept(site: Site) -> None:
    """By the page itself, under a name that changes with the content; nothing else lies there."""
    for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript"), ("icon-light.svg", "image/svg+xml")):
        answer = site.get(f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
    assert "immutable" in site.get("/static/page.css").headers["cache-control"]
    assert site.get("/static/..%2Fapp.py").status_code == site.get("/static/app.py").status_code == 404


def test_definitions_say_what_has_become_of_them(site: Site) -> None:
    """Status, version, since when, baseline, what is open, the last run's figures, how to try a change."""
    text = " ".join(re.sub(r"<[^>]+>", " ", site.html("/definitions")).split())
    assert "A habit live habit" in text
    assert "Open and announced 1 Open and silent 3" in text
    assert "Last run: hourly as of 3 Mar 2026, 01:00: 1 evaluated" in text
    assert "An idea draft idea" in text
    assert "pql check NEW.yaml pql preview NEW.yaml --against habit " in text
    assert "review is due" not in text


def test_a_definition_untouched_for_a_quarter_asks_for_a_review(site: Site) -> None:
    """PRODUCT-D6; a review written into the file, or a change of the rules, is a touch."""
    site.now += timedelta(days=93)
    assert site.html("/definitions").count("review is due") == 1  # not the draft
    file = site.folder / "definitions" / "habit.yaml"
    file.write_text(file.read_text() + f"reviewed: {site.now.date() - timedelta(days=5)}\n")
    assert "review is due" not in site.html("/definitions")


def test_a_wrong_definition_is_named_and_leaves_the_others(site: Site) -> None:
    """On every page, with file and line, escaped; the accounts of the others are still there."""
    wrong = "definition: wrong\ncriteria: {value: {<b>lively</b>: {min: 1}}}\n"
    (site.folder / "definitions" / "wrong.yaml").write_text(wrong)
    for path in ("/definitions", "/", "/deliveries", "/openings"):
        html = site.html(path)
        assert html.count("wrong.yaml:2") == 1
        assert "left out of every run until put right" in html
        assert "<b>lively</b>" not in html
    assert "New &amp; Co" in site.html()


def test_broken_settings_are_a_page_that_says_what_to_do(site: Site) -> None:
    """Every page says file, line and what is wrong; put right, the next request works."""
    settings = (site.folder / "settings.yaml").read_text()
    (site.folder / "settings.yaml").write_text("timezone: Mars/Olympus\nsauces: {}\n")
    for path in ("/", "/deliveries", "/account?key=x", "/accounts.csv"):
        answer = site.client.get(f"/airflow/pql{path}")
        assert answer.status_code == 503
        assert "settings.yaml:1" in answer.text
        assert "sauces" in answer.text
    (site.folder / "settings.yaml").write_text(settings)
    assert site.get().status_code == 200


def test_a_ledger_that_was_never_made_is_a_page_that_says_what_to_do(site: Site) -> None:
    """No traceback, no database error, but the command to run."""
    (site.folder / "ledger.db").write_bytes(b"")
    answer = site.get("/")
    assert answer.status_code == 503
    assert "pql.orchestration.init" in answer.text
    assert "sqlite" not in answer.text.lower()


def test_what_nobody_foresaw_is_a_page_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """500, with where to look, with the page's headers, and without what went wrong in it."""
    monkeypatch.setattr("pql.page.accounts.board", lambda *a, **k: 1 / 0)
    answer = site.get("/")
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert "API server" in answer.text
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


def test_empty_pages_say_what_to_do(site: Site) -> None:
    """Before the first night, before the first definition, before anything was sent."""
    shutil.rmtree(site.folder / "lake")
    assert "nightly_scores" in site.html()
    assert "None here" in site.html("/deliveries", state="dead")
    for file in (site.folder / "definitions").iterdir():
        file.unlink()
    assert "pql new" in site.html()
    assert "pql new" in site.html("/definitions")
    assert site.get(definition="gone").status_code == 404


def test_a_link_that_is_no_web_address_is_only_text(site: Site) -> None:
    """A CRM base written as anything but http(s) leads nowhere."""
    file = site.folder / "settings.yaml"
    file.write_text(file.read_text().replace("{kind: hubspot}", '{kind: hubspot, url: "javascript:alert(1)//"}'))
    html = site.html("/deliveries")
    assert "javascript:" not in html
    assert "CRM task" in html
