"""A backfill as ops start it: in the browser, from the DAG's page to the figure in a run's result.

`PQL_TEST_SCREENSHOTS=docs/images` takes the pictures of the how-to page anew on the way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.airflow.conftest import CHROMIUM, DATA
from tests.airflow.november import A_FEW, FIRST, LAST, NIGHTS, check_nights_were_silent, results, told

from pql.orchestration.local_airflow import LocalAirflow
from pql.sandbox import Server

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the sparkify data is not at {DATA}"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no `chromium` on the PATH (apt-get install chromium)"),
    pytest.mark.skipif(NIGHTS != A_FEW, reason="the whole month is backfilled by REST"),
]

PATIENCE_MS = 60_000  # for one thing on a page; a busy machine draws slowly
NIGHTS_MS = 700_000
PICTURES = os.environ.get("PQL_TEST_SCREENSHOTS")


@pytest.fixture
def page(browser: Browser, airflow: LocalAirflow) -> Iterator[Page]:
    """A tab on this Airflow."""
    tab = browser.new_page(viewport={"width": 1400, "height": 1050}, base_url=airflow.url)
    tab.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield tab
    tab.close()


def _picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"backfill-{name}.png")


def _fill(dialog: Locator, moment: datetime) -> None:
    """Write the moment into the first date field that is still empty, as one types it."""
    dialog.get_by_text("Select date and time").first.click()
    date, hour = dialog.page.get_by_placeholder("YYYY/MM/DD"), dialog.page.get_by_placeholder("HH:mm")
    date.fill(f"{moment:%Y/%m/%d}")
    hour.fill(f"{moment:%H:%M}")
    dialog.get_by_text("Date Range").click()
    expect(date).to_have_count(0)  # it closes slowly, and the next one would open beside it


def _start_backfill(page: Page) -> None:
    """Trigger → Backfill → the dates → Run Backfill; then unpause, the order that SQLite can bear."""
    page.goto("/dags/nightly_scores")
    page.locator('[aria-label="Trigger Dag"]').click()
    page.get_by_text("Run this Dag for a range of dates").click()
    dialog = page.get_by_role("dialog").filter(has_text="Run Backfill")
    _fill(dialog, FIRST)
    _fill(dialog, LAST)
    expect(dialog.get_by_text(f"{NIGHTS} runs will be triggered.")).to_be_visible()
    dialog.locator("input[name=max_active_runs]").fill("2")
    dialog.get_by_text("Unpause nightly_scores on trigger").click()
    _picture(page, "form")
    dialog.get_by_role("button", name="Run Backfill").click()
    expect(page.get_by_text("Backfill in progress")).to_be_visible()
    page.locator(".chakra-switch__root").first.click()


def test_a_backfill_from_the_browser_tells_nobody(page: Page, airflow: LocalAirflow, sandbox: Server) -> None:
    """Ops start four nights, watch them end and read in a result how many it would have announced; nobody is told."""
    before = told(airflow, sandbox)
    airflow.unpause("deliver")
    _start_backfill(page)

    page.get_by_role("link", name="Runs", exact=True).click()
    nights = page.get_by_role("row").filter(has_text="backfill__")
    expect(nights.filter(has_text="Success")).to_have_count(NIGHTS, timeout=NIGHTS_MS)
    _picture(page, "done")
    page.get_by_role("link", name="Backfills", exact=True).click()
    backfill = page.get_by_role("row").filter(has_text=f"{FIRST:%Y-%m-%d}")
    expect(backfill).to_contain_text("Missing Runs")

    run, result = max(results(airflow).items(), key=lambda item: item[1]["would_have_announced"])
    page.get_by_role("link", name="Runs", exact=True).click()
    nights.get_by_role("link", name=run).click()
    page.get_by_role("row").filter(has_text="decide").get_by_role("link").first.click()
    page.get_by_role("link", name="Storage").click()
    page.get_by_role("link", name="XCom").click()
    figure = page.get_by_role("row").filter(has=page.get_by_text("would_have_announced", exact=True))
    figure.scroll_into_view_if_needed()
    _picture(page, "result")
    shown = re.compile(rf"^{result['would_have_announced']}\D*$")  # followed by its button: Copy
    expect(figure.get_by_test_id("table-cell-Value")).to_have_text(shown)

    check_nights_were_silent(airflow, sandbox, before)
