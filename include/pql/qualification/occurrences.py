"""Plays other than `newly_qualified`: at most one open occurrence per play and subject, re-armed by rest (SEM-D4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pql.definition.model import Play
from pql.qualification.model import (
    OccurrenceClosed,
    OccurrenceFalse,
    OccurrenceOpened,
    OpenOccurrence,
    SilentReason,
    SubjectFacts,
)
from pql.qualification.triggers import ABSENCE

Change = OccurrenceOpened | OccurrenceClosed | OccurrenceFalse


@dataclass(frozen=True)
class Moment:
    """What is the same for all plays of one subject at one evaluation."""

    subject_key: str
    account_key: str
    as_of: datetime
    complete: bool
    may_open: bool  # neither blocked nor excluded, and `only` holds
    silent: SilentReason | None  # baseline or identity: whatever opens now opens silently


def decide_play(play: Play, holds: bool, held: bool, facts: SubjectFacts, moment: Moment) -> Change | None:
    """What happens to the play's occurrence for the subject: opens, closes, notes a change, or nothing.

    `holds`: the condition now; `held`: already at T − stale. What rests on absence waits for complete sources, in both
    directions: quiet begins, and a met limit ends, only when nothing can still come (SEM-D2).
    """
    rests_on_absence = holds == (play.on.kind in ABSENCE)
    if rests_on_absence and not moment.complete:
        return None
    current = next((o for o in facts.occurrences if o.play == play.id), None)
    if current is not None:
        return _keep(play, holds, current, moment)
    return _open(play, held, facts, moment) if holds and moment.may_open else None


def _keep(play: Play, holds: bool, current: OpenOccurrence, moment: Moment) -> Change | None:
    since = None if holds else current.false_since or moment.as_of
    if since is not None and moment.as_of - since >= timedelta(days=play.rearm_days):
        return OccurrenceClosed(current.id, play.id, moment.subject_key, moment.as_of)
    if since != current.false_since:
        return OccurrenceFalse(current.id, play.id, moment.subject_key, since)
    return None


def _open(play: Play, held: bool, facts: SubjectFacts, moment: Moment) -> OccurrenceOpened:
    silent = moment.silent or ("stale" if held else None)
    if silent is None and _too_soon(play, facts.last_announced.get(play.id), moment.as_of):
        silent = "at_most"
    return OccurrenceOpened(
        play.id, moment.subject_key, moment.account_key, moment.as_of, announced=silent is None, silent_reason=silent
    )


def _too_soon(play: Play, last: datetime | None, as_of: datetime) -> bool:
    every = play.at_most_every_days
    return every is not None and last is not None and as_of - last < timedelta(days=every)
