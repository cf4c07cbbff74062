"""What is news and what is not: late events, history, new rules and outages here, what has just begun there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.flow.conftest import DAY, HABIT, HOUR, SETTINGS, T0, another, days_before

from pql import outbox
from pql.store import blocks

NIGHT = T0 + 10 * DAY  # a night well after the baseline


def daily(until, days):
    """Ten o'clock on each of so many days before that midnight."""
    return days_before(until, *range(days, 0, -1))


def test_an_event_three_days_late_still_counts(story):
    """SEM-D3, T2: what the export brings late makes news as if it had been there (PRODUCT-S4)."""
    story.happens("ada", *days_before(NIGHT, 4, 2))
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    story.happens("ada", *days_before(NIGHT, 3), file="late")
    assert story.run("hourly", NIGHT + HOUR)["announced"] == 1
    story.deliver()
    assert story.told() == ["ada"]


def test_an_event_so_late_that_it_is_old_news_is_silent(story):
    """SEM-D3 (b): by today's data it qualified a week ago already; it is listed and can be released."""
    story.define(HABIT.replace("{active_days: acted, last: 7d, title: active days}", "{active_days: acted}"))
    story.happens("ada", *days_before(NIGHT, 10, 9))
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    story.happens("ada", *days_before(NIGHT, 11), file="late")
    summary = story.run("hourly", NIGHT + HOUR)
    assert (summary["announced"], summary["silent"]) == (0, 1)
    assert story.deliver() == {}
    assert story.episodes() == {"user:ada": "stale"}
    waiting = story.do(lambda connection: outbox.list_silent(connection))
    assert "user:ada" in [each.subject_key for each in waiting]


def test_loading_history_floods_nobody(story):
    """SEM-D3: a year of somebody else's habit is old news; who began this week is told of; the rest can be released."""
    story.run("nightly", T0)
    for number in range(30):
        story.happens(f"h{number:02d}", *daily(NIGHT, 20 + number), file="history")
    story.happens("eve", *daily(NIGHT, 3), file="history")
    story.run("hourly", NIGHT - HOUR)
    story.run("nightly", NIGHT)
    story.deliver()
    assert story.told() == ["eve"]
    assert set(story.episodes().values()) == {"stale", None}
    assert len(story.episodes()) == 31
    released = story.do(lambda connection: outbox.release_silent(connection, now=NIGHT, top=2))
    assert len(released.episode_ids) == 2
    story.deliver()
    assert len(story.told()) == 3


PAYING = HABIT.replace("signals:", "signals:\n  plan: {attribute: plan}").replace(
    "criteria:", "criteria:\n  fit: {plan: {is: pro}}"
)
BILLING = SETTINGS.replace(
    "destinations:",
    """
  billing:
    kind: files
    path: billing.csv
    emits: [{name: Plan Known, time: at, user: who, account: org, account_traits: {plan: plan}, properties: []}]
destinations:""",
)


def test_connecting_a_source_floods_nobody(story):
    """SEM-D3 (b): what was unknown a week ago takes its value of today for the comparison."""
    story.define(PAYING)
    for number in range(5):
        story.happens(f"u{number}", *daily(NIGHT, 20), org=f"o{number}")
    story.happens("eve", *daily(NIGHT, 3), org="eve-co")
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    assert story.episodes() == {}
    rows = [f"{NIGHT.isoformat()},u{n},o{n},pro" for n in range(5)] + [f"{NIGHT.isoformat()},eve,eve-co,pro"]
    (story.folder / "billing.csv").write_text("at,who,org,plan\n" + "\n".join(rows) + "\n")
    story.settings(BILLING)
    story.run("hourly", NIGHT + HOUR)
    story.deliver()
    assert story.told() == ["eve-co"]
    assert len(story.episodes()) == 6


def test_editing_rules_floods_nobody(story):
    """SEM-D3 (b), Q5: by the new rules it was true a week ago already; the version is kept, the episodes go on."""
    story.happens("known", *daily(NIGHT + DAY, 15))
    for number in range(5):
        story.happens(f"weekly{number}", *days_before(NIGHT, 15, 14, 11, 10, 6, 5, 2, 1), what="Glance")
    story.happens("eve", *days_before(NIGHT, 2, 1), what="Glance")
    story.run("nightly", T0)
    story.run("nightly", NIGHT)
    assert list(story.episodes()) == ["user:known"]
    story.define(HABIT.replace("acted: Act", "acted: [Act, Glance]").replace("{min: 3}", "{min: 2}"))
    story.run("hourly", NIGHT + HOUR)
    story.run("nightly", NIGHT + DAY)
    story.deliver()
    assert story.told() == ["eve"]
    stale = {f"user:weekly{n}": "stale" for n in range(5)}
    assert story.episodes() == {"user:known": "baseline", "user:eve": None, **stale}
    assert len(story.ledger()["definitions"]) == 2


def test_coming_back_from_an_outage_floods_nobody(story):
    """SEM-D3, D6: the hours missed decide nothing; the first live run tells what happened within the week."""
    for number in range(5):
        story.happens(f"during{number}", *daily(NIGHT, 10))
    story.happens("eve", *daily(NIGHT, 4))
    story.run("nightly", T0)
    story.now = NIGHT
    for hours in (96, 72, 49):
        assert story.run("hourly", NIGHT - hours * HOUR)["live"] is False
    story.run("nightly", NIGHT)
    story.deliver()
    assert story.told() == ["eve"]
    assert story.episodes() == {"user:eve": None, **{f"user:during{n}": "stale" for n in range(5)}}


