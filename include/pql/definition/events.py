"""The `events:` section in, named events out: the product's own words → ours."""

from __future__ import annotations

from collections.abc import Mapping as Dict

from pql.definition.model import EventMatch, NamedEvent, Where
from pql.definition.reading import Notes, described
from pql.located_yaml import Entry, Items, Leaf, Mapping, Node, quoted

_KEYS = ("event", "where", "value", "passive")
_TESTS = ("in", "not", "min", "max", "exists")


def read_events(notes: Notes, node: Node) -> dict[str, NamedEvent | None]:
    """Named events by name, in file order; None where one could not be read."""
    section = notes.mapping(node, "`events`")
    found: dict[str, NamedEvent | None] = {}
    for entry in section.entries if section else ():
        if entry.key == "any_event":
            notes.error(
                entry.line, "`any_event` is built in: every named event that is not passive", "choose another name"
            )
            continue
        named = notes.is_name(entry.line, "event name", entry.key)
        event = _read_event(notes, entry)
        found[entry.key] = event if named else None
    return found


def _read_event(notes: Notes, entry: Entry) -> NamedEvent | None:
    what = f"event {quoted(entry.key)}"
    if not isinstance(entry.value, Mapping):
        source_names = notes.texts(entry.value, what)
        return NamedEvent(entry.key, EventMatch(source_names)) if source_names else None
    before = len(notes.problems)
    fields = notes.fields(entry.value, what, _KEYS, required=("event",))
    source_names = notes.texts(fields["event"].value, f"`event` of {what}") if "event" in fields else ()
    where = _read_where(notes, fields["where"].value, what) if "where" in fields else ()
    value = notes.text(fields["value"].value, f"`value` of {what}") if "value" in fields else None
    passive = notes.boolean(fields["passive"].value, f"`passive` of {what}") if "passive" in fields else False
    if len(notes.problems) > before:
        return None
    return NamedEvent(entry.key, EventMatch(source_names, where, value), bool(passive))


def _read_where(notes: Notes, node: Node, what: str) -> tuple[Where, ...]:
    section = notes.mapping(node, f"`where` of {what}")
    read: list[Where] = []
    for entry in section.entries if section else ():
        read += _read_property(notes, entry, f"`where: {entry.key}` of {what}")
    return tuple(read)


def _read_property(notes: Notes, entry: Entry, what: str) -> list[Where]:
    name, node = entry.key, entry.value
    if isinstance(node, Leaf | Items):
        return [Where(name, "in", notes.scalars(node, what))]
    if not node.entries:
        notes.error(node.line, f"{what} is empty", "for example `{min: 1}` or `{not: [draft]}`")
    fields = notes.fields(node, what, _TESTS)
    read: list[Where] = []
    for test, field in fields.items():
        if test in ("min", "max"):
            number = notes.number(field.value, f"`{test}` in {what}")
            if number is not None:
                read.append(Where(name, "min" if test == "min" else "max", (number,)))
        elif test == "exists":
            there = notes.boolean(field.value, f"`exists` in {what}")
            if there is not None:
                read.append(Where(name, "exists", (there,)))
        else:
            read.append(
                Where(name, "in" if test == "in" else "not_in", notes.scalars(field.value, f"`{test}` in {what}"))
            )
    _check_interval(notes, node, fields, what)
    return read


def _check_interval(notes: Notes, node: Node, fields: Dict[str, Entry], what: str) -> None:
    ends = [fields[k].value for k in ("min", "max") if k in fields]
    values = [end.value for end in ends if isinstance(end, Leaf) and isinstance(end.value, int | float)]
    if len(values) == 2 and values[0] > values[1]:
        notes.error(node.line, f"in {what} `min` {described(ends[0])} is above `max` {described(ends[1])}")
