"""What signals and stages say, one rule at a time; `test_oracle` says it for all of them together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from tests.features.conftest import FREE, Event, World, read

from pql.definition.model import Definition
from pql.features import build, champions


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2024, 3, day, hour, minute, tzinfo=UTC)


def frame(world: World, definition: Definition, *moments: datetime) -> pd.DataFrame:
    con = world.tables(definition, moments)
    return build(con, definition, moments, timezone=world.timezone, free_mail_domains=FREE)


def row(world: World, definition: Definition, moment: datetime) -> pd.Series:
    return frame(world, definition, moment).iloc[0]


def test_a_habit_of_persons_is_not_a_habit_of_the_account(world: World) -> None:
    """SEM-W2: three users on one day each are three active days of the account and nobody's habit."""
    definition = read(
        """
events: {msg: Message}
signals:
  anything: {active_days: msg, last: 7d}
  habitual: {active_days: msg, last: 7d, per: user, min: 3}
"""
    )
    world.events = [Event(at(day), "Message", user, hint="X") for day, user in ((1, "a"), (2, "b"), (3, "c"))]
    found = row(world, definition, at(4, 0))
    assert (found["signal.anything"], found["signal.habitual"], found["users"]) == (3, 0, 3)
    world.events += [Event(at(day, 13), "Message", "a", hint="X") for day in (2, 3)]
    assert row(world, definition, at(4, 0))["signal.habitual"] == 1


def test_passive_events_are_no_activity(world: World) -> None:
    """SEM-M2: `any_event` leaves out passive events, and so does the last activity."""
    definition = read(
        "events: {signed_up: {event: Signed Up, passive: true}, msg: Message}\n"
        "signals: {anything: {count: any_event}}\n"
    )
    world.events = [Event(at(1), "Signed Up", "a")]
    found = row(world, definition, at(2))
    assert found["signal.anything"] == 0
    assert pd.isna(found["last_active_at"])


def test_sums_do_not_depend_on_order(world: World) -> None:
    """SEM-M1: a sum of a value is exact: ten times 0.1 is 1, whatever order it is read in."""
    definition = read("events: {call: {event: Call, value: minutes}}\nsignals: {anything: {sum: call}}\n")
    world.events = [Event(at(1, 1, minute), "Call", f"u{minute}", hint="X", value="0.1") for minute in range(10)]
    assert row(world, definition, at(2))["signal.anything"] == 1.0


def test_change_is_unknown_below_ten(world: World) -> None:
    """SEM-M1: a change means nothing unless the earlier window has at least 10."""
    definition = read("events: {msg: Message}\nsignals: {anything: {change: msg, last: 1d}}\n")
    world.events = [Event(at(1, 0, minute), "Message", "a") for minute in range(9)]
    world.events += [Event(at(2, 0, minute), "Message", "a") for minute in range(15)]
    assert np.isnan(row(world, definition, at(3, 0))["signal.anything"])
    world.events.append(Event(at(1, 1), "Message", "a"))
    assert row(world, definition, at(3, 0))["signal.anything"] == 50


def test_sessions_and_minutes_come_from_gaps(world: World) -> None:
    """SEM-M1: thirty minutes without an event end a session; minutes are those inside sessions."""
    definition = read("events: {msg: Message}\nsignals: {anything: {sessions: msg}, length: {minutes: msg}}\n")
    world.events = [Event(at(1, 1, minute), "Message", "a") for minute in (0, 10, 39)]
    world.events.append(Event(at(1, 2, 9), "Message", "a"))
    found = row(world, definition, at(2))
    assert (found["signal.anything"], found["signal.length"]) == (2, 39)


def test_what_nobody_knows_is_unknown(world: World) -> None:
    """SEM-M4: missing attributes, shares of a missing limit and averages of nothing are unknown, counts are 0."""
    definition = read(
        """
events: {call: {event: Call, value: minutes}, msg: Message}
signals:
  anything: {count: call}
  mean: {average: call}
  employees: {attribute: employees}
  plan: {attribute: plan}
  seats_pct: {share: anything, of: plan_seats}
  mine: {attribute: user.role}
"""
    )
    world.events = [Event(at(1), "Message", "a", hint="X")]
    found = row(world, definition, at(2))
    assert found["signal.anything"] == 0
    for name in ("mean", "employees", "plan", "seats_pct", "mine"):
        assert pd.isna(found[f"signal.{name}"]), name


