"""What a customer can do about a signal, how much of an effort it is, and how one says it: "3 more active days"."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pql.definition.model import Definition, Measure, Signal
from pql.scoring.wording import EventWords, amount, event_words, humanise, number, phrase, plural, span, times

SIGN_UP = "signed_up"

# How much one more of it asks of a customer, in actions; ours. It only ranks what is suggested.
_EFFORT: dict[Measure, float] = {
    "count": 1,
    "sessions": 1,
    "days_since": 1,
    "distinct": 3,
    "active_days": 4,
    "users": 6,
    "minutes": 0.2,
    "sum": 0.2,
    "average": 1,
    "change": 0.5,
}
_A_HABIT = 20  # one more person who does it again and again


@dataclass(frozen=True)
class Change:
    """A signal that would have to move, from what it is to what suffices; `before` None: it is unknown now."""

    signal: str
    before: float | None
    after: float

    def effort(self, definition: Definition) -> float:
        """How much it asks of the customer, comparable between signals."""
        signal = definition.signal(self.signal)
        if signal.per_user is not None:
            return _A_HABIT * self.by
        return _EFFORT[signal.measure] * (1 if signal.measure == "days_since" else self.by)

    @property
    def by(self) -> float:
        """How much more; less, for days since."""
        return abs(self.after - (self.before or 0))


def is_doable(signal: Signal) -> bool:
    """Whether it measures what a customer does, and is no attribute, no speed, and no sign-up."""
    return signal.measure in _EFFORT and set(signal.events) != {SIGN_UP}


def is_whole(signal: Signal) -> bool:
    """Whether it counts things that there are no halves of."""
    return signal.per_user is not None or signal.measure not in ("sum", "average", "minutes", "change")


def most(signal: Signal) -> float:
    """The most the signal can be: days of its window, the number of features."""
    if signal.per_user is not None:
        return math.inf
    if signal.measure == "active_days" and signal.window.days is not None:
        return signal.window.days
    if signal.measure == "distinct" and signal.property is None:
        return len(signal.events)
    return math.inf


def words(definition: Definition, change: Change) -> str:
    """The change as a sales rep would say it.

    "one more teammate invited", "3 more active days in the last 14 days", "1 more person with messages on 4 or more of
    the last 7 days".
    """
    signal = definition.signal(change.signal)
    what = event_words(signal.events[0]) if len(signal.events) == 1 and not signal.any_event else None
    more = _More(signal, what, change.by, "" if not change.before else " more")
    if signal.measure == "days_since":
        return f"{what.noun} {what.verb}".strip() + " again" if what else "active again"
    if signal.per_user is not None and not signal.title:
        said = phrase(definition, signal, change.by)
        return said.replace(" person ", f"{more.word} person ", 1).replace(" people ", f"{more.word} people ", 1)
    if signal.title or signal.measure not in _SAID:
        now = "unknown" if change.before is None else number(change.before)
        return f"{phrase(definition, signal, change.after)} (now {now})"
    return _SAID[signal.measure](more) + span(signal.window)


@dataclass(frozen=True)
class _More:
    """So much more of a signal; `word` is " more", or "" where there is nothing yet."""

    signal: Signal
    what: EventWords | None
    by: float
    word: str

    def some(self, noun: str) -> str:
        """ "one more teammate", "3 more active days", "one message"."""
        count, _, things = amount(self.by, noun).partition(" ")
        return f"{'one' if count == '1' else count}{self.word} {things}"

    def count(self) -> str:
        if self.what is None:
            return self.some("action") + ("" if self.signal.any_event else f" ({humanise(self.signal.name)})")
        if plural(self.what.noun) == self.what.noun:  # "pricing viewed once more", never "one more pricing viewed"
            return f"{self.what.many} {times(self.by)}{self.word}"
        return f"{self.some(self.what.noun)} {self.what.verb}".strip()

    def days(self) -> str:
        if self.signal.any_event:
            return self.some("active day")
        return self.some("day") + (
            f" with {plural(self.what.noun)}" if self.what else f" ({humanise(self.signal.name)})"
        )

    def people(self) -> str:
        who = f"{number(self.by)}{self.word} {'person' if self.by == 1 else 'people'}"
        if self.what is None:
            return f"{who} active" if self.signal.any_event else f"{who} ({humanise(self.signal.name)})"
        return f"{who} {self.what.verb or 'with'} {plural(self.what.noun)}"

    def distinct(self) -> str:
        if self.signal.property is not None:
            return self.some(f"different {humanise(self.signal.property)}")
        return f"{number(self.by)}{self.word} of the {len(self.signal.events)} {humanise(self.signal.name)}"


_SAID: dict[Measure, Callable[[_More], str]] = {
    "count": _More.count,
    "active_days": _More.days,
    "users": _More.people,
    "distinct": _More.distinct,
    "sessions": lambda more: more.some("session"),
    "minutes": lambda more: more.some("minute") + " of use",
}
