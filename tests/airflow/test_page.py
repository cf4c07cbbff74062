"""The page as people meet it: from Airflow's navigation, in its frame; what is pressed there ends in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, FrameLocator, Page, expect
from sqlalchemy import delete, select
from tests.airflow.conftest import CHROMIUM, DATA, EXAMPLE

from pql import pipeline, store
from pql.connections import from_environment
from pql.orchestration.local_airflow import LocalAirflow
from pql.pipeline.project import opened
from pql.settings import Paths
from pql.store.tables import deliveries, episodes, metadata

DAGS = ("hourly_signals", "nightly_scores", "deliver")
DECEMBER = datetime(2018, 12, 1, tzinfo=UTC)
PATIENCE_MS = 60_000  # for one thing on a page; a busy machine draws slowly

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the sparkify data is not at {DATA}"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no `chromium` on the PATH (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def paths(airflow: LocalAirflow) -> Iterator[Paths]:
    """Airflow's project with an emptied ledger after a baseline night, everybody silent; no DAG runs meanwhile.

    Emptied because a night that Airflow itself ran, years later, would have decided about everybody already.
    """
    found = Paths(
        settings=EXAMPLE / "settings.yaml",
        definitions=EXAMPLE,
        lake=airflow.environment["PQL_LAKE"],
        ledger=airflow.environment["PQL_LEDGER"],
    )
    were_running = [dag for dag in DAGS if not airflow.call("GET", f"/dags/{dag}")["is_paused"]]
    for dag in were_running:
        airflow.pause(dag)
    with opened(found, from_environment(airflow.environment)) as project:
        with store.writing(project.engine) as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
        pipeline.run(project, "nightly", as_of=DECEMBER, now=DECEMBER)
    yield found
    for dag in were_running:
        airflow.unpause(dag)


@pytest.fixture
def tab(browser: Browser, airflow: LocalAirflow) -> Iterator[Page]:
    """A tab on this Airflow."""
    page = browser.new_page(viewport={"width": 1400, "height": 900}, base_url=airflow.url)
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield page
    page.close()


def rows(paths: Paths, table: Any) -> list[Any]:
    """The rows of a table of the ledger."""
    engine = store.connect(paths.ledger)
    with store.reading(engine) as connection:
        found = list(connection.execute(select(table).order_by(table.c.id)))
    engine.dispose()
    return found


def enter(tab: Page, place: str) -> FrameLocator:
    """From Airflow's navigation to a page of ours, inside Airflow's frame."""
    tab.goto("/")
    tab.get_by_role("link", name="PQL").click()
    frame = tab.frame_locator("iframe")
    frame.get_by_role("navigation", name="PQL").get_by_role("link", name=place).click()
    expect(frame.get_by_role("navigation", name="PQL").locator("[aria-current]")).to_have_text(place)
    return frame


def test_the_ranked_list_is_filtered_and_leads_to_an_account(tab: Page, paths: Paths) -> None:
    """From the nav item: as many rows as the state says, a search narrows them, an account shows its score and why."""
    frame = enter(tab, "Accounts")
    silent = frame.get_by_role("navigation", name="State").get_by_role("link", name="silent", exact=False)
    number = int(silent.locator("b").inner_text())
    assert number == len(rows(paths, episodes)) > 1
    silent.click()
    expect(frame.locator("p.count")).to_have_text(f"{number} accounts")
    name = frame.locator("tbody th a").first.inner_text()
    frame.get_by_label("Search").fill(name)
    frame.get_by_role("button", name="Show").click()
    expect(frame.locator("p.count")).to_contain_text("account")
    assert "state=silent" in tab.url
    frame.get_by_role("link", name=name, exact=True).first.click()
    expect(frame.get_by_role("heading", level=1)).to_have_text(name)
    expect(frame.get_by_text("opened silently (baseline)")).to_be_visible()
    address = tab.url
    tab.reload()
    expect(frame.get_by_role("heading", level=1)).to_have_text(name)
    assert tab.url == address, "Airflow's own address leads back to the account"


def test_released_and_suppressed_in_the_browser(tab: Page, paths: Paths, airflow: LocalAirflow) -> None:
    """The hottest one is released and due; suppressed again with a reason; both are in the ledger and the audit log."""
    frame = enter(tab, "Silent openings")
    hottest = max(rows(paths, episodes), key=lambda row: (row.score, -row.id))
    frame.get_by_label("Tell the owners of the hottest").fill("1")
    frame.get_by_role("button", name="Release").first.click()
    expect(frame.get_by_role("status")).to_contain_text("1 opening released")
    assert [row.id for row in rows(paths, episodes) if row.released_at] == [hottest.id]
    queued = rows(paths, deliveries)
    assert {(row.account_key, row.state) for row in queued} == {(hottest.account_key, "pending")}

    frame = enter(tab, "Deliveries")
    frame.get_by_label("choose all").check()
    frame.get_by_label("Reason").fill("only a test")
    frame.get_by_role("button", name="Suppress").click()
    expect(frame.get_by_role("status")).to_contain_text(f"{len(queued)} deliver")
    assert {(row.state, row.reason) for row in rows(paths, deliveries)} == {
        ("suppressed", "only a test (by Anonymous)")
    }
    events = airflow.call("GET", "/eventLogs", params={"order_by": "-when", "limit": 100})["event_logs"]
    assert {"pql_release_silent", "pql_suppress"} <= {event["event"] for event in events}


def test_another_site_releases_nothing(paths: Paths, airflow: LocalAirflow) -> None:
    """This Airflow takes everybody for an admin, so only the page's own guard stands between them."""
    before = rows(paths, deliveries)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": airflow.url}, {}):
        answer = requests.post(
            f"{airflow.url}/pql/openings/release-top", data={"top": "5"}, headers=headers, timeout=60
        )
        assert answer.status_code == 403
    assert rows(paths, deliveries) == before


def test_the_page_takes_airflows_theme(tab: Page, paths: Paths) -> None:
    """Chosen in Airflow, it holds in the frame whatever the system prefers, and changes at once."""
    ground: Callable[[FrameLocator], str] = lambda frame: frame.locator("body").evaluate(  # noqa: E731  # read twice
        "body => getComputedStyle(body).backgroundColor"
    )
    frame = enter(tab, "Definitions")
    light = ground(frame)
    tab.evaluate("localStorage.setItem('theme', 'dark')")
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    assert ground(frame) != light
    tab.evaluate("localStorage.removeItem('theme')")
