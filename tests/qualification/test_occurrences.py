"""Plays on other triggers: one open occurrence, silence for what is old, rest before the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

T = datetime(2026, 3, 10, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)

LIMIT = "  - {play: Limit, on: {near_limit: seats_used_pct, min: 80}, do: [{slack: {channel: '#pql'}}]}\n"
QUIET = "  - {play: Quiet, on: gone_quiet, do: [{slack: {channel: '#pql'}}]}\n"
GONE = "  - {play: Gone, on: left, do: [{slack: {channel: '#pql'}}]}\n"


def limit(now: bool, was: bool = False) -> dict[str, bool]:
    return {"qualified": False, "trigger.limit": now, "trigger_was.limit": was}


def quiet(now: bool, was: bool = False) -> dict[str, bool]:
    return {"qualified": False, "trigger.quiet": now, "trigger_was.quiet": was}


def test_one_occurrence_until_it_rested(ledger, define, account):
    """SEM-D4: at most one open occurrence; it re-arms after the condition was false for `rearm` (1 d)."""
    definition = define(LIMIT)
    for hour, holds in enumerate([True, True, False, True, False]):
        ledger.run(definition, account(**limit(holds)), at=T + hour * HOUR)
    assert ledger.announced == [("org:a", "limit")]
    assert ledger.occurrences[("org:a", "limit")].false_since == T + 4 * HOUR
    early = ledger.run(definition, account(**limit(False)), at=T + 27 * HOUR)
    assert early.occurrences_closed == ()
    rested = ledger.run(definition, account(**limit(False)), at=T + 28 * HOUR)
    assert [c.play for c in rested.occurrences_closed] == ["limit"]
    ledger.run(definition, account(**limit(True)), at=T + 29 * HOUR)
    assert ledger.announced == [("org:a", "limit")] * 2


def test_deciding_an_occurrence_twice_changes_nothing(ledger, define, account):
    """SEM-D4: the same evaluation again opens, closes and notes nothing."""
    definition = define(LIMIT)
    for hour, holds in enumerate([True, False, True]):
        ledger.run(definition, account(**limit(holds)), at=T + hour * HOUR)
        assert ledger.run(definition, account(**limit(holds)), at=T + hour * HOUR).changes == 0


def test_a_new_play_floods_nobody(ledger, define, account):
    """SEM-D4: what already held at T − 7 d opens silently; the baseline and changed keys do, too."""
    definition = define(LIMIT)
    made = ledger.run(definition, account(**limit(True, was=True)), account("org:b", **limit(True)))
    assert [(o.subject_key, o.silent_reason) for o in made.occurrences_opened] == [("org:a", "stale"), ("org:b", None)]
    ledger.rekeyed = frozenset({"org:c"})
    made = ledger.run(definition, account("org:c", **limit(True)))
    assert [o.silent_reason for o in made.occurrences_opened] == ["identity"]


def test_the_baseline_opens_occurrences_silently(ledger, define, account):
    """SEM-D3 (a): a baseline tells nobody, whatever the trigger."""
    ledger.has_baseline = False
    made = ledger.run(define(LIMIT), account(**limit(True)))
    assert [o.silent_reason for o in made.occurrences_opened] == ["baseline"]


@pytest.mark.parametrize(
    "barred", [{"excluded": True}, {"only_ok": False}, {"only_ok": None}, {"attr.not_a_fit": True}]
)
def test_who_cannot_enter_gets_no_play(ledger, define, account, barred):
    """SEM-W4: `only`, exclusions and blocks hold for every play of the definition."""
    assert ledger.run(define(LIMIT), account(**limit(True), **barred)).occurrences_opened == ()


def test_absence_is_decided_only_when_complete(ledger, define, account):
    """SEM-D2: quiet begins, and a reached limit ends, only when nothing can still come; the reverse is sure."""
    definition = define(QUIET)
    assert ledger.run(definition, account(**quiet(True)), complete=False).changes == 0
    ledger.run(definition, account(**quiet(True)), at=T + HOUR)
    ended = ledger.run(definition, account(**quiet(False)), at=T + 2 * HOUR, complete=False)
    assert [f.since for f in ended.occurrences_false] == [T + 2 * HOUR]
    limited = define(LIMIT)
    ledger.run(limited, account("org:l", **limit(True)), complete=False)
    assert ("org:l", "limit") in ledger.announced
    assert ledger.run(limited, account("org:l", **limit(False)), at=T + HOUR, complete=False).changes == 0


def test_at_most_once_per_period(ledger, define, account):
    """PRODUCT-A1: within `at_most_every` of the last one that was told, a further occurrence opens silently."""
    definition = define(LIMIT.replace("do:", "at_most_every: 30d, do:"))
    for day, holds in [(0, True), (1, False), (2, False), (3, True), (4, False), (5, False), (31, True)]:
        ledger.run(definition, account(**limit(holds)), at=T + day * DAY)
    assert ledger.announced == [("org:a", "limit")] * 2
    assert ledger.last_announced[("org:a", "limit")] == T + 31 * DAY


def test_leaving_is_told_when_it_happens(ledger, define, account):
    """SEM-Q4, SEM-D4: `left` fires with the closing, once, and may fire again after the next stay."""
    definition = define(GONE, leave_after_days=1.0, return_after_days=1.0)
    gate = {"trigger.gone": True, "trigger_was.gone": False}
    told = []
    for day, holds in enumerate([True, False, False, False, True, True, True, False, False, False]):
        made = ledger.run(definition, account(qualified=holds, **gate), at=T + day * DAY)
        told += [day for _ in made.occurrences_opened]
    assert told == [2, 8]


def test_a_left_play_added_later_is_silent_about_the_past(ledger, define, account):
    """SEM-D4: who left before the play existed is not told about."""
    ledger.run(define(leave_after_days=1.0), account())
    for day in (1, 2):
        ledger.run(define(leave_after_days=1.0), account(qualified=False), at=T + day * DAY)
    assert ledger.closed["org:a"].close_reason == "left"
    gate = {"trigger.gone": True, "trigger_was.gone": False}
    assert ledger.run(define(GONE), account(qualified=False, **gate), at=T + 3 * DAY).changes == 0
