"""What a definition reads of stored usage: which keys, and which fields of their rows."""

from __future__ import annotations

from pql.definition.model import All, Any, Compare, Condition, Definition, Not, Signal, Stage
from pql.features.grain import Field, Keys
from pql.usage import session_need, value_need

USAGE_MEASURES = frozenset(
    ("count", "active_days", "users", "sum", "average", "distinct", "days_since", "change", "sessions", "minutes")
)
SIGNUP_EVENT = "signed_up"

_READ: dict[str, tuple[Field, ...]] = {
    "sum": ("units", "micros"),
    "average": ("units", "micros", "values"),
    "sessions": ("sessions",),
    "minutes": ("minutes",),
}


def keys_of(definition: Definition, signal: Signal) -> Keys:
    """The stored usage that a signal is computed from."""
    if signal.measure in ("sessions", "minutes"):
        return frozenset((session_need(definition, signal).key,))
    return event_keys(definition, signal)


def event_keys(definition: Definition, signal: Signal) -> Keys:
    """The plain usage of the signal's events, also where it is computed from a table of its own."""
    return frozenset(definition.event(name).match.key for name in signal.events)


def value_keys(definition: Definition, signal: Signal) -> Keys:
    """The stored values of the property whose different values the signal counts."""
    if signal.property is None:
        return frozenset()
    return frozenset(value_need(definition.event(name).match, signal.property).key for name in signal.events)


def active_keys(definition: Definition) -> Keys:
    """The stored usage of `any_event`: every named event that is not passive (SEM-M2)."""
    return frozenset(event.match.key for event in definition.events if not event.passive)


def named_keys(definition: Definition) -> Keys:
    """The stored usage of every named event: a day with any of it is an active day for stages."""
    return frozenset(event.match.key for event in definition.events)


def signup_keys(definition: Definition) -> Keys:
    """The stored usage of the event that is a signup, if one is named (SEM-T6)."""
    return frozenset(event.match.key for event in definition.events if event.name == SIGNUP_EVENT)


def stage_keys(definition: Definition, stage: Stage) -> Keys:
    """The stored usage that a stage is about."""
    return frozenset(key for signal in read_by(definition, stage.when) for key in event_keys(definition, signal))


def read_by(definition: Definition, condition: Condition) -> tuple[Signal, ...]:
    """The signals a stage's condition looks at; ValueError if it looks at anything else."""
    match condition:
        case All(of=parts) | Any(of=parts):
            return tuple(dict.fromkeys(signal for part in parts for signal in read_by(definition, part)))
        case Not(of=part):
            return read_by(definition, part)
        case Compare(operand="signal", name=name):
            return (definition.signal(name),)
        case _:
            raise ValueError(f"a stage of {definition.id} looks at something that is not a usage signal: {condition}")


def half_life_signals(definition: Definition) -> tuple[Signal, ...]:
    """The signals whose points fade, so that their newest event matters (SEM-S1)."""
    lines = [line for group in definition.score.groups for line in group.lines if line.half_life_days is not None]
    names = dict.fromkeys(line.signal for line in lines)
    return tuple(s for s in map(definition.signal, names) if s.measure in USAGE_MEASURES)


def fields_of(definition: Definition) -> frozenset[Field]:
    """The fields of rows that anything in the definition reads."""
    return frozenset(
        ("count", "first", "last", *(field for signal in definition.signals for field in _READ.get(signal.measure, ())))
    )
