"""What differs between ledger and destinations stands above the deliveries, and nothing where nothing does."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.page.conftest import NOW, Site

from pql import store
from pql.store import discrepancies
from pql.store.discrepancies import Finding


def differ(site: Site, *findings: Finding, now: datetime = NOW) -> None:
    since = now - timedelta(days=2)
    with site.open() as project, store.deciding(project.engine) as connection:
        discrepancies.record(connection, findings, read={("slack", "C1")}, since=since, oldest=since, now=now)


def test_differences_are_shown_until_they_are_in_order(site: Site) -> None:
    """Each in one sentence, escaped; a reader sees them, too."""
    assert "Ledger and destinations differ" not in site.html("/deliveries")
    said = "was delivered and is not there any more"
    differ(
        site,
        Finding("missing", "k1", "slack", "C1", 1, NOW, said),
        Finding("unknown", "<k>", "slack", "C1", None, NOW, "has <b>"),
    )
    site.user = "ann"
    html = site.html("/deliveries")
    assert "differ in 2 things" in html
    assert f"delivery 1 (slack) {said}" in html
    assert "an effect (slack) has &lt;b&gt;" in html
    differ(site)
    assert "Ledger and destinations differ" not in site.html("/deliveries")


def test_many_differences_are_counted(site: Site) -> None:
    """Twenty are shown; the command lists all."""
    differ(site, *(Finding("missing", f"k{n}", "slack", "C1", 1, NOW, "x") for n in range(1, 31)))
    html = site.html("/deliveries")
    assert (html.count("<li>delivery"), "and 10 more" in html) == (20, True)
