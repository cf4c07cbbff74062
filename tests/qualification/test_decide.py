"""Who is announced, who opens silently, who leaves: stories around one account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pql.qualification.model import Block

T = datetime(2026, 3, 10, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NAIVE = pd.Timestamp(T).tz_localize(None)


def silence(made):
    return [o.silent_reason for o in made.opened]


def test_newly_qualified_is_announced_once(ledger, define, account):
    """SEM-D3: qualified, no open episode, not cooling down: an episode opens and is announced; a rerun does nothing."""
    made = ledger.run(define(), account())
    assert [(o.subject_key, o.announced, o.score) for o in made.opened] == [("org:a", True, 50)]
    again = ledger.run(define(), account())
    assert again.changes == 0
    assert ledger.announced == [("org:a", "episode")]


def test_the_baseline_is_silent(ledger, define, account):
    """SEM-D3 (a): the first run over everybody opens what is true already and tells nobody."""
    ledger.has_baseline = False
    made = ledger.run(define(), account(), account("org:b", qualified=False))
    assert (made.is_baseline, silence(made)) == (True, ["baseline"])
    later = ledger.run(define(), account(), account("org:b"), at=T + HOUR)
    assert [o.subject_key for o in later.opened] == ["org:b"]
    assert ledger.announced == [("org:b", "episode")]


def test_hourly_runs_before_the_baseline_decide_nothing(ledger, define, account):
    """SEM-D3 (a): nothing is opened and nobody counts as decided."""
    made = ledger.run(define(), account(), baseline="none")
    assert (made.changes, made.decided, made.why_nothing, made.live) == (0, (), "before the baseline", True)


@pytest.mark.parametrize("status", ["draft", "retired"])
def test_a_definition_that_is_not_live_decides_nothing(ledger, define, account, status):
    """SEM-D2: a run is live for a definition when the definition is."""
    made = ledger.run(define(status=status), account())
    assert (made.changes, made.decided, made.why_nothing, made.live) == (0, (), status, False)


def test_a_run_beyond_the_horizon_decides_nothing(ledger, define, account):
    """SEM-D2, SEM-D6: T older than now − horizon is history; exactly on it is still live."""
    late = ledger.run(define(), account(), at=T, now=T + timedelta(hours=48, seconds=1))
    assert (late.changes, late.decided, late.live) == (0, (), False)
    assert late.why_nothing == "older than the horizon"
    assert ledger.run(define(), account(), at=T, now=T + timedelta(hours=48)).live


def test_stale_news_opens_silently(ledger, define, account):
    """SEM-D3 (b): who qualified at T − 7 d by today's data and rules is no news."""
    assert silence(ledger.run(define(), account(was_qualified=True))) == ["stale"]
    assert ledger.announced == []


def test_a_changed_key_announces_nothing(ledger, define, account):
    """SEM-W3: a subject whose identity changed in this run opens silently."""
    ledger.rekeyed = frozenset({"org:a"})
    assert silence(ledger.run(define(), account(), account("org:b"))) == ["identity", None]


def test_leaving_needs_every_evaluation_for_the_whole_time(ledger, define, account):
    """SEM-Q4: not qualified at every evaluation for `leave.after` closes it; one good evaluation starts over."""
    no = {"qualified": False}
    ledger.run(define(), account())
    for day in range(1, 10):
        ledger.run(define(), account(**no), at=T + day * DAY)
    ledger.run(define(), account(), at=T + 10 * DAY)
    for day in range(11, 25):
        assert ledger.run(define(), account(**no), at=T + day * DAY).closed == ()
    made = ledger.run(define(), account(**no), at=T + 25 * DAY)
    assert [(c.reason, c.returns_after) for c in made.closed] == [("left", T + (25 + 90) * DAY)]
    assert ledger.announced == [("org:a", "episode")]


def test_flicker_is_one_episode(ledger, define, account):
    """SEM-Q4: an account that flickers is announced once and never closed."""
    for hour in range(24 * 20):
        ledger.run(define(), account(qualified=hour % 2 == 0), at=T + hour * HOUR)
    assert ledger.announced == [("org:a", "episode")]
    assert ledger.closed == {}


