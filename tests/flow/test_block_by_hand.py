"""What somebody types takes effect at the next hour, not only at the next night."""

from __future__ import annotations

from typing import Any

from tests.flow.conftest import DAY, HOUR, T0, Story, days_before


def test_a_block_ends_the_stay_at_the_next_hour(story: Story, pql: Any, monkeypatch: Any) -> None:
    """SEM-Q4, D1: the blocked account is marked, so the hourly run that follows closes its stay."""
    story.run("nightly", T0)
    story.happens("ada", *days_before(T0 + DAY, 3, 2, 1))
    story.run("nightly", T0 + DAY)
    assert "user:ada" in story.episodes()
    monkeypatch.setattr("pql.cli.commands.alerting.now", lambda: T0 + DAY + HOUR / 2)
    where = ["--settings", story.paths.settings, "--definitions", story.definitions]
    where += ["--lake", story.paths.lake, "--ledger", story.paths.ledger]
    assert pql(*where, "block", "user:ada", "--reason", "a friend").code == 0
    hour = story.run("hourly", T0 + DAY + HOUR)
    assert hour["evaluated"] == 1
    assert story.episodes() == {}
    assert story.ledger()["dirty_marks"] == []