def test_attributes_are_looked_up_in_order(world: World) -> None:
    """SEM-W2: CRM column or property, then account trait, then the person's own; as they were at T (SEM-C1)."""
    definition = read(
        """
events: {msg: Message}
signals:
  anything: {count: msg}
  plan: {attribute: plan}
  tier: {attribute: tier}
  seats_pct: {share: anything, of: plan_seats}
  role: {attribute: user.role}
"""
    )
    world.events = [Event(at(day), "Message", "a", hint="X") for day in (1, 2, 3)]
    world.events.append(Event(at(1, 13), "Message", "b"))
    world.traits = [
        ("account", "X", "plan", '"free"', at(1)),
        ("account", "X", "plan", '"pro"', at(3)),
        ("account", "X", "tier", '"ignored"', at(1)),
        ("user", "b", "plan", '"solo"', at(1, 13)),
        ("user", "b", "role", '"admin"', at(1, 13)),
    ]
    company = {"id": "7", "name": "Söhne", "external_account_id": "X", "owner_id": "o", "employees": 240}
    world.add_crm("accounts", at(1), at(3), **company, properties='{"tier": "gold", "plan_seats": "12", "plan": ""}')
    world.add_crm("owners", at(1), id="o", email="dana@x.test", name="Dana")
    world.add_crm("deals", at(1), id="d1", account_id="7", is_closed=False, is_won=False)
    world.add_crm("deals", at(1), id="d2", account_id="7", is_closed=True, is_won=True, closed_at=at(2, 9))
    early, late = (frame(world, definition, m).set_index("subject_key") for m in (at(2, 18), at(3, 18)))
    acme, solo = early.loc["org:X"], early.loc["user:b"]
    assert (acme["signal.plan"], acme["signal.tier"], acme["attr.name"]) == ("free", "gold", "Söhne")
    assert acme["signal.seats_pct"] == 200 / 12
    assert (acme["attr.employees"], acme["attr.owner_email"], acme["attr.crm_id"]) == (240, "dana@x.test", "7")
    assert (acme["attr.open_deals"], acme["attr.won_deals"], acme["attr.last_won_at"]) == (
        1,
        1,
        pd.Timestamp(2024, 3, 2, 9),
    )
    assert (solo["signal.plan"], solo["signal.role"], solo["attr.crm_kind"]) == ("solo", "admin", "")
    assert pd.isna(acme["signal.role"])
    assert (late.loc["org:X", "signal.plan"], late.loc["org:X", "signal.tier"]) == ("pro", "ignored")


def test_a_stage_is_reached_on_the_first_day_at_whose_end_it_held_and_stays(world: World) -> None:
    """SEM-A1: its time is that day's first contributing event; leaving the window later changes nothing."""
    definition = read(
        """
events: {msg: Message, page: Page}
signals: {anything: {count: msg, last: 2d}, hours: {time_to: Chatty}}
activation: [{stage: Chatty, when: {anything: {min: 3}}}]
"""
    )
    world.events = [Event(at(1), "Page", "a"), Event(at(1, 13), "Message", "a"), Event(at(2, 8), "Page", "a")]
    world.events += [Event(at(2, hour), "Message", "a") for hour in (9, 10)]
    found = frame(world, definition, at(2, 0), at(2, 9), at(2, 11), at(3, 0), at(30))
    reached = [None if pd.isna(t) else t for t in found["stage_at.0"]]
    assert reached == [None, None, *[pd.Timestamp(2024, 3, 2, 9)] * 3]
    assert found["signal.hours"].iloc[-1] == 21


def test_fading_signals_carry_the_time_of_their_newest_event(world: World) -> None:
    """SEM-S1: the newest contributing event inside the window, NaT when it has left."""
    definition = read(
        """
events: {msg: Message}
signals: {anything: {count: msg, last: 2d}}
score: {intent: [{signal: anything, min: 1, points: 10, half_life: 7d}]}
"""
    )
    world.events = [Event(at(1, 9), "Message", "a"), Event(at(1, 11), "Message", "a")]
    found = frame(world, definition, at(2), at(9))
    assert found["signal_at.anything"].iloc[0] == pd.Timestamp(2024, 3, 1, 11)
    assert pd.isna(found["signal_at.anything"].iloc[1])


def test_champions_are_the_most_engaged_users_of_the_last_days(world: World) -> None:
    """Most actions first, then most days; passive events and older days do not count, names fall back."""
    definition = read(
        "events: {signed_up: {event: Signed Up, passive: true}, msg: Message}\nsignals: {anything: {count: msg}}\n"
    )
    world.events = [Event(at(1 + i, hour), "Message", "a", hint="X") for i in (27, 28) for hour in (1, 2)]
    world.events += [Event(at(28, 3) + timedelta(minutes=i), "Message", "b", hint="X") for i in range(3)]
    world.events += [Event(at(1), "Message", "c", hint="X"), Event(at(28), "Signed Up", "c", hint="X")]
    world.traits = [("user", "a", "name", '"Mia Chen"', at(28, 1)), ("user", "b", "email", '"tom@x.test"', at(28, 3))]
    con = world.tables(definition, [at(30, 0)])
    found = champions(con, at(30, 0), ["org:X"], definition, n=3, days=20)
    assert found["name"].tolist() == ["Mia Chen", "tom@x.test"]
    assert found[["actions", "days"]].to_numpy().tolist() == [[4, 2], [3, 1]]
    assert len(champions(con, at(30, 0), ["org:X"], definition, n=1, days=30)) == 1
