"""docs/reference/settings.md: a table for every model of the settings, and every variable; the tables are generated."""

from __future__ import annotations

import re

from pydantic import BaseModel

from pql import settings
from pql.pipeline.project import ROOT

PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text()


def test_every_model_of_the_settings_has_a_table() -> None:
    """A new kind of source or destination is missed here before a user misses it."""
    models = {n for n, value in vars(settings).items() if isinstance(value, type) and issubclass(value, BaseModel)}
    tables = re.findall(r"^<!-- keys of (\w+), .* -->\n\| key \| default \| meaning \|$", PAGE, re.MULTILINE)
    assert sorted(tables) == sorted(models - {"Paths"})


def test_every_variable_is_documented() -> None:
    """Each PQL_… variable that the code reads is on the page, and the page names no other."""
    code = [*(ROOT / "include" / "pql").rglob("*.py"), *(ROOT / "dags").glob("*.py")]
    text = "\n".join(path.read_text() for path in code)
    read = set(re.findall(r"\"(PQL_[A-Z_]*[A-Z])\"", text))
    read |= {f"PQL_{name}_START" for name in re.findall(r"start_date\(\"([A-Z]+)\"", text)}
    assert set(re.findall(r"PQL_[A-Z_]*[A-Z]", PAGE)) == read
