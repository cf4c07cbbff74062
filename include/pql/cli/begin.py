"""An entry of the gallery, a name and the project's shared words in; the text of a new definition out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pql.cli.gallery import Entry
from pql.definition.load import VOCABULARY
from pql.definition.model import Definition, NamedEvent
from pql.located_yaml import quoted

Words = Mapping[str, NamedEvent]  # the vocabulary's events by name


def begun(entry: Entry, name: str, shared: Words) -> str:
    """The entry as a draft called `name`, comments kept, with a head that says what is to be made one's own.

    An event that the vocabulary has (`shared`) is taken from there, because a name can be declared only once; where
    that one lacks the value which is needed, the entry keeps its own under another name.
    """
    lines = entry.text.splitlines()
    for event in entry.definition.events:
        if event.name in shared:
            lines = _settled(lines, entry.definition, event, shared[event.name])
    if all(_is_taken(event, shared) for event in entry.definition.events):
        lines[entry.definition.line("events") - 1] = f"# events: all of them are in {VOCABULARY}"
    for key, value in {"definition": name, "title": titled(name), "status": "draft"}.items():
        at = entry.definition.line(key) - 1
        lines[at] = re.sub(rf"^{key}:.*?(?=\s+#|$)", f"{key}: {value}", lines[at])
    return "\n".join([*_head(entry, shared), "#", *lines]) + "\n"


def titled(name: str) -> str:
    """A title out of an id.

    >>> titled("trial-teams_2")
    'Trial teams 2'
    """
    return re.sub(r"[-_]+", " ", name).strip().capitalize()


def own_words(definition: Definition, shared: Words) -> str:
    """The source's event names and properties which the definition brings along: those of another product.

    Empty where the vocabulary has all of its events.
    """
    brought = [event for event in definition.events if not _is_taken(event, shared)]
    names = [quoted(name) for event in brought for name in event.match.events]
    properties = [quoted(name) for event in brought for name in _properties(definition, event)]
    parts = [("event", names), ("property", properties)]
    return "; ".join(f"{_plural(what, words)} {', '.join(dict.fromkeys(words))}" for what, words in parts if words)


def _is_taken(event: NamedEvent, shared: Words) -> bool:
    """Whether the vocabulary's event of that name does for this one."""
    return event.name in shared and (event.match.value is None or shared[event.name].match.value is not None)


def _settled(lines: list[str], definition: Definition, event: NamedEvent, shared: NamedEvent) -> list[str]:
    at = definition.line(f"events.{event.name}") - 1
    if _is_taken(event, {event.name: shared}):
        return [*lines[:at], f"  # {event.name}: as in {VOCABULARY}", *lines[at + 1 :]]
    renamed = [re.sub(rf"\b{event.name}\b", f"own_{event.name}", line) for line in lines]
    renamed[at] += f" # {event.name} of {VOCABULARY} has no `value`"
    return renamed


def _head(entry: Entry, shared: Words) -> Iterator[str]:
    yield f"# Begun from `{entry.id}` of the gallery ({entry.title}) with `pql new`."
    words = own_words(entry.definition, shared)
    if words:
        yield f"# Change to what your product says: {words}."


def _properties(definition: Definition, event: NamedEvent) -> Iterator[str]:
    yield from (where.property for where in event.match.where)
    if event.match.value is not None:
        yield event.match.value
    yield from (s.property for s in definition.signals if s.property is not None and event.name in s.events)


def _plural(what: str, words: list[str]) -> str:
    if len(set(words)) == 1:
        return what
    return "properties" if what == "property" else f"{what}s"