def test_leaving_waits_for_complete_sources(ledger, define, account):
    """SEM-D2: leaving rests on absence; evaluations on incomplete sources do not count towards it."""
    ledger.run(define(), account())
    ledger.run(define(), account(qualified=False), at=T + DAY, complete=False)
    assert ledger.open["org:a"].unqualified_since is None
    ledger.run(define(), account(qualified=False), at=T + 2 * DAY)
    made = ledger.run(define(), account(qualified=False), at=T + 20 * DAY, complete=False)
    assert (made.closed, ledger.open["org:a"].unqualified_since) == ((), T + 2 * DAY)


def test_what_rests_on_absence_opens_only_when_complete(ledger, define, account):
    """SEM-D2: a subject that qualifies by being quiet is decided when the sources are complete to T."""
    quiet = {"qualified": True, "qualified_surely": False}
    assert ledger.run(define(), account(**quiet), complete=False).opened == ()
    assert len(ledger.run(define(), account(**quiet), at=T + HOUR).opened) == 1


def test_coming_back_needs_the_cooldown(ledger, define, account):
    """SEM-Q4: not before `return.after` from closing; the end of the cooldown is fresh news (SEM-D3)."""
    definition = define(leave_after_days=1.0, return_after_days=30.0)
    ledger.run(definition, account())
    ledger.run(definition, account(qualified=False), at=T + DAY)
    ledger.run(definition, account(qualified=False), at=T + 2 * DAY)
    end = T + 32 * DAY
    waiting = ledger.run(definition, account(was_qualified=True), at=end - HOUR)
    assert (waiting.opened, waiting.decided[0].eligible) == ((), False)
    made = ledger.run(definition, account(was_qualified=True), at=end)
    assert silence(made) == [None]
    assert ledger.announced == [("org:a", "episode")] * 2


def test_an_old_cooldown_end_is_no_news(ledger, define, account):
    """SEM-D3: only an end after T − 7 d is fresh; coming back from a longer outage floods nobody."""
    definition = define(leave_after_days=1.0, return_after_days=30.0)
    ledger.run(definition, account())
    ledger.run(definition, account(qualified=False), at=T + DAY)
    ledger.run(definition, account(qualified=False), at=T + 2 * DAY)
    made = ledger.run(definition, account(was_qualified=True), at=T + 40 * DAY)
    assert silence(made) == ["stale"]


@pytest.mark.parametrize(
    ("change", "reason", "days"),
    [
        ({"excluded": True, "qualified": False}, "excluded", 90),
        ({"only_ok": False, "qualified": False}, "only", 90),
        ({"attr.last_won_at": NAIVE + HOUR}, "won", 90),
        ({"attr.not_a_fit": True}, "blocked", None),
        ({"attr.snooze_until": NAIVE + 9 * DAY}, "blocked", None),
    ],
)
@pytest.mark.parametrize("complete", [True, False])
def test_some_things_close_at_once(ledger, define, account, change, reason, days, complete):
    """SEM-Q4: an exclusion, failing `only`, a block or a deal won since opening closes it at once, without `left`."""
    definition = define("  - {play: Gone, on: left, do: [{slack: {channel: '#pql'}}]}\n")
    trigger = {"trigger.gone": True, "trigger_was.gone": False}
    ledger.run(definition, account(**trigger))
    made = ledger.run(definition, account(**trigger, **change), at=T + 2 * HOUR, complete=complete)
    after = None if days is None else T + 2 * HOUR + days * DAY
    assert [(c.reason, c.returns_after) for c in made.closed] == [(reason, after)]
    assert made.occurrences_opened == ()
    assert ledger.run(definition, account(**trigger, **change), at=T + 2 * HOUR, complete=complete).changes == 0


def test_unknown_is_not_failing(ledger, define, account):
    """SEM-Q4: an unknown `only` does not close at once (it just does not qualify), and nobody enters by it (SEM-M4)."""
    ledger.run(define(), account())
    made = ledger.run(define(), account(qualified=False, only_ok=None), at=T + HOUR)
    assert (made.closed, made.unqualified[0].since) == ((), T + HOUR)


