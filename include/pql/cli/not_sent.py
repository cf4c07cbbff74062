"""Why a drain could not send: the ledger's rows before and after it in, a sentence per destination out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pql import outbox, store
from pql.outbox import Delivery
from pql.pipeline import Project

_ENDED = {  # state in the ledger → how the drain's report calls it, and what it means
    "pending": (("retry",), "to be tried again"),
    "ambiguous": (("ambiguous", "unclear"), "may have arrived"),
    "dead": (("dead",), "given up"),
}
Counts = Mapping[str, Mapping[str, int]]  # destination → how attempts ended → how many


@dataclass(frozen=True)
class Before:
    """What waited at `at`, before the drain: number → attempt and when it was due."""

    at: datetime
    waiting: Mapping[int, tuple[int, datetime]]

    def left(self, row: Delivery) -> bool:
        """Whether it is since then that the row is as it is, with a reason."""
        if not row.reason:
            return False
        if row.finished_at is not None:
            return row.finished_at >= self.at
        return self.waiting.get(row.id) != (row.attempt, row.not_before)

    def newest(self, row: Delivery) -> tuple[bool, int]:
        """Orders rows: what only waits for its turn, and used up no attempt, says least of why; then by number."""
        return row.attempt > self.waiting.get(row.id, (0,))[0], row.id


def before(project: Project, at: datetime) -> Before:
    """What waits now."""
    found = _rows(project, ("pending", "ambiguous"))
    return Before(at, {each.id: (each.attempt, each.not_before) for each in found})


def why_not_sent(project: Project, then: Before, counts: Counts) -> Iterator[str]:
    """A sentence for each destination and state in which this drain left something unsent, with its newest reason."""
    for name, states in sorted(counts.items()):
        for state, (called, meaning) in _ENDED.items():
            number = sum(states.get(each, 0) for each in called)
            left = [row for row in _rows(project, (state,), name) if then.left(row)] if number else []
            if left:
                because = str(max(left, key=then.newest).reason).rstrip(".")
                yield f"{name}: {number} {meaning}, because: {because}. See `pql deliveries --state {state}`."


def _rows(project: Project, states: Collection[str], destination: str | None = None) -> tuple[Delivery, ...]:
    with store.reading(project.engine) as connection:
        return outbox.list_deliveries(connection, states=states, destination=destination)
