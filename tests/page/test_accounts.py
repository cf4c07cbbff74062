"""The ranked list: who is hottest, filtered, sorted and counted, and the same as CSV (PRODUCT-M, PRODUCT-O)."""

from __future__ import annotations

import csv
import io
import re

from tests.page.conftest import EVIL, Site

from pql.store import blocks
from pql.store.engine import writing


def listed(html: str) -> list[str]:
    """The keys of the accounts on the page, in order."""
    return [key.replace("%3A", ":") for key in re.findall(r'<th scope="row"><a href="[^"]*account\?key=([^"]+)"', html)]


def test_the_hottest_come_first(site: Site) -> None:
    """By score; each account once, with its delta, activation, strongest reason, state and since when."""
    html = site.html()
    assert listed(html) == ["org:old2", "org:old1", "org:new", "org:old0", "org:evil"]
    row = re.search(r'<tr>\s*<th scope="row"><a [^>]*org%3Anew.*?</tr>', html, re.DOTALL)
    assert row is not None
    for shown in (
        "New &amp; Co",
        "A habit",
        "▲ 10",
        "50 %",
        "active days: 3 in the last 7 days",
        "announced",
        "since 3 Mar",
    ):
        assert shown in row[0], shown


def test_filters_narrow_the_list(site: Site) -> None:
    """By state, by words in the name, by definition (a draft too, once it was scored), by owner."""
    assert listed(site.html(state="announced")) == ["org:new"]
    assert listed(site.html(state="silent")) == ["org:old2", "org:old1", "org:old0"]
    assert listed(site.html(state="not qualified")) == ["org:evil"]
    assert listed(site.html(q=" NEW ")) == ["org:new"]
    assert listed(site.html(q="org:old1")) == ["org:old1"]
    assert listed(site.html(definition="habit", owner="-", state="silent", q="old 1")) == ["org:old1"]
    assert listed(site.html(owner="Somebody")) == []
    assert len(listed(site.html(definition="idea"))) == 5


def test_a_state_says_how_many_are_in_it_whatever_else_is_chosen(site: Site) -> None:
    """The numbers beside the states follow the other filters, not the state."""
    html = site.html(state="announced", q="old")
    assert "No account matches" in html
    assert re.search(r"silent <b>3</b>", html)
    assert re.search(r"announced <b>0</b>", html)


def test_sorting_and_turning_it_round(site: Site) -> None:
    """Each column sorts, and once more the other way; what is unknown stays last; nonsense is the usual order."""
    assert listed(site.html(sort="name"))[1:] == ["org:new", "org:old0", "org:old1", "org:old2"]
    assert listed(site.html(sort="name", turned="true"))[0] == "org:old2"
    assert listed(site.html(sort="score", turned="true"))[0] == "org:evil"
    assert set(listed(site.html(sort="delta"))[:2]) == {"org:new", "org:evil"}
    assert listed(site.html(sort="; drop table board")) == listed(site.html())


def test_a_blocked_account_is_shown_as_such(site: Site) -> None:
    """Whatever it was before."""
    with site.open() as project, writing(project.engine) as connection:
        blocks.block(connection, "org:new", "snooze", reason="call later", origin="cli", now=site.now)
    assert listed(site.html(state="blocked")) == ["org:new"]
    assert "call later" in site.html("/account", key="org:new")


def test_pages_of_fifty(site: Site, many: None) -> None:
    """120 more accounts make three pages; a page beyond the last is the last; nobody is there twice."""
    found = [listed(site.html(page=page)) for page in (1, 2, 3)]
    assert [len(keys) for keys in found] == [50, 50, 25]
    assert len({key for keys in found for key in keys}) == 125
    assert listed(site.html(page=99)) == found[2]
    assert "page 2 of 3" in site.html(page=2)
    assert site.get(page=0).status_code == site.get(page="x").status_code == 400


def test_csv_has_every_row_and_no_formula(site: Site, many: None) -> None:
    """All pages at once, in the order and by the filters of the list; a name that begins like a formula is quoted."""
    rows = list(csv.DictReader(io.StringIO(site.html("/accounts.csv"))))
    assert len(rows) == 125
    assert [row["account_key"] for row in rows[:3]] == listed(site.html())[:3]
    assert EVIL in {row["name"] for row in rows}
    assert {row["name"][:2] for row in rows if "SUM" in row["name"]} == {"'="}
    assert [
        row["account_key"] for row in csv.DictReader(io.StringIO(site.html("/accounts.csv", state="announced")))
    ] == ["org:new"]


def test_links_keep_the_base_path(site: Site) -> None:
    """Airflow behind /airflow: every link and form of every page stays below it."""
    for path in ("/", "/deliveries", "/openings", "/definitions", "/account?key=org:new"):
        answer = site.client.get(f"/airflow/pql{path}")
        addresses = re.findall(r'(?:href|src|action|formaction)="([^"]*)"', answer.text)
        assert addresses
        assert [a for a in addresses if not a.startswith(("/airflow/pql/", "http://127.0.0.1", "#content"))] == []