def test_a_deal_won_before_the_opening_closes_nothing(ledger, define, account):
    """SEM-Q4: only a deal won since opening counts; an upsell starts from one that was won before."""
    ledger.run(define(), account(**{"attr.last_won_at": NAIVE - 30 * DAY}))
    assert ledger.run(define(), account(**{"attr.last_won_at": NAIVE - 30 * DAY}), at=T + HOUR).changes == 0


@pytest.mark.parametrize(
    "block",
    [
        Block("snooze", T - DAY, until=T + DAY),
        Block("not_a_fit", T - DAY),
        Block("block", T + HOUR),
    ],
)
def test_a_blocked_account_does_not_enter(ledger, define, account, block):
    """SEM-W4: no episode opens while a block holds, also one that a human set between T and now."""
    ledger.blocks["org:a"] = (block,)
    made = ledger.run(define(), account(), account("org:b"), now=T + 2 * HOUR)
    assert [o.subject_key for o in made.opened] == ["org:b"]
    assert [d.eligible for d in made.decided] == [False, True]


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (Block("snooze", T - 30 * DAY, until=T - 6 * DAY), True),
        (Block("not_a_fit", T - 30 * DAY, lifted_at=T - DAY), True),
        (Block("snooze", T - 30 * DAY, until=T - 8 * DAY), False),
        (Block("snooze", T - 30 * DAY, until=T + 8 * DAY, lifted_at=T - 8 * DAY), False),
        (Block("not_a_fit", T + DAY, lifted_at=T + 2 * DAY), False),
    ],
)
def test_the_end_of_a_block_is_fresh_news(ledger, define, account, block, told):
    """SEM-D3: if a block ended after T − 7 d, what qualifies is news although it qualified a week ago."""
    ledger.blocks["org:a"] = (block,)
    assert silence(ledger.run(define(), account(was_qualified=True))) == [None if told else "stale"]


def test_after_a_block_it_returns_when_the_block_ends(ledger, define, account):
    """SEM-Q4: a snooze closes at once, and its end brings the account back without a cooldown, as news."""
    ledger.run(define(), account())
    ledger.blocks["org:a"] = (Block("snooze", T + HOUR, until=T + 3 * DAY),)
    assert [c.reason for c in ledger.run(define(), account(), at=T + 2 * HOUR).closed] == ["blocked"]
    assert ledger.run(define(), account(was_qualified=True), at=T + 2 * DAY).opened == ()
    assert silence(ledger.run(define(), account(was_qualified=True), at=T + 3 * DAY)) == [None]


def test_a_crm_block_that_ends_is_fresh_news_too(ledger, define, account):
    """SEM-D3: "not a fit" withdrawn in the CRM within the week brings the account back as news."""
    ledger.run(define(), account())
    ledger.run(define(), account(**{"attr.not_a_fit": True}), at=T + DAY)
    assert silence(ledger.run(define(), account(was_qualified=True), at=T + 2 * DAY)) == [None]


def test_an_older_evaluation_never_overturns_a_newer_one(ledger, define, account):
    """SEM-D2: a subject decided at a newer as-of is left alone and named, so that its mark stays."""
    ledger.run(define(), account(), at=T)
    before = ledger.facts()
    made = ledger.run(define(), account(qualified=False), account("org:b"), at=T - HOUR, now=T)
    assert made.kept_newer == ("org:a",)
    assert [d.subject_key for d in made.decided] == ["org:b"]
    assert ledger.facts().subject("org:a") == before.subject("org:a")


def test_a_rerun_of_the_same_hour_sees_late_data(ledger, define, account):
    """SEM-D2: only an older T is refused: a failed hour rerun after its data came announces what it should, once."""
    ledger.run(define(), account(qualified=False))
    ledger.run(define(), account(), now=T + HOUR)
    ledger.run(define(), account(), now=T + 2 * HOUR)
    assert ledger.announced == [("org:a", "episode")]


def test_a_new_version_keeps_episodes_and_cooldowns(ledger, define, account):
    """SEM-Q5: another rules hash changes nothing about who is open, and nobody is announced for it."""
    ledger.run(define(), account())
    made = ledger.run(define(rules_hash="another"), account(), at=T + HOUR)
    assert (made.rules_hash, made.changes) == ("another", 0)
