"""The CRM when hours are done late: what newer runs saw stays, and what changed since is the next hour's."""

from __future__ import annotations

from collections.abc import Callable

from tests.flow.conftest import DAY, HOUR, T0, Story, days_before, same
from tests.flow.test_sending import SALES, WITH_CRM, Crm

NIGHT = T0 + DAY
EVENING = NIGHT + 22 * HOUR
MORNING = NIGHT + DAY + 9 * HOUR
MINUTE = HOUR / 60


def stage(story: Story, at) -> str:
    """Acme's lifecycle stage in the hour's snapshot."""
    frame = story.snapshot("hourly", at)
    [found] = frame.loc[frame["attr.name"] == "Acme", "attr.lifecycle_stage"]
    return str(found)


def test_an_hour_that_failed_is_done_the_next_morning(new_story: Callable[..., Story]) -> None:
    """SEM-C1: 22:00 failed, later hours ran, 22:00 is done next morning: it sees what was filed up to it, 23:00 done
    again is what it was, and the change of that morning is seen by that morning's hour."""
    story = new_story(definition=SALES, settings=WITH_CRM)
    crm = Crm(story)
    story.happens("old", *days_before(T0, 20, 19, 18))
    story.now = T0 + 12 * HOUR
    crm.company("Acme", lifecyclestage="lead")
    story.happens("ada", *days_before(EVENING, 2, 1), mail="ada@acme-story.com")
    story.run("nightly", NIGHT)
    story.happens("ada", EVENING - 90 * MINUTE, file="evening")
    story.run("hourly", EVENING - HOUR)

    story.now = EVENING + 20 * MINUTE  # after the hour that failed
    crm.change("Acme", lifecyclestage="opportunity")
    story.run("hourly", EVENING + HOUR)
    before = story.snapshot("hourly", EVENING + HOUR)
    assert stage(story, EVENING + HOUR) == "opportunity"

    story.now = MORNING - 20 * MINUTE
    crm.change("Acme", lifecyclestage="customer")
    story.now = MORNING - 5 * MINUTE
    story.happens("ada", EVENING - 30 * MINUTE, file="late")
    story.run("hourly", EVENING)
    assert stage(story, EVENING) == "lead"
    story.run("hourly", EVENING + HOUR)
    after = story.snapshot("hourly", EVENING + HOUR)
    assert stage(story, EVENING + HOUR) == "opportunity"
    crm_columns = [c for c in before.columns if c.startswith("attr.")]
    same([before[crm_columns], after[crm_columns]])
    story.run("hourly", MORNING)
    assert stage(story, MORNING) == "customer"


def test_a_night_done_late_changes_no_later_hour(new_story: Callable[..., Story]) -> None:
    """SEM-C1: the snapshot of a night that failed, read in the morning, tells its hours nothing they did not know."""
    story = new_story(definition=SALES, settings=WITH_CRM)
    crm = Crm(story)
    story.happens("ada", *days_before(NIGHT, 3, 2), mail="ada@acme-story.com")
    story.now = T0 + 12 * HOUR
    crm.company("Acme", lifecyclestage="lead")
    story.run("nightly", NIGHT)
    midnight = NIGHT + DAY
    story.happens("ada", midnight + 30 * MINUTE, file="night")
    story.run("hourly", midnight + HOUR)
    before = story.snapshot("hourly", midnight + HOUR)
    story.now = MORNING - 20 * MINUTE
    crm.change("Acme", lifecyclestage="customer")
    story.now = MORNING - 5 * MINUTE
    story.run("nightly", midnight)
    story.run("hourly", midnight + HOUR)
    same([before, story.snapshot("hourly", midnight + HOUR)])
    story.run("hourly", MORNING)
    assert stage(story, MORNING) == "customer"
