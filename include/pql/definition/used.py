"""A definition in, its comparisons and the signals that any part of it asks for out."""

from __future__ import annotations

from collections.abc import Iterator

from pql.definition.model import Compare, Condition, Definition, Not, Play
from pql.definition.templates import is_template, read_template


def compares(condition: Condition) -> Iterator[Compare]:
    """Every comparison of the condition, in order, whatever stands around it."""
    if isinstance(condition, Compare):
        yield condition
    elif isinstance(condition, Not):
        yield from compares(condition.of)
    else:
        for part in condition.of:
            yield from compares(part)


def conditions(definition: Definition) -> Iterator[tuple[str, Condition]]:
    """(place, condition) for everything that is compared: "qualify", "criteria.value", "score.intent", "plays.ping"."""
    if definition.has_line("qualify"):  # else it is only the criteria again
        yield "qualify", definition.qualify
    yield from ((f"criteria.{name}", condition) for name, condition in definition.criteria)
    yield from ((f"activation.{stage.name}", stage.when) for stage in definition.stages)
    for group in definition.score.groups:
        yield from ((f"score.{group.name}", line.when) for line in group.lines if line.when is not None)
    yield from ((f"plays.{play.id}", play.filter) for play in definition.plays if play.filter is not None)


def used_signals(definition: Definition) -> frozenset[str]:
    """The signals that a condition, a score line, the size, a play or another used signal reads."""
    used = {c.name for _, when in conditions(definition) for c in compares(when) if c.operand == "signal"}
    used |= {line.signal for group in definition.score.groups for line in group.lines}
    used |= {definition.size.by} if definition.size is not None else set()
    used |= {name for play in definition.plays for name in _named(play)}
    used |= {s.numerator for s in definition.signals if s.name in used and s.numerator is not None}
    return frozenset(used)


def _named(play: Play) -> Iterator[str]:
    """What its trigger and its texts name; a CRM property takes a signal by its bare name."""
    yield play.on.signal or ""
    for action in play.actions:
        for option in action.options.values():
            if isinstance(option, str):
                yield from read_template(option).names if is_template(option) else (option,)
    yield from read_template(play.next).names
