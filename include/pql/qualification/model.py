"""What the ledger knows about subjects (Facts) and what one evaluation concludes from it (Decisions); no behaviour.

Every instant is a timezone-aware UTC datetime. A subject the ledger has never seen is `SubjectFacts()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Baseline = Literal["is_first", "done", "none"]
"""`is_first`: this run is the first over everybody. `done`: one came before. `none`: neither (SEM-D3 a)."""

SilentReason = Literal["baseline", "identity", "stale", "at_most"]
CloseReason = Literal["left", "excluded", "only", "won", "blocked", "retracted"]


# --- Facts: read from the ledger -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenEpisode:
    """The subject's stay in the qualified state that has not ended."""

    id: int
    subject_key: str
    account_key: str
    opened_as_of: datetime
    unqualified_since: datetime | None = None  # as-of since which every evaluation said no (SEM-Q4)
    silent_reason: str | None = None  # None: it was announced


@dataclass(frozen=True)
class LastClosed:
    """The subject's most recently closed episode."""

    closed_as_of: datetime
    close_reason: str
    returns_after: datetime | None  # end of the cooldown; None: nothing to wait for but the block's own end


@dataclass(frozen=True)
class OpenOccurrence:
    """The one open occurrence of a play for a subject (SEM-D4)."""

    id: int
    play: str
    subject_key: str
    opened_as_of: datetime
    false_since: datetime | None = None


@dataclass(frozen=True)
class Block:
    """A human's "not now" or "never" for an account; `until` None: until lifted."""

    kind: str  # snooze | not_a_fit | block
    created_at: datetime
    until: datetime | None = None
    lifted_at: datetime | None = None


@dataclass(frozen=True)
class SubjectFacts:
    """Everything the ledger knows about one subject of one definition."""

    open: OpenEpisode | None = None
    last_closed: LastClosed | None = None
    decided_as_of: datetime | None = None
    occurrences: tuple[OpenOccurrence, ...] = ()  # open ones, at most one per play
    last_announced: Mapping[str, datetime] = field(default_factory=dict)  # play → opened_as_of of the newest
    #   occurrence of that play that was announced, open or closed (for `at most every`)


@dataclass(frozen=True)
class Facts:
    """The ledger's facts for one definition; subjects without any are left out."""

    subjects: Mapping[str, SubjectFacts] = field(default_factory=dict)  # subject_key → facts
    blocks: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)  # account_key → all blocks, ended ones too
    rekeyed: frozenset[str] = (
        frozenset()
    )  # subject keys that changed and were not decided since: open silently (SEM-W3)

    def subject(self, subject_key: str) -> SubjectFacts:
        """What is known of the subject; empty facts when it was never seen."""
        return self.subjects.get(subject_key, _UNSEEN)


_UNSEEN = SubjectFacts()


# --- Decisions: written to the ledger in one transaction -----------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """An episode that opens."""

    subject_key: str
    account_key: str
    as_of: datetime
    announced: bool
    silent_reason: SilentReason | None  # None exactly when announced
    score: int


@dataclass(frozen=True)
class Closed:
    """An open episode that ends."""

    episode_id: int
    subject_key: str
    account_key: str
    as_of: datetime
    reason: CloseReason
    returns_after: datetime | None


@dataclass(frozen=True)
class Unqualified:
    """A change of an open episode's `unqualified_since`; None: it is qualified again."""

    episode_id: int
    subject_key: str
    since: datetime | None


@dataclass(frozen=True)
class OccurrenceOpened:
    """An occurrence that opens."""

    play: str
    subject_key: str
    account_key: str
    as_of: datetime
    announced: bool
    silent_reason: SilentReason | None


@dataclass(frozen=True)
class OccurrenceClosed:
    """An open occurrence whose condition was false for `rearm`: the play may fire again."""

    occurrence_id: int
    play: str
    subject_key: str
    as_of: datetime


@dataclass(frozen=True)
class OccurrenceFalse:
    """A change of an open occurrence's `false_since`; None: the condition holds again."""

    occurrence_id: int
    play: str
    subject_key: str
    since: datetime | None


@dataclass(frozen=True)
class Decided:
    """One subject this evaluation decided; its `decided_as_of` becomes `as_of` and its marks may be cleared."""

    subject_key: str
    account_key: str
    as_of: datetime
    qualified: bool
    eligible: bool  # neither blocked, excluded, failing `only` nor cooling down


@dataclass(frozen=True)
class Decisions:
    """What one evaluation of one definition concludes. With `why_nothing` set all tuples are empty."""

    definition: str
    rules_hash: str
    as_of: datetime
    live: bool  # the definition is live and T is within the horizon (SEM-D2)
    why_nothing: str = ""  # "draft", "older than the horizon", "before the baseline"
    is_baseline: bool = False  # this run is the definition's baseline: record it
    opened: tuple[Opened, ...] = ()
    closed: tuple[Closed, ...] = ()
    unqualified: tuple[Unqualified, ...] = ()
    occurrences_opened: tuple[OccurrenceOpened, ...] = ()
    occurrences_closed: tuple[OccurrenceClosed, ...] = ()
    occurrences_false: tuple[OccurrenceFalse, ...] = ()
    decided: tuple[Decided, ...] = ()
    kept_newer: tuple[str, ...] = ()  # subjects decided at a newer as-of: untouched, their marks stay (SEM-D2)

    @property
    def changes(self) -> int:
        """How many ledger rows other than `decided` this writes; 0 when deciding the same thing again."""
        return (
            len(self.opened)
            + len(self.closed)
            + len(self.unqualified)
            + len(self.occurrences_opened)
            + len(self.occurrences_closed)
            + len(self.occurrences_false)
        )
