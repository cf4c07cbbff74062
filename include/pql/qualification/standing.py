"""Where a subject stands at T besides its score: blocked, cooling down, freshly freed, or to be let go at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pql.qualification.model import Block, CloseReason, LastClosed, OpenEpisode


@dataclass(frozen=True)
class Row:
    """What `decide` reads of one scored row."""

    subject_key: str
    account_key: str
    qualified: bool
    qualified_surely: bool
    was_qualified: bool
    excluded: bool
    only_ok: bool | None
    crm_blocked: bool
    snooze_until: datetime | None
    last_won_at: datetime | None
    score: int


def is_active(block: Block, as_of: datetime, now: datetime) -> bool:
    """Whether the block holds. What a human did since T counts too: a block set at any time up to `now` is one."""
    if block.created_at > now or (block.lifted_at is not None and block.lifted_at <= now):
        return False
    return block.until is None or block.until > as_of


def ended_at(block: Block) -> datetime | None:
    """When the block stopped, or will stop, holding; None if nobody knows."""
    ends = [end for end in (block.until, block.lifted_at) if end is not None]
    return min(ends) if ends else None


def is_cooling(last: LastClosed | None, as_of: datetime) -> bool:
    """Whether the subject may not come back yet (SEM-Q4)."""
    return last is not None and last.returns_after is not None and last.returns_after > as_of


def is_freed(
    row: Row, blocks: tuple[Block, ...], last: LastClosed | None, as_of: datetime, stale_after: timedelta
) -> bool:
    """Whether a block or cooldown of the subject ended after T − stale, which makes its qualifying fresh news (SEM-D3).

    So is it after a retraction, however long it has been true: what was told was taken back. The end of an exclusion
    shows by itself: the subject was not qualified while it held.
    """
    if last is not None and last.close_reason == "retracted":
        return True
    ends = [ended_at(block) for block in blocks if block.created_at <= as_of] + [row.snooze_until]
    if last is not None:
        ends += [last.returns_after, last.closed_as_of if last.close_reason == "blocked" else None]
    return any(end is not None and end > as_of - stale_after for end in ends)


def parting(row: Row, episode: OpenEpisode, blocked: bool) -> CloseReason | None:
    """Why the episode ends at once, if it does; unknown is not a reason (SEM-Q4).

    A block comes last: after it the subject may return when the block ends, after the others only after a cooldown.
    """
    if row.last_won_at is not None and row.last_won_at > episode.opened_as_of:
        return "won"
    if row.excluded:
        return "excluded"
    if row.only_ok is False:
        return "only"
    return "blocked" if blocked else None


def returns_after(reason: CloseReason, as_of: datetime, cooldown: timedelta) -> datetime | None:
    """End of the cooldown that follows; none after a block, and none after a stay that had never begun."""
    return None if reason in ("blocked", "retracted") else as_of + cooldown
