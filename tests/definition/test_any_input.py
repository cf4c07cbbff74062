"""No text makes the readers raise: definitions and settings, mutated and made up."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

from pql.definition import lint, parse, parse_vocabulary
from pql.definition.attributes import attributes_of
from pql.definition.parse import KEYS
from pql.settings import load_settings
from pql.types import UserError

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT / "include" / "definitions"
TEXTS = [
    p.read_text() for p in sorted(DEFINITIONS.rglob("*.yaml")) if p.name not in ("settings.yaml", "vocabulary.yaml")
]
SETTINGS = [p.read_text() for p in sorted(DEFINITIONS.rglob("settings.yaml"))]
ODD = [
    "",
    "~",
    "[]",
    "{}",
    "[[]]",
    "{a: {b: c}}",
    "-1",
    "0",
    "1e999",
    ".nan",
    "true",
    "'",
    '"',
    "*x",
    "&x",
    "!t",
    "{{",
    "🎯",
]
ODD += [
    "by_size",
    "any_event",
    "fit",
    "user.",
    "user.x",
    "a.b",
    "7d",
    "0d",
    "99999999999d",
    "|",
    ">-",
    "? ",
    "<<: *a",
    "\x07",
]

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mutated(text: str, rng: random.Random) -> str:
    """The text with one to six words, characters or lines replaced, dropped, doubled or moved."""
    for _ in range(rng.randint(1, 6)):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                words = re.split(r"([\w.]+)", lines[at])
                words[rng.randrange(len(words))] = rng.choice(ODD)
                lines[at] = "".join(words)
            case 1:
                del lines[at]
            case 2:
                lines.insert(rng.randrange(len(lines) + 1), lines[at])
            case 3:
                cut = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:cut] + rng.choice(ODD) + lines[at][cut + rng.randrange(2) :]
            case 4:
                lines[at] = " " * rng.randrange(5) + lines[at].lstrip()
            case _:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
        text = "\n".join(lines) or "x"
    return text


def never_raises(text: str) -> None:
    definition, problems = parse(text, "x.yaml")
    errors = [p for p in problems if p.level == "error"]
    assert (definition is None) == bool(errors)
    assert all(1 <= p.line <= text.count("\n") + 2 and p.message and "\n" not in str(p) for p in problems)
    if definition is not None:
        assert attributes_of(definition) is not None
        lint(definition)
        hash(definition)
    parse_vocabulary(text, "v.yaml")


@quick
@given(text=st.sampled_from(TEXTS), rng=st.randoms(use_true_random=False))
def test_a_mutated_definition_never_raises(text: str, rng: random.Random) -> None:
    """Whatever is done to a definition, it gives a definition or errors with lines, never a traceback."""
    never_raises(mutated(text, rng))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from([o for o in ODD if o])
)
WORDS = """count users sum distinct share of last first per min max between is in exists all any not stage when weight
event where value passive signal points lines half_life plan messages by from unknown play on do slack webhook"""
words = st.sampled_from(WORDS.split())
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.one_of(words, st.text(max_size=4)), inner, max_size=5)
    ),
    max_leaves=25,
)


@quick
@given(tree=st.dictionaries(st.sampled_from(KEYS), trees, min_size=1))
@example(tree={"only": {"\n": None}})
def test_a_made_up_definition_never_raises(tree: dict[str, object]) -> None:
    """Any tree of values under the right keys gives errors with lines, never a traceback."""
    stream = StringIO()
    YAML(typ="safe", pure=True).dump({"definition": "d"} | tree, stream)
    never_raises(stream.getvalue())


@quick
@given(text=st.text(max_size=200))
def test_any_text_at_all_never_raises(text: str) -> None:
    """Any characters give errors, never a traceback."""
    never_raises(text)


@quick
@given(text=st.sampled_from(SETTINGS), rng=st.randoms(use_true_random=False))
def test_mutated_settings_raise_nothing_but_user_errors(
    text: str, rng: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is done to a settings file, it loads or is refused with file and line."""
    file = tmp_path_factory.getbasetemp() / "settings.yaml"
    file.write_text(mutated(text, rng))
    told = ""
    try:
        load_settings(file)
    except UserError as error:
        told = str(error)
    assert all(re.match(rf"{re.escape(str(file))}:\d+: \S", line) for line in told.splitlines())
