"""`pql schema`: the JSON Schema of a definition, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pql.cli import app
from pql.definition import json_schema
from pql.types import UserError


def test_the_schema_is_printed() -> None:
    """Standard output is the schema and nothing else, so it can be piped (PRODUCT-D10)."""
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json_schema()


def test_the_schema_is_written_to_a_file(tmp_path: Path) -> None:
    """With --out the file holds the schema, and what is printed says where it is."""
    out = tmp_path / "definition.schema.json"
    result = CliRunner().invoke(app, ["schema", "--out", str(out)])
    assert result.stdout == f"the schema is in {out}\n"
    assert json.loads(out.read_text()) == json_schema()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder that is not there is something the caller can put right."""
    out = tmp_path / "missing" / "schema.json"
    with pytest.raises(UserError, match=r"--out: .*schema\.json cannot be written: No such file or directory"):
        CliRunner().invoke(app, ["schema", "--out", str(out)], catch_exceptions=False)
