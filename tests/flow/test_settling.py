"""A source whose events come in late: what was counted is news at once, silence only when it has settled."""

from __future__ import annotations

from collections.abc import Callable

from tests.flow.conftest import DAY, HABIT, HOUR, SETTINGS, T0, Story, days_before

NIGHT = T0 + 5 * DAY
SETTLING = SETTINGS.replace(
    "destinations:", "  web: {kind: mixpanel, history_days: 1, settles_after_hours: 2}\ndestinations:"
)
QUIET = HABIT.replace("definition: habit", "definition: quiet").replace("A habit", "Gone quiet")
QUIET = QUIET.replace("{active_days: acted, last: 7d, title: active days}", "{days_since: acted, title: days since}")


def test_counts_are_told_at_once_and_silence_when_it_has_settled(new_story: Callable[..., Story]) -> None:
    """SEM-D2: `settles_after_hours` holds back what rests on absence, not what nothing that still comes can undo."""
    story = new_story(settings=SETTLING)
    story.define(QUIET, "quiet")
    story.happens("old", *days_before(T0, 20, 19, 18))
    story.run("nightly", T0)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    story.happens("bob", *days_before(NIGHT, 4))
    story.now = NIGHT + HOUR / 12
    summary = story.run("nightly", NIGHT)
    assert {name: each["announced"] for name, each in summary["by_definition"].items()} == {"habit": 1, "quiet": 0}
    story.now = NIGHT + 3 * HOUR
    summary = story.run("nightly", NIGHT)
    assert {name: each["announced"] for name, each in summary["by_definition"].items()} == {"habit": 0, "quiet": 1}
    story.deliver()
    assert story.told() == ["ada", "bob"]
