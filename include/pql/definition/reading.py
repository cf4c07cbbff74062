"""Nodes of located YAML in, plain typed values out; everything wrong is noted with its line and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Dict

from pql.definition import durations
from pql.definition.model import Problem, Scalar
from pql.located_yaml import Entry, Items, Leaf, Mapping, Node, did_you_mean, quoted

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class Notes:
    """Collects the problems of one file; asking it for a value notes what is wrong and gives None."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def error(self, line: int, message: str, hint: str = "") -> None:
        """Note one error."""
        self.problems.append(Problem(self.path, line, _one_line(message), _one_line(hint)))

    def warn(self, line: int, message: str, hint: str = "") -> None:
        """Note something suspicious that can still be used."""
        self.problems.append(Problem(self.path, line, _one_line(message), _one_line(hint), "warning"))

    def unknown(self, line: int, what: str, word: str, options: Collection[str], hint: str = "") -> None:
        """Note a word that is none of the options, with the nearest one."""
        self.error(line, f"unknown {what} {quoted(word)}", did_you_mean(word, options) or hint)

    # --- shapes ---

    def mapping(self, node: Node, what: str) -> Mapping | None:
        """The node if it is a mapping."""
        if isinstance(node, Mapping):
            return node
        self.error(node.line, f"{what} must be a mapping (`key: value`), not {described(node)}")
        return None

    def fields(self, node: Node, what: str, known: Sequence[str], required: Sequence[str] = ()) -> Dict[str, Entry]:
        """The entries of a mapping by key; unknown and missing keys are noted and left out."""
        mapping = self.mapping(node, what)
        if mapping is None:
            return {}
        found, meant = {}, ""
        for entry in mapping.entries:
            if entry.key in known:
                found[entry.key] = entry
            else:
                hint = did_you_mean(entry.key, known)
                self.error(entry.line, f"unknown key {quoted(entry.key)} in {what}", hint)
                meant += hint
        for key in required:
            if key not in found and quoted(key) not in meant:  # a misspelt key is not missing as well
                self.error(node.line, f"{what} has no {quoted(key)}")
        return found

    def items(self, node: Node, what: str) -> tuple[Node, ...]:
        """The members of a list that is not empty."""
        if not isinstance(node, Items):
            self.error(node.line, f"{what} must be a list, not {described(node)}")
            return ()
        if not node.items:
            self.error(node.line, f"{what} must not be empty")
        return node.items

    # --- values ---

    def text(self, node: Node, what: str) -> str | None:
        """A text that is not empty; numbers and true/false written without quotes count as text."""
        if isinstance(node, Leaf) and node.value is not None and node.text.strip():
            return node.text.strip()
        self.error(node.line, f"{what} must be a text, not {described(node)}")
        return None

    def title(self, node: Node, what: str) -> str | None:
        """The words of a reason; `{value}` is the only thing that can be filled in."""
        text = self.text(node, what)
        for word in re.findall(r"\{([^{}]*)\}", text or ""):
            if word != "value":
                self.error(node.line, f"{what} cannot fill in {quoted('{' + word + '}')}", "only `{value}`, the number")
        return text

    def name(self, node: Node, what: str) -> str | None:
        """A text usable as a name: small letters, digits and _, beginning with a letter."""
        text = self.text(node, what)
        return text if text is not None and self.is_name(node.line, what, text) else None

    def is_name(self, line: int, what: str, text: str) -> bool:
        """Whether `text` can be a name; noted if not."""
        if NAME.fullmatch(text):
            return True
        proposal = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
        hint = f"for example {quoted(proposal)}" if NAME.fullmatch(proposal) else ""
        self.error(line, f"{what} {quoted(text)} must be small letters, digits and _, beginning with a letter", hint)
        return False

    def number(self, node: Node, what: str, low: float | None = None, high: float | None = None) -> float | None:
        """A finite number within [low, high]; whole numbers stay int."""
        if not isinstance(node, Leaf) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
            hint = "write it without quotes or units" if isinstance(node, Leaf) and re.search(r"\d", node.text) else ""
            self.error(node.line, f"{what} must be a number, not {described(node)}", hint)
            return None
        value = node.value
        if (low is not None and value < low) or (high is not None and value > high) or abs(value) > 1e15:
            self.error(node.line, f"{what} must be {_range(low, high)}, not {quoted(node.text)}")
            return None
        return value

    def whole(self, node: Node, what: str, low: int | None = None, high: int | None = None) -> int | None:
        """A whole number within [low, high]."""
        value = self.number(node, what, low, high)
        if value is None or value == int(value):
            return None if value is None else int(value)
        self.error(node.line, f"{what} must be a whole number, not {quoted(value)}")
        return None

    def boolean(self, node: Node, what: str) -> bool | None:
        """true or false."""
        if isinstance(node, Leaf) and isinstance(node.value, bool):
            return node.value
        self.error(node.line, f"{what} must be true or false, not {described(node)}")
        return None

    def choice(self, node: Node, what: str, options: Sequence[str]) -> str | None:
        """One of the options."""
        text = self.text(node, what)
        if text is None or text in options:
            return text
        self.error(node.line, f"{what} cannot be {quoted(text)}", did_you_mean(text, options))
        return None

    def scalar(self, node: Node, what: str) -> Scalar | None:
        """A text, number or true/false; a missing value is noted."""
        if isinstance(node, Leaf) and node.value is not None:
            return node.value
        self.error(node.line, f"{what} must be a text, a number or true/false, not {described(node)}")
        return None

    def scalars(self, node: Node, what: str) -> tuple[Scalar, ...]:
        """One scalar, or a list of them that is not empty."""
        members = self.items(node, what) if isinstance(node, Items) else (node,)
        read = [self.scalar(member, what) for member in members]
        return tuple(value for value in read if value is not None)

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        """One text, or a list of them that is not empty."""
        members = self.items(node, what) if isinstance(node, Items) else (node,)
        read = [self.text(member, what) for member in members]
        return tuple(value for value in read if value is not None)

    def days(self, node: Node, what: str, low: float = 0) -> float | None:
        """A duration, in days, at least `low` of them."""
        value = durations.days(node.text) if isinstance(node, Leaf) else None
        if value is None:
            self._not_a_duration(node, what)
        elif value < low:
            self.error(node.line, f"{what} must be longer than {quoted(described(node).strip('`'))}")
            value = None
        return value

    def whole_days(self, node: Node, what: str) -> int | None:
        """A duration of whole days, at least one."""
        value = durations.whole_days(node.text) if isinstance(node, Leaf) else None
        if value is not None:
            return value
        if isinstance(node, Leaf) and durations.days(node.text) is not None:
            self.error(node.line, f"{what} must be whole days, at least one, not {described(node)}")
        else:
            self._not_a_duration(node, what)
        return None

    def _not_a_duration(self, node: Node, what: str) -> None:
        bare_number = isinstance(node, Leaf) and isinstance(node.value, int) and not isinstance(node.value, bool)
        hint = (
            f"did you mean {quoted(f'{node.text}d')}?"
            if bare_number and isinstance(node, Leaf)
            else "for example `7d`, `2w`, `48h`"
        )
        self.error(node.line, f"{what} must be a duration up to ten years, not {described(node)}", hint)


def described(node: Node) -> str:
    """What a node is, for "must be …, not …"."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    return quoted(node.text) if node.value is not None and node.text.strip() else "empty"


def a(word: str) -> str:
    """The word in backticks with its article.

    >>> a("attribute"), a("share")
    ('an `attribute`', 'a `share`')
    """
    return f"{'an' if word[0] in 'aeio' else 'a'} {quoted(word)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}" if high is not None else "smaller"
    return f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
