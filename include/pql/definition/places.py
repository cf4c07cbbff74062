"""The tree of a definition in, the line of each section and of each named member out ("activation.A habit" → 57)."""

from __future__ import annotations

from collections.abc import Iterator

from pql.definition.plays import slug
from pql.located_yaml import Items, Leaf, Mapping, Node


def places(tree: Mapping) -> Iterator[tuple[str, int]]:
    """Where each section and each of its named members begins."""
    for section in tree.entries:
        yield section.key, section.line
        if isinstance(section.value, Mapping):
            yield from ((f"{section.key}.{member.key}", member.line) for member in section.value.entries)
        elif isinstance(section.value, Items):
            for item in section.value.items:
                name = _member_name(item)
                yield from [(f"{section.key}.{name}", item.line)] if name else []


def _member_name(item: Node) -> str:
    """A stage's title, or a play's id."""
    for key in ("stage", "id", "play"):
        node = item.get(key) if isinstance(item, Mapping) else None
        if isinstance(node, Leaf):
            return slug(node.text) if key == "play" else node.text.strip()
    return ""
