"""A definition in, the attributes it reads out: from signals, sizes, conditions, entry rules and templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pql.definition.model import Compare, Condition, Definition, Not, Play
from pql.definition.templates import read_template


def attributes_of(definition: Definition) -> tuple[str, ...]:
    """Every attribute that any part of the definition reads, sorted; a user's own as `user.x`."""
    return tuple(sorted(set(_named(definition))))


def _named(definition: Definition) -> Iterator[str]:
    for signal in definition.signals:
        yield from (name for name in (signal.attribute, signal.denominator) if name)
    if definition.size is not None and definition.size.by_kind == "attribute":
        yield definition.size.by
    yield from (name for name, _ in definition.only)
    yield from (name for name, _ in definition.exclude.attributes)
    conditions = [definition.qualify, *(condition for _, condition in definition.criteria)]
    conditions += [play.filter for play in definition.plays if play.filter is not None]
    yield from _in_conditions(conditions)
    for play in definition.plays:
        yield from _in_templates(play)


def _in_conditions(conditions: Iterable[Condition]) -> Iterator[str]:
    for condition in conditions:
        if isinstance(condition, Compare):
            if condition.operand == "attribute":
                yield condition.name
        elif isinstance(condition, Not):
            yield from _in_conditions([condition.of])
        else:
            yield from _in_conditions(condition.of)


def _in_templates(play: Play) -> Iterator[str]:
    texts = [play.next, *(v for action in play.actions for v in action.options.values() if isinstance(v, str))]
    for text in texts:
        yield from read_template(text).attributes
