"""docs/reference/settings.md: every key there is, with its default, and no other."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import BaseModel

from pql import settings
from pql.pipeline.project import ROOT

PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text()
SECTIONS: dict[str, type[BaseModel]] = {
    "The whole project": settings.Settings,
    "A source of kind `files`": settings.FilesSource,
    "Each of `emits`": settings.Emit,
    "A source of kind `mixpanel`": settings.MixpanelSource,
    "A source of kind `hubspot`": settings.HubSpotSource,
    "A destination of kind `slack`": settings.SlackDestination,
    "A destination of kind `hubspot`": settings.HubSpotDestination,
    "A destination of kind `webhook`": settings.WebhookDestination,
}


def documented(heading: str) -> dict[str, str]:
    """Key → default of the section's table."""
    text = re.split(r"^#{2,3} ", PAGE.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    return {row[1].strip(" `"): row[2].strip() for row in rows}


def defaults(model: type[BaseModel]) -> dict[str, str]:
    """Key → default as the page writes it."""
    written = {}
    for name, info in model.model_fields.items():
        value = info.get_default(call_default_factory=True)
        text = value if isinstance(value, str) and value else json.dumps(value, default=str)
        written[name] = "*required*" if info.is_required() else f"`{text}`"
    return written


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_and_default_is_documented(heading: str) -> None:
    """Each table lists exactly the model's keys, each with the default in force."""
    assert documented(heading) == defaults(SECTIONS[heading])


def test_every_model_of_the_settings_has_a_section() -> None:
    """A new kind of source or destination is missed here before a user misses it."""
    models = {value for value in vars(settings).values() if isinstance(value, type) and issubclass(value, BaseModel)}
    assert models - {settings.Paths} == set(SECTIONS.values())


def test_every_variable_is_documented() -> None:
    """Each PQL_… variable that the code reads is on the page, and the page names no other."""
    code = [*(ROOT / "include" / "pql").rglob("*.py"), *(ROOT / "dags").glob("*.py")]
    text = "\n".join(path.read_text() for path in code)
    read = set(re.findall(r"\"(PQL_[A-Z_]*[A-Z])\"", text))
    read |= {f"PQL_{name}_START" for name in re.findall(r"start_date\(\"([A-Z]+)\"", text)}
    assert set(re.findall(r"PQL_[A-Z_]*[A-Z]", PAGE)) == read
