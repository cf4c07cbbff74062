"""Whatever order live runs come in, and however often: one open episode, nothing told twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

T = datetime(2026, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUBJECTS = ("org:a", "org:b", "org:c")
LIMIT = "  - {play: Limit, on: {near_limit: seats_used_pct, min: 80}, do: [{slack: {channel: '#pql'}}]}\n"
HOURS = 8

quietly = settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fixtures here are pure builders

facts_of_an_hour = st.fixed_dictionaries(
    {
        "qualified": st.booleans(),
        "was_qualified": st.booleans(),
        "trigger.limit": st.booleans(),
        "trigger_was.limit": st.booleans(),
    }
)
history = st.fixed_dictionaries({s: st.lists(facts_of_an_hour, min_size=HOURS, max_size=HOURS) for s in SUBJECTS})
runs = st.lists(
    st.tuples(st.integers(0, HOURS - 1), st.sets(st.sampled_from(SUBJECTS), min_size=1), st.booleans()), max_size=16
)


def play_out(ledger, definition, account, past, order, now):
    """A silent baseline, the runs in that order, and a nightly over everybody at the newest T."""
    ledger.has_baseline = False
    ledger.run(definition, *[account(s, **dict.fromkeys(past[s][0], False)) for s in SUBJECTS], at=T - HOUR, now=now)
    for hour, subjects, complete in order:
        rows = [account(s, **past[s][hour]) for s in sorted(subjects)]
        ledger.run(definition, *rows, at=T + hour * HOUR, now=now, complete=complete)
    ledger.run(definition, *[account(s, **past[s][-1]) for s in SUBJECTS], at=T + (HOURS - 1) * HOUR, now=now)


@quietly
@given(past=history, order=runs)
def test_any_order_of_live_runs_ends_the_same(new_ledger, define, account, past, order):
    """SEM-D1, D2, D3: a nightly at the newest T after any runs leaves everybody who is qualified then with an open
    episode, exactly as if it had been the only run; nobody is announced twice.

    Within the horizon nothing leaves (that takes days), so what is open is the union of what was seen qualified.
    """
    now, definition = T + HOURS * HOUR, define(LIMIT)
    ledger, alone = new_ledger(), new_ledger()
    play_out(ledger, definition, account, past, order, now)
    play_out(alone, definition, account, past, [], now)
    qualified = {s for s in SUBJECTS if past[s][-1]["qualified"]}
    assert set(ledger.open) & qualified == set(alone.open) == qualified
    assert len(ledger.announced) == len(set(ledger.announced))


@quietly
@given(past=history, order=runs)
def test_runs_done_twice_change_nothing(new_ledger, define, account, past, order):
    """SEM-D2: every run repeated at once, and the whole sequence repeated at the end, writes no second effect."""
    now, definition = T + HOURS * HOUR, define(LIMIT)
    once, twice = new_ledger(), new_ledger()
    play_out(once, definition, account, past, order, now)
    play_out(twice, definition, account, past, [run for run in order for _ in range(2)], now)
    assert twice.facts() == once.facts()
    assert twice.announced == once.announced
    for hour, subjects, complete in order:
        rows = [account(s, **past[s][hour]) for s in sorted(subjects)]
        twice.run(definition, *rows, at=T + hour * HOUR, now=now, complete=complete)
    assert twice.facts() == once.facts()
    assert twice.announced == once.announced


@quietly
@given(
    days=st.lists(
        st.tuples(
            st.integers(0, 6),
            st.fixed_dictionaries(
                {
                    "qualified": st.booleans(),
                    "was_qualified": st.booleans(),
                    "excluded": st.sampled_from([False, False, False, True]),
                    "attr.not_a_fit": st.sampled_from([None, None, True]),
                }
            ),
        ),
        max_size=40,
    )
)
def test_one_open_episode_and_a_pause_between_stays(new_ledger, define, account, days):
    """SEM-Q4: over weeks of coming and going there is never a second open episode (the ledger would refuse it), a stay
    that left returns after its cooldown only, and nobody who is excluded or blocked has an open episode."""
    definition, ledger, at = define(leave_after_days=3.0, return_after_days=10.0), new_ledger(), T
    for gap, said in days:
        at += gap * 24 * HOUR
        row = account(**said) | {"qualified": said["qualified"] and not said["excluded"]}
        last = ledger.closed.get("org:a")
        made = ledger.run(definition, row, at=at)
        if made.opened and last is not None and last.returns_after is not None:
            assert at >= last.returns_after
        assert not ("org:a" in ledger.open and (said["excluded"] or said["attr.not_a_fit"]))
        assert ledger.run(definition, row, at=at).changes == 0
