"""The pages that the code writes are what `make docs` would write now."""

from __future__ import annotations

import runpy

import pytest

from pql.pipeline.project import ROOT

GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.mark.parametrize("page", ["cli", "dags", "settings", "ledger"])
def test_generated_pages_are_current(page: str) -> None:
    """What the code says of itself is what the page says; `make docs` brings it there."""
    assert (ROOT / "docs" / "reference" / f"{page}.md").read_text() == GENERATE[f"{page}_page"](), "run `make docs`"


def test_the_table_of_errors_is_current() -> None:
    """The page about errors is the table the clients go by."""
    page = (ROOT / "docs" / "reference" / "delivery-errors.md").read_text()
    assert page == GENERATE["errors_page"](), "run `make docs`"


def test_no_command_is_left_out() -> None:
    """Each command stands on the page of the command line, in the order of the help."""
    from tests.docs.test_pages import CLI

    page = GENERATE["cli_page"]()
    assert all(f"### `pql {name}`" in page for name in CLI.commands)
