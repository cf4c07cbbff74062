"""One real Airflow over sparkify's November, the sandbox it would tell, and a browser to look at it with.

All modules here share them: they are in one xdist group, so one worker starts each once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from pql.orchestration.local_airflow import LocalAirflow
from pql.pipeline.project import ROOT
from pql.sandbox import Server, connections

EXAMPLE = ROOT / "include" / "definitions" / "examples" / "sparkify"
DATA = ROOT.parent / "shared" / "data" / "sparkify"
CHROMIUM = shutil.which("chromium")
QUIET = (  # no sandbox in a container, no GPU, and nothing that calls home
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo goes first: it has an Airflow of its own, and need not share the machine with the one below."""
    items.sort(key=lambda item: item.path.name != "test_demo.py")


_running: list[LocalAirflow] = []


@pytest.hookimpl(trylast=True)  # what the last test used is put right first, and may need it
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """An Airflow nobody needs any more is stopped at once: it takes a share of the machine from the other tests."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        while _running:
            _running.pop().stop()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Slack, HubSpot and webhooks that remember what they were told."""
    with Server(tmp_path_factory.mktemp("sandbox")) as server:
        yield server


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, sandbox: Server) -> Iterator[LocalAirflow]:
    """A running Airflow over the sparkify example, all DAGs paused; everybody who calls is an admin."""
    if not DATA.is_dir():
        pytest.skip(f"the sparkify data is not at {DATA}")
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        "PQL_HOME": str(EXAMPLE),
        "PQL_LAKE": str(home / "lake"),
        "PQL_LEDGER": f"sqlite:///{home / 'ledger.db'}",
        "PQL_CATCHUP": "false",
        "PQL_NIGHTLY_START": "2018-11-01",
        **connections(sandbox.url),
    }
    with LocalAirflow(home=home / "airflow", environment=environment) as running:
        _running.append(running)
        running.wait_for_dags("nightly_scores", "deliver")
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium; one a module, because Playwright's event loop would be in the way of other tests' own."""
    if CHROMIUM is None:
        pytest.skip("there is no `chromium` on the PATH (apt-get install chromium)")
    downloads = tmp_path_factory.mktemp("downloads")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(QUIET), downloads_path=downloads, env={"HOME": str(downloads)}
        )
        yield chromium
        chromium.close()
