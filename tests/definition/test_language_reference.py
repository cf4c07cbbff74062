"""docs/reference/definition-language.md: what it shows is what the language understands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from pql.definition import lint, parse
from pql.definition.actions import FIELDS, KINDS
from pql.definition.by_size import ACTIVATION_PCT
from pql.definition.model import Measure, TriggerKind
from pql.definition.names import KNOWN_ATTRIBUTES, OPERANDS
from pql.definition.parse import KEYS
from pql.definition.templates import FILTERS, VALUES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "definition-language.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
_ADDS = ("events", "signals")  # a shorter example adds to these sections and replaces others


def sections(text: str) -> dict[str, str]:
    """Top-level key → its text with everything below it."""
    parts = re.split(r"^(?=[a-z]+:)", text, flags=re.MULTILINE)
    return {part.split(":")[0]: part for part in parts if part.strip()}


def over_the_whole(block: str) -> str:
    """The page's whole definition with a shorter example laid over it."""
    whole = sections(BLOCKS[0])
    for key, part in sections(block).items():
        whole[key] = whole[key].rstrip() + "\n" + part.partition("\n")[2] if key in _ADDS else part
    return "\n".join(whole.values())


def test_the_whole_definition_is_free_of_problems() -> None:
    """The page's first example parses without an error or a warning."""
    definition, problems = parse(BLOCKS[0], PAGE.name)
    assert definition is not None
    assert problems == ()
    assert lint(definition) == ()


@pytest.mark.parametrize("block", BLOCKS[1:], ids=range(2, len(BLOCKS) + 1))
def test_every_example_is_understood(block: str) -> None:
    """Every YAML block on the page parses, laid over the whole definition."""
    definition, problems = parse(over_the_whole(block), PAGE.name)
    assert definition is not None, "\n".join(map(str, problems))
    assert problems == ()


@pytest.mark.parametrize(
    "word",
    sorted(
        {
            *KEYS,
            *get_args(Measure),
            *get_args(TriggerKind),
            *KINDS,
            *FIELDS,
            *VALUES,
            *FILTERS,
            *KNOWN_ATTRIBUTES,
            *OPERANDS,
        }
    ),
)
def test_every_word_of_the_language_is_on_the_page(word: str) -> None:
    """A key, measure, trigger, action, field, attribute or filter that the page does not name is undocumented."""
    assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", PAGE.read_text()), word


def test_the_table_of_sizes_is_the_one_in_force() -> None:
    """The page's thresholds are those that are used (SEM-Q2)."""
    text = PAGE.read_text()
    for complexity, row in ACTIVATION_PCT.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| `{complexity}`"))
        assert [int(re.search(r"\d+", cell)[0]) for cell in line.split("|")[2:5]] == list(row.values())  # type: ignore[index] # each has one
