"""Working hours: what comes outside of its reader's waits until he is at work, and is gathered there if it is much."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pql import outbox, store
from pql.outbox import Rhythm, rhythm
from pql.outbox.queueing.rhythm import Hours, next_at
from pql.settings import Settings
from pql.types import Alert, Result

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
OFFICE = Hours(range(5), time(8), time(18))
WORK = Rhythm(zone=BERLIN, zones={"kim@x.com": NEW_YORK}, hours=OFFICE, table_above=2)
NIGHT = datetime(2026, 3, 3, 2, tzinfo=UTC)  # a Tuesday, 03:00 in Berlin, 21:00 on Monday in New York
OWNED = Alert("just qualified", ("d",), ("d",), "org:1", "org:1", "Acme", NIGHT.isoformat(), 80, 75, "B1", 9)
CHANNEL, OWNER = {"channel": "#pql"}, {"dm": "owner"}


def opens(at: datetime, options: Any, owner: str = "", kind: str = "slack") -> datetime | None:
    wait = WORK.opening(kind, options, replace(OWNED, owner_email=owner), at)
    return None if wait is None else wait.until


def utc(*at: int) -> datetime:
    return datetime(*at, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year, month, day, hour, minute


@pytest.mark.parametrize(
    ("at", "options", "owner", "expected"),
    [
        (NIGHT, CHANNEL, "kim@x.com", utc(2026, 3, 3, 7)),  # the channel is where the project is
        (NIGHT, OWNER, "dana@x.com", utc(2026, 3, 3, 7)),
        (NIGHT, OWNER, "Kim@x.com", utc(2026, 3, 3, 13)),
        (NIGHT, {**CHANNEL, "mention": "owner"}, "kim@x.com", utc(2026, 3, 3, 13)),
        (NIGHT, {"dm": "kim@x.com"}, "", utc(2026, 3, 3, 13)),
        (NIGHT, {**OWNER, "hours": "any"}, "kim@x.com", None),
        (utc(2026, 3, 3, 7), CHANNEL, "", None),  # they begin
        (utc(2026, 3, 3, 17), CHANNEL, "", utc(2026, 3, 4, 7)),  # they are over
        (utc(2026, 3, 6, 16, 59), CHANNEL, "", None),
        (utc(2026, 3, 6, 17), CHANNEL, "", utc(2026, 3, 9, 7)),  # Friday evening
        (utc(2026, 3, 28, 12), CHANNEL, "", utc(2026, 3, 30, 6)),  # the clocks go forward on Sunday
        (utc(2026, 3, 9, 12), OWNER, "kim@x.com", None),  # New York has gone forward two weeks before Berlin
        (utc(2026, 10, 24, 12), CHANNEL, "", utc(2026, 10, 26, 7)),  # back
    ],
)
def test_a_message_waits_for_its_readers_hours(
    at: datetime, options: Any, owner: str, expected: datetime | None
) -> None:
    """PRODUCT-A1: the hours are local to whom the message is for or mentions, over changes of the clock."""
    assert opens(at, options, owner) == expected


@pytest.mark.parametrize("kind", ["crm_task", "crm_update", "webhook", "slack_retract"])
def test_only_messages_wait(kind: str) -> None:
    """Tasks, write-backs, webhooks and what takes a message back disturb nobody at night."""
    assert opens(NIGHT, {}, "kim@x.com", kind) is None


def test_without_settings_messages_go_at_any_time() -> None:
    """Working hours and digests are a choice: without one everything is as it was, but for floods."""
    plain = rhythm(Settings())
    assert plain.wait("slack", CHANNEL, OWNED, NIGHT) is None
    assert plain.wait("slack", {**CHANNEL, "hours": "working"}, OWNED, NIGHT) is None
    assert plain.table_above == 5


def test_the_settings_say_when_and_where() -> None:
    """SEM-T1: times of the settings are the project's, but for people whose time zone they name."""
    settings = Settings.model_validate(
        {
            "timezone": "Europe/Berlin",
            "digest_at": "09:15",
            "digest_days": ["wed"],
            "working_hours": {"opens": "09:00", "time_zones": {"Kim@x.com": "America/New_York"}},
        }
    )
    made = rhythm(settings)
    assert made.hours == Hours(frozenset(range(5)), time(9), time(18))
    digest = {"how": "digest", "dm": "owner"}
    kim = made.wait("slack", digest, replace(OWNED, owner_email="kim@x.com"), NIGHT)
    dana = made.wait("slack", digest, replace(OWNED, owner_email="dana@x.com"), NIGHT)
    assert kim is not None
    assert dana is not None
    assert (kim.until, dana.until) == (utc(2026, 3, 4, 14, 15), utc(2026, 3, 4, 8, 15))
    assert dana.why == "waits for the digest of Wed 2026-03-04 09:15 CET"


