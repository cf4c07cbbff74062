"""One event with a wrong year does not say what day it is: nothing is let go for it, and its source can be late."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.flow.conftest import DAY, SETTINGS, T0, Story, days_before

from pql import pipeline, store
from pql.pipeline.health.freshness import freshness

NONSENSE = datetime(2099, 1, 1, tzinfo=UTC)


def test_an_event_of_2099_lets_nothing_of_today_go(new_story: Any) -> None:
    """SEM-T5: raw events are kept so long behind today; those that come afterwards are still read."""
    story: Story = new_story()
    story.happens("old", *days_before(T0, 20, 19, 18))
    story.happens("clock", NONSENSE, file="wrong")
    story.run("nightly", T0)
    project = story.open()
    try:
        assert [pipeline.prune(project, now=T0)["event_files"] for _ in range(3)] == [0, 0, 0]
    finally:
        project.close()
    story.happens("new", *days_before(T0 + DAY, 3, 2, 1), file="next")
    assert story.run("nightly", T0 + DAY)["newly_qualified"] == 1


def test_a_source_is_late_though_an_event_of_2099_came(new_story: Any) -> None:
    """PRODUCT-S5: its newest event was read today at the latest."""
    story: Story = new_story(settings=SETTINGS.replace("kind: files", "kind: files\n    late_after_hours: 24"))
    story.happens("clock", NONSENSE)
    story.run("nightly", T0)
    project = story.open()
    try:
        with store.reading(project.engine) as connection:
            late = [freshness(connection, project.settings, now=T0 + n * DAY)[0].is_late for n in (0, 2)]
    finally:
        project.close()
    assert late == [False, True]
