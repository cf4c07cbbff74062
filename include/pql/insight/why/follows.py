"""What a change of one signal brings with it: whoever does something more moves all that counts it.

A definition, a row and changes in, the values of every signal that moves out. Only what is sure is told: how many
people it were, or on which days, a number of actions does not say; but it was somebody, on some day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pql.definition.model import Definition, Signal
from pql.insight.why.doable import Change, most

_COUNTED = ("count", "active_days", "users")


def values_after(definition: Definition, now: Mapping[str, float], changes: Sequence[Change]) -> dict[str, float]:
    """Each signal that moves with its value then; `now` has the signals whose windows are not over (NaN: unknown)."""
    after: dict[str, float] = {}
    for change in changes:
        for name, value in ((change.signal, change.after), *_brought(definition, now, change)):
            after[name] = max(value, after[name]) if name in after else value
    return after


def moves_with(signal: Signal, other: Signal) -> bool:
    """Whether so many more of `signal` are at least as many more of `other`, a count of the same and maybe more.

    What is done from now on lies in every window that is not over.
    """
    return other.measure == "count" and _is_part(signal, other)


def is_same(one: Signal, other: Signal) -> bool:
    """Whether the two measure the same, over different windows."""
    same_measure = (one.measure, one.per_user, one.property) == (other.measure, other.per_user, other.property)
    return same_measure and set(one.events) == set(other.events)


def _is_part(signal: Signal, other: Signal) -> bool:
    plain = signal.per_user is None and other.per_user is None
    return plain and signal.measure in _COUNTED and bool(signal.events) and set(signal.events) <= set(other.events)


def _brought(definition: Definition, now: Mapping[str, float], change: Change) -> Iterator[tuple[str, float]]:
    signal = definition.signal(change.signal)
    for other in definition.signals:
        if other.name == signal.name or other.measure not in _COUNTED or not _is_part(signal, other):
            continue
        had = now.get(other.name)
        if had is None:
            continue
        value = min(max(had, had + change.by if _adds(signal, other) else 1.0), most(other))
        if value > had:
            yield other.name, value


def _adds(signal: Signal, other: Signal) -> bool:
    """Whether it grows by as many: counts do, and days, or people, of the very same events over a longer window."""
    if moves_with(signal, other):
        return True
    return is_same(signal, other) and _days(other) >= _days(signal)


def _days(signal: Signal) -> float:
    return float("inf") if signal.window.days is None else signal.window.days
