"""The names one definition declares and the ones the language brings, to resolve references and propose near ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pql.definition.by_size import Complexity
from pql.definition.model import Measure, NamedEvent, Signal

CRITERIA = ("fit", "value", "intent")
LOGIC = ("all", "any", "not")

# Operands of a condition beside signals and attributes.
PERCENT_OPERANDS = ("activation_pct",)
SCORE_OPERANDS = ("score", "grade")
DELTA_OPERANDS = ("score_delta_night", "score_delta_week")
WORD_OPERANDS = ("stage", "size")
OPERANDS = PERCENT_OPERANDS + SCORE_OPERANDS + DELTA_OPERANDS + WORD_OPERANDS

# Attributes every project has; others are named through a signal: `industry: {attribute: industry}`.
KNOWN_ATTRIBUTES = (
    "name",
    "domain",
    "is_free_mail",
    "employees",
    "plan",
    "lifecycle_stage",
    "owner_email",
    "owner_name",
    "crm_id",
    "crm_kind",
    "not_a_fit",
    "snooze_until",
    "open_deals",
    "won_deals",
    "last_won_at",
    "meetings",
)

# What a signal may not be called, because conditions or templates mean something else by it.
RESERVED = (
    *CRITERIA,
    *LOGIC,
    *OPERANDS,
    "any_event",
    "account",
    "user",
    "grade_10",
    "reasons",
    "top_reason",
    "headline",
    "definition",
    "title",
    "as_of",
    "trial_day",
    "qualified",
    "qualified_at",
    "next_step",
)

COUNTED: tuple[Measure, ...] = ("count", "active_days", "sum", "average", "distinct", "sessions", "minutes")
USAGE: tuple[Measure, ...] = (*COUNTED, "users")  # what a stage may look at, and what fades with a half-life
NUMERIC_OF_LIMIT: tuple[Measure, ...] = (*USAGE, "attribute")


@dataclass
class Names:
    """Filled section by section; a name declared wrongly maps to None, so that its uses are not noted again."""

    subject: Literal["account", "user"] = "account"
    complexity: Complexity = "simple"
    events: dict[str, NamedEvent | None] = field(default_factory=dict)
    signals: dict[str, Signal | None] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)  # as written, before the signals are read
    stages: dict[str, int] = field(default_factory=dict)  # title → line
    criteria: dict[str, int] = field(default_factory=dict)  # name → line
    sizes: tuple[str, ...] | None = None

    def named_events(self, names: tuple[str, ...]) -> list[NamedEvent]:
        """The readable ones among the named events."""
        found = (self.events.get(name) for name in names)
        return [event for event in found if event is not None]


def is_attribute(name: str) -> bool:
    """Whether a bare name in a condition is an attribute: one that every project has, or `user.x`.

    >>> is_attribute("plan"), is_attribute("user.role"), is_attribute("industry")
    (True, True, False)
    """
    return name in KNOWN_ATTRIBUTES or (name.startswith("user.") and len(name) > len("user."))


def without_broken(signals: Mapping[str, Signal | None]) -> list[Signal]:
    """The signals that could be read."""
    return [signal for signal in signals.values() if signal is not None]
