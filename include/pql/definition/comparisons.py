"""One comparison as written (`{min: 1}`, `{between: [50, 1000]}`, `[pro, team]`) in, its bounds or values out."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass

from pql.definition.model import Compare, Operand, Scalar
from pql.definition.reading import Notes, described
from pql.located_yaml import Entry, Items, Leaf, Mapping, Node, quoted

COMPARISONS = ("min", "max", "between", "is", "in", "exists")


@dataclass(frozen=True)
class Comparison:
    """What is compared with, not yet what: an interval, a list of values, or whether it is known at all."""

    min: float | None = None
    max: float | None = None
    one_of: tuple[Scalar, ...] | None = None
    exists: bool | None = None

    def compare(self, operand: Operand, name: str = "") -> Compare:
        """The comparison of that operand."""
        return Compare(operand, name, self.min, self.max, self.one_of, self.exists)


def read_comparison(
    notes: Notes, node: Node, what: str, *, numeric: bool, low: float | None = None, high: float | None = None
) -> Comparison | None:
    """The comparison, None if it is wrong; `numeric` refuses texts and true/false, low/high bound its numbers."""
    reader = _Reader(notes, what, numeric, low, high)
    if isinstance(node, Leaf | Items):
        values = reader.values(node)
        return Comparison(one_of=values) if values else None
    if not node.entries:
        notes.error(node.line, f"{what} is compared with nothing", "for example `{min: 1}`")
        return None
    fields = notes.fields(node, f"the comparison of {what}", COMPARISONS)
    return reader.combine(node, fields) if len(fields) == len(node.entries) else None


@dataclass(frozen=True)
class _Reader:
    notes: Notes
    what: str
    numeric: bool
    low: float | None
    high: float | None

    def combine(self, node: Mapping, fields: Dict[str, Entry]) -> Comparison | None:
        if len(fields) > 1 and set(fields) != {"min", "max"}:
            given = " and ".join(f"`{key}`" for key in fields)
            self.notes.error(
                node.line, f"{self.what} is compared twice, with {given}", "only `min` and `max` go together"
            )
            return None
        if "is" in fields or "in" in fields:
            values = self.values(next(iter(fields.values())).value)
            return Comparison(one_of=values) if values else None
        if "exists" in fields:
            there = self.notes.boolean(fields["exists"].value, f"`exists` of {self.what}")
            return None if there is None else Comparison(exists=there)
        return self.interval(node, fields)

    def values(self, node: Node) -> tuple[Scalar, ...]:
        if not self.numeric:
            return self.notes.scalars(node, self.what)
        members = self.notes.items(node, self.what) if isinstance(node, Items) else (node,)
        numbers = [self.number(member, "") for member in members]
        return tuple(n for n in numbers if n is not None) if None not in numbers else ()

    def number(self, node: Node, key: str) -> float | None:
        if isinstance(node, Leaf) and isinstance(node.value, bool):
            self.notes.error(
                node.line, f"{self.what} is a number, it cannot be {described(node)}", "for example `{min: 1}`"
            )
            return None
        return self.notes.number(node, f"`{key}` of {self.what}" if key else self.what, self.low, self.high)

    def interval(self, node: Mapping, fields: Dict[str, Entry]) -> Comparison | None:
        if "between" in fields:
            ends = fields["between"].value
            if not isinstance(ends, Items) or len(ends.items) != 2:
                self.notes.error(ends.line, f"`between` of {self.what} must be two numbers", "for example `[50, 1000]`")
                return None
            written = {"min": ends.items[0], "max": ends.items[1]}
        else:
            written = {key: entry.value for key, entry in fields.items()}
        read = {key: self.number(value, key) for key, value in written.items()}
        if None in read.values():
            return None
        least, most = read.get("min"), read.get("max")
        if least is not None and most is not None and least > most:
            self.notes.error(node.line, f"{self.what} can never be at least {quoted(least)} and at most {quoted(most)}")
            return None
        return Comparison(min=least, max=most)
