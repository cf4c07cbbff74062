"""Which events count at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from tests.features.conftest import FREE, Event, World, read

from pql.features import build

DEFINITION = read(
    """
events:
  signed_up: {event: Signed Up, passive: true}
  msg: Message
signals:
  anything: {count: msg}
  week: {count: msg, last: 7d}
  habit: {active_days: msg, last: 7d}
  early: {count: msg, first: 3d}
  quiet: {days_since: any_event}
"""
)


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=UTC)


def row(world: World, moment: datetime, definition=DEFINITION) -> pd.Series:
    frame = build(
        world.tables(definition, [moment]), definition, [moment], timezone=world.timezone, free_mail_domains=FREE
    )
    assert len(frame) == 1
    return frame.iloc[0]


def test_an_event_at_the_moment_itself_does_not_count_yet(world: World) -> None:
    """SEM-T2: only events before T count."""
    world.events = [Event(at(1), "Message", "u"), Event(at(2), "Message", "u")]
    assert row(world, at(2))["signal.anything"] == 1
    assert row(world, at(2) + timedelta(microseconds=1))["signal.anything"] == 2


def test_a_week_is_seven_local_days(world: World) -> None:
    """SEM-T3: at midnight the seven days just ended, at 14:00 today so far plus six."""
    world.events = [Event(at(day), "Message", "u") for day in range(1, 15)]
    midnight, afternoon = row(world, at(11, 0)), row(world, at(11, 14))
    assert (midnight["signal.week"], midnight["signal.habit"]) == (7, 7)
    assert (afternoon["signal.week"], afternoon["signal.habit"]) == (7, 7)
    assert row(world, at(11, 10))["signal.week"] == 6  # today's event is still to come


def test_days_are_local(world: World) -> None:
    """SEM-T1: 03:00 UTC belongs to the day before in New York."""
    world.timezone = "America/New_York"
    world.events = [Event(at(5, 3), "Message", "u"), Event(at(5, 12), "Message", "u")]
    late = row(world, at(6, 12))
    assert late["signal.habit"] == 2
    assert late["signup_day"] == pd.Timestamp("2024-03-04")


def test_the_first_days_start_at_signup(world: World) -> None:
    """SEM-T4: days 1–3 count, day 1 is signup's local date, and until day 3 is over it is *not yet*."""
    world.events = [Event(at(1), "Signed Up", "u"), *(Event(at(day), "Message", "u") for day in (1, 3, 4))]
    during, after = row(world, at(3, 23)), row(world, at(4, 0))
    assert (during["signal.early"], during["not_yet.early"]) == (2, True)
    assert (after["signal.early"], after["not_yet.early"]) == (2, False)
    assert row(world, at(20))["signal.early"] == 2


def test_a_window_before_the_loaded_history_is_flagged(world: World) -> None:
    """SEM-T5: a window that reaches before the first day in the lake is short, one that starts on it is not."""
    world.events = [Event(at(1), "Message", "u")]
    assert row(world, at(7, 0))["short.week"]
    assert not row(world, at(8, 0))["short.week"]


def test_signup_is_the_event_then_the_attribute_then_the_first_event(world: World) -> None:
    """SEM-T6: what is known by T decides, in that order; an account's is its users' earliest."""
    world.events = [
        Event(at(2), "Page", "u", hint="X"),
        Event(at(4), "Signed Up", "u", hint="X"),
        Event(at(6), "Page", "v", hint="X"),
    ]
    world.traits = [("user", "v", "signup_at", '"2024-03-03T08:00:00Z"', at(6))]
    assert row(world, at(3))["signup_at"] == pd.Timestamp("2024-03-02 12:00")
    assert row(world, at(5))["signup_at"] == pd.Timestamp("2024-03-04 12:00")
    assert row(world, at(7))["signup_at"] == pd.Timestamp("2024-03-03 08:00")


def test_a_crm_record_is_no_signup(world: World) -> None:
    """SEM-T6: a company that the CRM has known for years signed up when its first user did."""
    world.events = [Event(at(2), "Page", "u", hint="X")]
    world.add_crm("accounts", at(1), id="c", external_account_id="X", created_at=datetime(2019, 1, 1, tzinfo=UTC))
    assert row(world, at(3))["signup_at"] == pd.Timestamp("2024-03-02 12:00")


def test_usage_that_was_not_cut_at_the_moment_is_refused(world: World) -> None:
    """A row with events before and after T raises instead of counting wrongly."""
    world.events = [Event(at(2, 9), "Message", "u"), Event(at(2, 15), "Message", "u")]
    con = world.tables(DEFINITION, [])
    with pytest.raises(ValueError, match="not cut"):
        build(con, DEFINITION, [at(2, 12)], timezone="UTC", free_mail_domains=FREE)


def test_an_empty_lake_has_no_subjects(world: World) -> None:
    """Before anything happened there is no row, and no error; the columns are there."""
    frame = build(world.tables(DEFINITION, [at(2)]), DEFINITION, [at(2)], timezone="UTC", free_mail_domains=FREE)
    assert frame.empty
    assert {"signal.week", "account_key", "attr.name"} <= set(frame.columns)