def test_a_new_definition_begins_with_a_silent_night(story):
    """SEM-D3 (a): hourly runs decide nothing before the definition's baseline, and keep its marks."""
    story.happens("ada", *daily(NIGHT + DAY, 13))
    story.run("nightly", NIGHT)
    story.define(another("second", "Sooner", 2), "second")
    story.happens("eve", *days_before(NIGHT + DAY, 2, 1))
    hourly = story.run("hourly", NIGHT + 12 * HOUR)
    assert hourly["by_definition"]["second"]["decided_nothing"] == "before the baseline"
    night = story.run("nightly", NIGHT + DAY)
    assert night["by_definition"]["second"]["silent"] == 2
    story.happens("new", *days_before(NIGHT + 2 * DAY, 2, 1))
    assert story.run("nightly", NIGHT + 2 * DAY)["by_definition"]["second"]["announced"] == 1


def test_a_draft_is_computed_and_silent(story):
    """SEM-D2, D3: a draft decides nothing; set live, its first night is the silent baseline."""
    story.define(HABIT.replace("status: live", "status: draft"))
    story.happens("ada", *daily(NIGHT + DAY, 4))
    for night in (T0, NIGHT):
        story.run("nightly", night)
    assert story.snapshot("nightly", NIGHT)["qualified"].sum() == 1
    assert story.episodes() == {}
    story.define(HABIT)
    story.run("nightly", NIGHT + DAY)
    assert story.episodes() == {"user:ada": "baseline"}
    assert story.deliver() == {}


def test_the_end_of_a_block_is_news(story):
    """SEM-D3, Q4: nothing is told of a blocked account; when the block ends and it still qualifies, it is."""
    story.happens("ada", *daily(NIGHT + 2 * DAY, 12))
    story.run("nightly", T0)
    story.do(
        lambda connection: blocks.block(
            connection, "user:ada", "snooze", reason="trade fair", origin="cli", now=story.now, until=NIGHT + DAY
        )
    )
    assert story.run("nightly", NIGHT)["newly_qualified"] == 0
    assert story.run("nightly", NIGHT + DAY)["announced"] == 1
    story.deliver()
    assert story.told() == ["ada"]


def test_a_block_ends_the_stay_and_its_end_begins_another(story):
    """SEM-Q4, D3: an announced account that is snoozed leaves at once and may return when the snooze is over."""
    story.happens("ada", *daily(NIGHT + 4 * DAY, 8))
    story.run("nightly", T0)
    assert story.run("nightly", NIGHT)["announced"] == 1
    story.deliver()
    until = NIGHT + 2 * DAY
    story.do(
        lambda connection: blocks.block(
            connection, "user:ada", "snooze", reason="on leave", origin="cli", now=story.now, until=until
        )
    )
    story.run("nightly", NIGHT + DAY)
    assert [row["close_reason"] for row in story.ledger()["episodes"]] == ["blocked"]
    assert story.run("nightly", until)["announced"] == 1
    story.deliver()
    assert story.told() == ["ada", "ada"]


def test_flickering_is_one_stay(story):
    """SEM-Q4: below the line for less than `leave.after` is the same stay; after leaving, a cooldown comes first."""
    story.define(HABIT.replace("last: 7d", "last: 3d") + "leave: {after: 4d}\nreturn: {after: 4d}\n")
    on = (1, 2, 3, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17)
    story.happens("ada", *(T0 + day * DAY + 10 * HOUR for day in on))
    said = [story.run("nightly", T0 + day * DAY)["announced"] for day in range(19)]
    story.deliver()
    stays = [(r["opened_as_of"].day, r["closed_as_of"] and r["closed_as_of"].day) for r in story.ledger()["episodes"]]
    # qualified in nights 4, 8 and from 14 on; below from 9, four days of it by 13; cooling down until 17
    assert stays == [(T0.day + 4, T0.day + 13), (T0.day + 17, None)]
    assert [day for day, announced in enumerate(said) if announced] == [4, 17]


def test_a_day_is_local(story):
    """SEM-T1, T3: half past midnight in Berlin belongs to the new day there, though it is still yesterday in UTC."""
    story.settings("timezone: Europe/Berlin\n" + SETTINGS)
    midnight = T0 - HOUR  # in Berlin, in winter
    story.run("nightly", midnight)
    story.happens("ada", *(midnight + days * DAY + HOUR / 2 for days in (0, 1, 2)))
    story.run("nightly", midnight + 2 * DAY)
    assert story.episodes() == {}
    assert story.run("nightly", midnight + 3 * DAY)["announced"] == 1


def test_the_night_before_a_short_day_is_its_midnight(story):
    """SEM-D6, T1: the night clocks change, one period ago is the last local midnight, not 24 hours ago."""
    story.settings("timezone: Europe/Berlin\n" + story.paths.settings.read_text())
    midnight = datetime(2026, 3, 29, 22, tzinfo=UTC)  # the 29th had 23 hours
    late = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # half past eleven in the evening, on the 28th
    story.happens("ada", *days_before(midnight, 4, 3), late)
    story.run("nightly", midnight)
    frame = story.snapshot("nightly", midnight).set_index("subject_key")
    assert frame.loc["user:ada", ["qualified", "would_have_announced"]].tolist() == [True, False]


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_the_hour_in_which_clocks_change_is_an_hour(story, offset):
    """SEM-T1: around the night of summer time, days keep their events and every moment has its own."""
    story.settings("timezone: Europe/Berlin\n" + SETTINGS)
    change = T0.replace(month=3, day=29, hour=1)  # 01:00 UTC: 2:00 becomes 3:00 in Berlin
    story.happens("ada", *(change + days * DAY + offset * HOUR for days in (-2, -1, 0)))
    story.run("nightly", change - 4 * DAY - 2 * HOUR)
    at = change + (offset + 1) * HOUR
    assert story.run("hourly", at)["announced"] == 1
    assert story.snapshot("hourly", at)["signal.days"].tolist() == [3]
