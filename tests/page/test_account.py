"""One account: what was stored about it, and why it stands where it stands."""

from __future__ import annotations

import re

from tests.page.conftest import Site


def test_everything_known_of_an_account(site: Site) -> None:
    """Score and delta, stages with dates in the project's time zone, lines that add up, its stay, champions, links."""
    html = site.html("/account", key="org:new")
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "New & Co" not in html, "escaped, it reads New &amp; Co"
    assert "Score 30 ▲ 10" in text
    assert "Two acts 1 Mar 2026, 10:00" in text  # 09:00 UTC
    assert "A hundred acts not yet" in text
    assert "+30 active days: 3 in the last 7 days 30 score" in text
    assert "3 Mar 2026 – now announced with a score of 30" in text
    assert "Champions new" in text
    assert re.search(r'href="http://127[^"]*/slack/archives/\w+/p\d+"', html)
    assert re.search(r'href="http://127[^"]*/hubspot/contacts/0/record/0-27/\d+"', html)


def test_the_history_is_a_chart_without_script_or_style(site: Site) -> None:
    """Two nights make a line whose points say their values; nothing in it is run, styled or fetched."""
    html = site.html("/account", key="org:new")
    charts = re.findall(r'<svg xmlns[^>]*class="chart".*?</svg>', html)
    assert len(charts) == 2  # the live definition and the draft
    assert "score 20, activation 50 %" in charts[0]
    assert "3 Mar 00:00: score 30" in charts[0]
    assert not re.search(r"<(script|style|image|use)|style=|href=|url\(", charts[0])


def test_a_draft_is_shown_and_marked(site: Site) -> None:
    """It tells nobody, but its author sees what it would make of the account."""
    html = site.html("/account", key="org:new")
    assert html.index("A habit") < html.index("An idea")
    assert "<small>draft</small>" in html


def test_the_path_says_what_is_missing(site: Site) -> None:
    """For an account that does not qualify it is open, each condition with its verdict."""
    text = " ".join(re.sub(r"<[^>]+>", " ", site.html("/account", key="org:evil")).split())
    assert "Why it does not qualify" in text
    assert "✗ days at least 3 (active days: 2 in the last 7 days) false" in text


def test_a_silent_opening_can_be_released_from_the_account(site: Site) -> None:
    """The stay says that it is silent; released, it says so and by when."""
    html = site.html("/account", key="org:old2")
    assert "opened silently (baseline)" in html
    found = re.search(r'<button name="id" value="(\d+)">Release', html)
    assert found is not None
    back_to = re.search(r'name="back_to" value="([^"]+)"', html)
    assert back_to is not None
    answer = site.post("/openings/release", site.token(), id=found[1], back_to=back_to[1])
    assert answer.headers["location"] == "/airflow/pql/account?key=org%3Aold2&done=release_silent&count=1"
    after = site.client.get(answer.headers["location"]).text
    assert "1 opening released" in after
    assert "opened silently, released" in after


def test_why_is_computed_anew(site: Site) -> None:
    """As `pql explain`: the verdict, what moved by line and cause, the nearest ways to qualify (PRODUCT-Q5)."""
    told, missing = (
        " ".join(re.sub(r"<[^>]+>", " ", site.html("/account/why", key=key)).split()) for key in ("org:new", "org:evil")
    )
    assert "announced" in told[told.index("A habit") :][:80]
    assert "Since last night: ±0" in told
    assert "no alert: it does not qualify" in missing
    assert "Nearest ways to qualify" in missing


def test_rules_that_changed_since_the_snapshot_are_not_explained_by_the_new_ones(site: Site) -> None:
    """Lines of other rules would be wrong: the page says that they come with the next run."""
    file = site.folder / "definitions" / "habit.yaml"
    file.write_text(file.read_text().replace("points: 10", "points: 12"))
    assert "the rules have changed since" in site.html()
    assert "The rules have changed since this was scored" in site.html("/account", key="org:new")


def test_an_unknown_account_is_a_page_that_says_so(site: Site) -> None:
    """404, whether asked for its stored or its computed side."""
    for path in ("/account", "/account/why"):
        answer = site.get(path, key="org:<b>nobody</b>")
        assert answer.status_code == 404
        assert "org:&lt;b&gt;nobody&lt;/b&gt;" in answer.text
