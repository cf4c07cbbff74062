"""Which daily-usage tables a definition needs: a `Definition` in, a tuple of `Need`s out, each with its stored name.

Most signals read the plain table of one named event. Two measures need a table of their own: `distinct` of a
property has one row per value, and `sessions`/`minutes` are cut over all the signal's events together (two events
ten minutes apart are one session, whichever names they have), which cannot be added up from single events.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from pql.definition.model import Definition, EventMatch, Signal


@dataclass(frozen=True)
class Need:
    """One daily-usage table: any of `matches`, optionally one row per value of `item`, optionally with sessions."""

    matches: tuple[EventMatch, ...]
    item: str | None = None  # property whose values are kept apart
    sessions: bool = False

    @property
    def key(self) -> str:
        """What the `usage` view's column `match` says: `EventMatch.key` for a plain need, else 16 hex digits."""
        if len(self.matches) == 1 and self.item is None and not self.sessions:
            return self.matches[0].key
        spec = [sorted(m.key for m in self.matches), self.item, self.sessions]
        return hashlib.sha256(json.dumps(spec).encode()).hexdigest()[:16]


def value_need(match: EventMatch, item: str) -> Need:
    """The table that `distinct: event.item` counts values in."""
    return Need((match,), item=item)


def session_need(definition: Definition, signal: Signal) -> Need:
    """The table that a `sessions` or `minutes` signal reads; it alone fills the columns of those names."""
    matches = {definition.event(name).match for name in signal.events}
    return Need(tuple(sorted(matches, key=lambda m: m.key)), sessions=True)


def needs_of(definition: Definition) -> tuple[Need, ...]:
    """Every table the definition reads, without repeats, in a stable order.

    All its named events have a plain one: activity (SEM-M2), champions and sign-up (SEM-T6) read those.
    """
    found = {Need((event.match,)) for event in definition.events}
    for signal in definition.signals:
        if signal.measure in ("sessions", "minutes"):
            found.add(session_need(definition, signal))
        elif signal.measure == "distinct" and signal.property is not None:
            found.update(value_need(definition.event(name).match, signal.property) for name in signal.events)
    return tuple(sorted(found, key=lambda need: need.key))
