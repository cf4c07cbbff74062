"""The JSON Schema for editors agrees with the reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from pql.definition.schema import json_schema

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [
    p
    for p in sorted((ROOT / "include" / "definitions").rglob("*.yaml"))
    if p.name not in ("settings.yaml", "vocabulary.yaml")
]
BLOCKS = re.findall(
    r"^```yaml\n(.*?)^```", (ROOT / "docs/reference/definition-language.md").read_text(), re.DOTALL | re.MULTILINE
)


def read(text: str) -> Any:
    """The YAML as an editor sees it: plain values, dates as text."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def complaints(validator: Draft202012Validator, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_definitions_satisfy_the_schema(file: Path, validator: Draft202012Validator) -> None:
    """What the reader takes, an editor does not underline (PRODUCT-D10)."""
    assert complaints(validator, read(file.read_text())) == []


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_reference_satisfies_the_schema(number: int, validator: Draft202012Validator) -> None:
    """Every example of the reference passes, whatever part of the language it shows."""
    assert complaints(validator, {"definition": "d"} | read(BLOCKS[number])) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "tilte: x",
        "status: lively",
        "signals: {a: {cuont: b}}",
        "signals: {a: {count: b, users: b}}",
        "signals: {a: {count: b, last: week}}",
        "events: {a: {evnt: b}}",
        "criteria: {valeu: {a: {min: 1}}}",
        "qualify: {a: {minimum: 1}}",
        "qualify: [a]",
        "score: {value: [{signal: a}]}",
        "plays: [{play: a, on: newly_qualifed, do: [{webhook: w}]}]",
        "plays: [{play: a, on: left, do: [{webhook: w, slack: {dm: owner}}]}]",
        "size: {by: employees, from: {small: 0}}",
    ],
)
def test_mistakes_are_underlined(wrong: str, validator: Draft202012Validator) -> None:
    """Misspelt keys, wrong words and missing parts do not pass the schema."""
    assert complaints(validator, {"definition": "d"} | read(wrong)) != []
