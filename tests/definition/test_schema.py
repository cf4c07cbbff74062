"""The JSON Schema for editors agrees with the reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pql.definition.schema import json_schema
from pql.definition.schema_words import WORDS

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
def validator() -> Draft7Validator:
    schema = json_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def complaints(validator: Draft7Validator, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_definitions_satisfy_the_schema(file: Path, validator: Draft7Validator) -> None:
    """What the reader takes, an editor does not underline (PRODUCT-D10)."""
    assert complaints(validator, read(file.read_text())) == []


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_reference_satisfies_the_schema(number: int, validator: Draft7Validator) -> None:
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
def test_mistakes_are_underlined(wrong: str, validator: Draft7Validator) -> None:
    """Misspelt keys, wrong words and missing parts do not pass the schema."""
    assert complaints(validator, {"definition": "d"} | read(wrong)) != []


def keys(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, schema) of every key that a definition can have, also of names of one's own (as `*`)."""
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from keys(each, f"{path}[{number}]")
    if not isinstance(schema, dict):
        return
    named = {
        **schema.get("properties", {}),
        **{f"* {name}": s for name, s in schema.get("patternProperties", {}).items()},
    }
    if isinstance(schema.get("additionalProperties"), dict):
        named["*"] = schema["additionalProperties"]
    for name, each in named.items():
        yield f"{path}.{name}", each
        yield from keys(each, f"{path}.{name}")
    for inside in ("anyOf", "oneOf", "items", "definitions"):
        below = schema.get(inside, [])
        yield from keys(list(below.values()) if inside == "definitions" and below else below, path)


KEYS = list(keys(json_schema()))


def test_every_key_has_a_hover_text() -> None:
    """Wherever the mouse rests in a definition, an editor has something to say (PRODUCT-D10)."""
    assert len(KEYS) > 150
    assert [path for path, schema in KEYS if len(schema.get("description", "")) < 10] == []


def test_every_hover_text_is_of_a_key_that_there_is() -> None:
    """No words are left over from keys that went."""
    shown = {schema["description"] for _, schema in KEYS}
    assert [text for section in WORDS.values() for text in section.values() if text not in shown] == []


def test_words_that_can_be_chosen_from_are_listed() -> None:
    """Where only certain words are allowed, an editor proposes them; durations come with an example."""
    schema = json_schema()["properties"]
    assert schema["status"]["enum"] == ["draft", "live", "retired"]
    assert schema["complexity"]["enum"] == ["simple", "moderate", "complex"]
    assert "7d" in schema["alive"]["examples"]


NO_YAML = {"tabs", "text"}
UNSEEN = {"nobody", "user_subject"}  # that nothing says who qualifies; what depends on another key's value


@pytest.mark.parametrize("file", sorted((ROOT / "tests/definition/wrong").glob("*.yaml")), ids=lambda file: file.stem)
def test_wrong_definitions_are_underlined_where_a_schema_can(file: Path, validator: Draft7Validator) -> None:
    """Every file of mistakes is underlined in an editor, but those whose mistakes no schema can see."""
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True  # an editor goes on after one
    try:
        value = json.loads(json.dumps(yaml.load(file.read_text()), default=str))
    except YAMLError:
        assert file.stem in NO_YAML
        return
    assert bool(complaints(validator, value)) == (file.stem not in UNSEEN)
