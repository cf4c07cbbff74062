"""YAML text in, a tree in which every key and value knows its line out; and guesses for misspelt words.

Both readers of people's YAML (settings and definitions) stand on this, so that each of their errors can name a line.
Nothing here raises for what the text says: what is wrong comes back as faults.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.reader import ReaderError

MAX_DEPTH = 40  # deeper than any definition a person writes; keeps recursive readers safe
MAX_NODES = 50_000  # aliases can otherwise unfold to billions

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the text itself."""

    line: int  # 1-based
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Leaf:
    """A scalar: its value by YAML 1.2 (dates stay text) and the text as written."""

    line: int
    value: Value
    text: str


@dataclass(frozen=True)
class Items:
    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Entry:
    key: str
    line: int  # of the key
    value: Node


@dataclass(frozen=True)
class Mapping:
    """Keys as text, in file order, each once (a second one is a fault and dropped)."""

    line: int
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Node | None:
        """The value at `key`, None if there is none."""
        return next((e.value for e in self.entries if e.key == key), None)


Node = Leaf | Items | Mapping


def compose(text: str) -> tuple[Node | None, tuple[Fault, ...]]:
    """The tree of one YAML document and everything wrong with its text; the tree is None if it cannot be read.

    >>> tree, faults = compose("a: 1\\nb: [x, 2]\\na: 3")
    >>> tree.get("b").items[1].value
    2
    >>> faults[0].line, faults[0].message
    (3, 'key `a` was already given in line 1')
    """
    try:
        root = YAML(typ="rt", pure=True).compose(text)
        if root is None:
            return None, (Fault(1, "the file is empty"),)
        reader = _Reader()
        return reader.node(root, 0), tuple(reader.faults)
    except _TooMuchError as error:
        return None, (Fault(error.line, error.message),)
    except RecursionError:
        return None, (Fault(1, "the file is nested too deeply to be read"),)
    except ReaderError as error:
        line = text.count("\n", 0, error.position or 0) + 1
        return None, (Fault(line, "the file holds a character that YAML does not allow"),)
    except MarkedYAMLError as error:
        return None, (_not_yaml(error),)
    except Exception as error:  # ruamel raises assorted built-in errors on hostile input; none may reach the author
        return None, (Fault(1, f"this is not YAML: {error or type(error).__name__}"),)


def did_you_mean(word: str, options: Iterable[str], *, list_all: bool = True) -> str:
    """A hint for a word that is none of `options`: the nearest one, else all of them if they are few
    (and `list_all`), else "".

    >>> did_you_mean("mesage_sent", ["message_sent", "call_ended"])
    'did you mean `message_sent`?'
    >>> did_you_mean("xyz", ["live", "draft"])
    'it can be `live` or `draft`'
    """
    known = list(dict.fromkeys(options))
    by_folded = {_folded(option): option for option in reversed(known)}
    near = difflib.get_close_matches(_folded(word), by_folded, n=1, cutoff=0.6)
    if near:
        return f"did you mean {quoted(by_folded[near[0]])}?"
    return f"it can be {_either(known)}" if list_all and 0 < len(known) <= 10 else ""


def quoted(value: object, limit: int = 60) -> str:
    """A value for a message: in backticks, on one line, shortened."""
    text = " ".join(str(value).split())
    return f"`{text if len(text) <= limit else text[: limit - 1] + '…'}`"


def _folded(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")


def _either(words: list[str]) -> str:
    marked = [quoted(w) for w in words]
    return marked[0] if len(marked) == 1 else ", ".join(marked[:-1]) + " or " + marked[-1]


def _not_yaml(error: MarkedYAMLError) -> Fault:
    words = (error.problem or error.context or "cannot be read").strip()
    mark = error.problem_mark or error.context_mark
    if "end of stream" in words or "<stream end>" in words:
        words += " (something here is opened and never closed)"
        mark = error.context_mark or mark  # where it began, not where the file ends
    return Fault(mark.line + 1 if mark else 1, f"this is not YAML: {words}", _yaml_hint(words))


def _yaml_hint(words: str) -> str:
    if "mapping values are not allowed" in words:
        return "a text with `: ` in it needs quotes; or the line is indented too far"
    if "\\t" in words:
        return "indent with spaces, not tabs"
    if "undefined alias" in words:
        return "a text beginning with `*` needs quotes"
    if "expected <block end>" in words and ("'}'" in words or "']'" in words):
        return "a bracket is closed here that was not opened"
    if "expected <block end>" in words:
        return "the indentation of this line, or of one before it, does not fit: what belongs together begins alike"
    if "expected ',' or" in words:
        return "a `{` or `[` before this was not closed, or a comma is missing"
    if "could not find expected ':'" in words:
        return "a key, here or in the line before, lacks its `:`"
    return ""


class _TooMuchError(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


class _Reader:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.seen = 0

    def node(self, raw: YamlNode, depth: int) -> Node:
        line = raw.start_mark.line + 1
        self.seen += 1
        if depth > MAX_DEPTH:
            raise _TooMuchError(line, f"nested more than {MAX_DEPTH} levels deep (or an alias that contains itself)")
        if self.seen > MAX_NODES:
            raise _TooMuchError(line, f"more than {MAX_NODES} values (aliases that repeat each other?)")
        if isinstance(raw, ScalarNode):
            return self.leaf(raw, line)
        if isinstance(raw, MappingNode):
            return self.mapping(raw, line, depth)
        return Items(line, tuple(self.node(child, depth + 1) for child in raw.value))

    def mapping(self, raw: MappingNode, line: int, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        for key, value in raw.value:
            at = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.faults.append(Fault(at, "a key must be a word, not a list or a mapping"))
            elif _tag(key).endswith(":merge"):
                self.faults.append(Fault(at, "`<<` (merge) is not supported", "write the keys out"))
            elif key.value in entries:
                first = entries[key.value].line
                self.faults.append(Fault(at, f"key {quoted(key.value)} was already given in line {first}"))
            else:
                entries[key.value] = Entry(key.value, at, self.value(value, at, depth))
        return Mapping(line, tuple(entries.values()))

    def value(self, raw: YamlNode, key_line: int, depth: int) -> Node:
        """A value; one that is not written at all stands where its key does (YAML has it where the next word is)."""
        node = self.node(raw, depth + 1)
        return Leaf(key_line, node.value, "") if isinstance(node, Leaf) and not node.text else node

    def leaf(self, raw: ScalarNode, line: int) -> Leaf:
        tag = _tag(raw)
        if not tag.startswith("tag:yaml.org,2002:"):
            self.faults.append(
                Fault(line, f"tag {quoted(tag)} is not supported", "a text beginning with `!` needs quotes")
            )
        try:
            value = _value(tag.removeprefix("tag:yaml.org,2002:"), raw.value)
        except (ValueError, OverflowError):
            self.faults.append(Fault(line, f"{quoted(raw.value)} is not a number that can be used"))
            value = None
        return Leaf(line, value, raw.value)


def _tag(raw: YamlNode) -> str:
    return str(raw.tag or "")


def _value(tag: str, text: str) -> Value:
    if tag == "int":
        plain = text.replace("_", "").lower()
        based = plain.lstrip("+-").startswith(("0x", "0o", "0b"))
        return int(plain, 0) if based else int(plain)
    if tag == "float":
        number = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(number):
            raise ValueError(text)
        return number
    if tag == "bool":
        return text.lower() in ("true", "yes", "on", "y")
    return None if tag == "null" else text