def test_a_time_that_the_clock_skips_still_comes() -> None:
    """A digest at 02:30 comes on the day on which there is no 02:30, and once on the day with two."""
    spring = next_at(utc(2026, 3, 28, 12), range(7), time(2, 30), BERLIN)
    autumn = next_at(utc(2026, 10, 24, 12), range(7), time(2, 30), BERLIN)
    assert (spring, autumn) == (utc(2026, 3, 29, 1, 30), utc(2026, 10, 25, 0, 30))
    assert next_at(autumn, range(7), time(2, 30), BERLIN) == utc(2026, 10, 26, 1, 30)


def test_what_comes_at_night_is_there_in_the_morning(world: Any) -> None:
    """A message waits until the hours begin; one that says `hours: any` does not, nor does a task."""
    world.clock.now = NIGHT
    world.qualifies("org:1", rhythm=WORK)
    world.qualifies("org:2", rhythm=WORK, options={**CHANNEL, "hours": "any"})
    world.qualifies("org:3", rhythm=WORK, kind="crm_task", lane="crm_task", options={})
    assert world.all()[0].reason == "waits for working hours: Tue 2026-03-03 08:00 CET"
    assert world.deliver(rhythm=WORK).states == {"delivered": 2}
    world.clock.now = utc(2026, 3, 3, 7)
    assert world.deliver(rhythm=WORK).states == {"delivered": 1}


def test_a_nights_messages_are_one_table_in_the_morning(world: Any) -> None:
    """PRODUCT-A1: what several runs of a night had to say comes as one table when they are many."""
    for hour in range(3):
        world.clock.now = NIGHT + timedelta(hours=hour)
        world.qualifies(f"org:{hour}", rhythm=WORK)
    world.clock.now = utc(2026, 3, 3, 7)
    assert world.deliver(rhythm=WORK).states == {"delivered": 4}
    assert len(world.remote.orders[0].listing.alerts) == 3


def test_a_retry_waits_for_the_hours_too(world: Any) -> None:
    """A message that failed in the evening is not tried again at night."""
    world.clock.now = utc(2026, 3, 3, 16, 59)
    world.qualifies("org:1", rhythm=WORK)
    world.remote.script = [Result("not_sent", reason="503")]
    assert world.deliver(rhythm=WORK).states == {"retry": 1}
    world.clock.turn(minutes=5)
    assert world.deliver(rhythm=WORK).states == {"waiting": 1}
    assert (world.only().attempt, world.only().not_before) == (1, utc(2026, 3, 4, 7))
    world.clock.now = utc(2026, 3, 4, 7)
    assert world.deliver(rhythm=WORK).states == {"delivered": 1}


def test_the_new_owners_hours_count(world: Any) -> None:
    """SEM-W4: whoever owns the account when it is sent is not disturbed at night, and gets it in his morning."""
    world.clock.now = utc(2026, 3, 3, 9)  # 10:00 in Berlin, 04:00 in New York
    world.qualifies("org:1", lane="slack:dm:dana@x.com", options=OWNER, rhythm=WORK)

    def recheck(claim: Any) -> Any:
        return replace(claim.alert, owner_email="kim@x.com")

    assert world.deliver(rhythm=WORK, recheck=recheck).states == {"waiting": 1}
    assert world.only().reason == "waits for working hours of kim@x.com: Tue 2026-03-03 08:00 EST"
    world.clock.now = utc(2026, 3, 3, 13)
    assert world.deliver(rhythm=WORK, recheck=recheck).states == {"delivered": 1}
    assert world.only().lane == "slack:dm:kim@x.com"


def test_what_was_held_and_released_at_night_waits_as_well(world: Any) -> None:
    """Releasing a storm at night wakes nobody: its messages are one table in the morning."""
    world.clock.now = NIGHT
    for number in range(3):
        world.qualifies(f"org:{number}", hold=True, rhythm=WORK)
    with store.writing(world.engine) as conn:
        outbox.release_held(conn, now=world.clock())
    assert world.deliver(rhythm=WORK).states == {"waiting": 3}
    world.clock.now = utc(2026, 3, 3, 7)
    assert world.deliver(rhythm=WORK).states == {"delivered": 4}
