"""The simulated company: the same for everybody who asks, and interesting at any hour."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import pytest

from pql.sandbox import names
from pql.sandbox.company import DAY, HOUR, Account, accounts_of, day_of, is_weekend
from pql.sandbox.simulation import Sent, alive_on, events_of

TODAY = date(2026, 11, 18).toordinal() - date(1970, 1, 1).toordinal()  # a Wednesday
WEEK = range(TODAY - 7, TODAY)


@pytest.fixture(scope="module")
def week() -> dict[int, tuple[Sent, ...]]:
    return {day: events_of(7, day) for day in WEEK}


@pytest.fixture(scope="module")
def accounts() -> dict[str, Account]:
    return {a.key: a for day in range(TODAY - 60, TODAY) for a in alive_on(7, day)}


def test_a_day_is_the_same_whenever_it_is_asked_for() -> None:
    """The same seed and day give the same lines, another seed gives others."""
    first = [sent.line for sent in events_of(7, TODAY)]
    events_of.cache_clear()
    accounts_of.cache_clear()
    assert [sent.line for sent in events_of(7, TODAY)] == first
    assert {sent.line for sent in events_of(8, TODAY)}.isdisjoint(first)


def test_events_lie_within_their_day_and_arrive_after_they_happen(week: dict[int, tuple[Sent, ...]]) -> None:
    """An event belongs to the day it is exported with; nothing arrives more than 36 hours (and a repetition) late."""
    for day, sents in week.items():
        assert all(day * DAY <= sent.time < (day + 1) * DAY for sent in sents)
        assert all(0 < sent.arrives_at - sent.time < 38 * HOUR for sent in sents)


def test_few_events_are_late_and_fewer_come_twice(week: dict[int, tuple[Sent, ...]]) -> None:
    """At most 2 % arrive more than ten minutes late, at most 1 % are repetitions; both do occur."""
    sents = [sent for day in week.values() for sent in day]
    ids = Counter(json.loads(sent.line)["properties"]["$insert_id"] for sent in sents)
    repeated = sum(count - 1 for count in ids.values())
    late = sum(sent.arrives_at - sent.time > 600 for sent in sents)
    assert 0 < repeated <= 0.01 * len(sents)
    assert 0 < late <= 0.02 * len(sents)


def test_weekends_are_quiet(week: dict[int, tuple[Sent, ...]]) -> None:
    """A Saturday or Sunday has less than half of an ordinary day's events, and still some."""
    weekend = [len(sents) for day, sents in week.items() if is_weekend(day)]
    weekdays = [len(sents) for day, sents in week.items() if not is_weekend(day)]
    assert 0 < max(weekend) < min(weekdays) / 2


def test_sixty_days_hold_hundreds_of_accounts_of_very_different_sizes(accounts: dict[str, Account]) -> None:
    """At least 400 accounts live in 60 days, from a handful of people to tens of thousands, some of unknown size."""
    sizes = [a.employees for a in accounts.values()]
    known = [size for size in sizes if size is not None]
    assert len(accounts) >= 400
    assert min(known) < 10
    assert max(known) > 20_000
    assert None in sizes


def test_sixty_days_are_a_quarter_of_a_million_events_at_most(week: dict[int, tuple[Sent, ...]]) -> None:
    """A week's events, taken eight and a half times, lie between 150,000 and 250,000."""
    assert 150_000 < sum(map(len, week.values())) * 60 / 7 < 250_000


def test_big_logos_sign_up_and_never_come_back(accounts: dict[str, Account]) -> None:
    """Accounts of thousands of employees whose people look round on the first day only."""
    logos = [a for a in accounts.values() if a.kind == "logo" and a.ends_at < TODAY * DAY]
    keys = {a.org_id for a in logos if a.signup_at > (TODAY - 40) * DAY}
    assert keys
    later = Counter(
        properties["org_id"]
        for day in WEEK
        for sent in events_of(7, day)
        if (properties := json.loads(sent.line)["properties"]).get("org_id") in keys
    )
    assert not later
    assert all(a.employees is None or a.employees >= 6_000 for a in logos)


def test_trials_wake_up(accounts: dict[str, Account]) -> None:
    """Some accounts are silent for more than ten days after signing up, then use the product every day."""
    sleeper = next(a for a in accounts.values() if a.wakes and a.moment_at > (TODAY - 20) * DAY)
    active = {
        day
        for day in range(day_of(sleeper.signup_at), day_of(sleeper.moment_at) + 1)
        if any(f'"{sleeper.org_id}"' in sent.line for sent in events_of(7, day))
    }
    asleep = range(day_of(sleeper.signup_at) + 2, day_of(sleeper.ramp_at))
    assert len(asleep) > 8
    assert len(active & set(asleep)) <= 2
    assert len(active - set(asleep)) >= 4


def test_staff_testers_and_free_mail_users_are_about(week: dict[int, tuple[Sent, ...]]) -> None:
    """Relay's own people, the test domain and people without a company all use the product."""
    text = "".join(sent.line for sent in week[TODAY - 1])
    assert f"@{names.OWN_DOMAIN}" in text
    assert f"@{names.TEST_DOMAIN}" in text
    assert any(f"@{domain}" in text for domain in names.FREE_MAIL)


def test_a_visitor_is_joined_to_the_user_he_becomes(week: dict[int, tuple[Sent, ...]]) -> None:
    """Devices seen anonymously are named by a later `$identify` event."""
    rows = [json.loads(sent.line) for sents in week.values() for sent in sents]
    joined = {row["properties"]["$anon_id"] for row in rows if row["event"] == "$identify"}
    visitors = {
        row["properties"]["$device_id"] for row in rows if row["properties"]["distinct_id"].startswith("$device:")
    }
    assert len(visitors & joined) > 20


def test_every_day_brings_turning_points_at_most_hours() -> None:
    """Each of 28 days, Sundays too, has several; over a week they fall into every daytime hour and into the night."""
    hours = Counter()
    for day in range(TODAY - 28, TODAY):
        moments = [
            a.moment_at for a in accounts_of(7, day) if a.kind in ("riser", "sleeper", "hand_raiser", "upgrader")
        ]
        assert len(moments) >= 6
        assert all(day_of(moment) == day for moment in moments)
        hours.update(moment % DAY // HOUR for moment in moments)
    assert all(hours[hour] for hour in range(7, 20))
    assert sum(hours[hour] for hour in (*range(6), *range(20, 24))) >= 20
