"""Quiet channels, from the definition to the channel: a digest in the morning, and nobody pinged at night."""

from __future__ import annotations

from datetime import timedelta

from tests.flow.conftest import DAY, HABIT, HOUR, SETTINGS, T0, days_before

from pql.store import blocks

NIGHT = T0 + 5 * DAY  # a Saturday, 00:00 UTC
MONDAY = T0 + 7 * DAY + 7 * HOUR  # 08:00 in Berlin


def test_a_weekend_is_one_digest_on_monday(new_story) -> None:
    """PRODUCT-A1: who qualifies at the weekend is in Monday's table, but for the blocked; reruns add none."""
    settings = SETTINGS + "timezone: Europe/Berlin\ndigest_at: 08:00\n"
    story = new_story(settings=settings, definition=HABIT.replace("    do:", "    how: digest\n    do:"))
    story.happens("old", *days_before(T0, 20, 19, 18))
    story.run("nightly", T0 - HOUR)
    for number, at in enumerate((NIGHT, NIGHT, NIGHT + DAY)):
        story.happens(f"u{number}", *days_before(at, 3, 2, 1))
    for at in (NIGHT, NIGHT + DAY, NIGHT + DAY):
        story.run("nightly", at - HOUR)
        story.deliver()
    assert story.effects() == {"webhook": 3}
    story.do(lambda c: blocks.block(c, "user:u0", "not_a_fit", reason="", origin="cli", now=story.now))
    story.now = MONDAY - timedelta(minutes=1)
    assert story.deliver() == {}
    story.now = MONDAY
    assert story.deliver() == {"delivered": 3, "suppressed": 1}
    *told, table = story.told()
    assert (told, table.partition(" · ")[0]) == (["u1", "u2"], "📋 Digest of 2026-03-09: 2 accounts")
    assert story.deliver() == {}


def test_working_hours_keep_the_ping_and_not_the_webhook(new_story) -> None:
    """PRODUCT-A1: what qualifies on Saturday pings on Monday morning; a play that says `hours: any` at once."""
    hours = SETTINGS + "timezone: Europe/Berlin\nworking_hours: {}\n"
    story = new_story(settings=hours)
    story.define(
        HABIT.replace("habit", "urgent").replace("    do:", "    hours: any\n    do:").replace("-mid", "-large"), "b"
    )
    story.happens("old", *days_before(T0, 20, 19, 18))
    story.run("nightly", T0 - HOUR)
    story.happens("ada", *days_before(NIGHT, 3, 2, 1))
    story.run("nightly", NIGHT - HOUR)
    story.deliver()
    assert story.effects() == {"webhook": 1, "slack": 1}
    story.now = MONDAY
    assert story.deliver() == {"delivered": 1}
    assert story.told() == ["ada", "ada"]
