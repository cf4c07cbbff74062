"""Decisions written and read back: episodes, occurrences, cooldowns, and what was decided when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from pql import store
from pql.plays.model import Cause, Intent, load
from pql.qualification.model import (
    Closed,
    Decided,
    LastClosed,
    OccurrenceClosed,
    OccurrenceFalse,
    OccurrenceOpened,
    Opened,
    SubjectFacts,
    Unqualified,
)
from pql.store import blocks, decisions
from pql.store.tables import baselines, decided, episodes
from pql.types import Alert, Reason

T0 = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def test_an_opened_episode_is_a_fact_of_the_next_run(story: Any) -> None:
    """What one run opens, the next one reads as open, with its id."""
    applied = story.opens("org:1")
    known = story.facts().subject("org:1")
    assert known.open.id == applied.id_of(Cause("d", "episode", "org:1", "ping", "0:slack"))
    assert (known.open.opened_as_of, known.open.silent_reason, known.decided_as_of) == (T0, None, T0)


def test_a_subject_never_seen_has_no_facts(story: Any) -> None:
    """A subject or a definition the ledger does not know has empty facts."""
    story.opens("org:1")
    assert story.facts().subject("org:2") == SubjectFacts()
    assert story.facts("other").subjects == {}


def test_facts_can_be_asked_for_some_subjects(story: Any) -> None:
    """Asked by name, few or many, the facts are those of reading everything."""
    for key in ("org:1", "org:2"):
        story.opens(key, plays=("up",))
    whole = story.facts().subjects
    assert story.facts(subjects=["org:2"]).subjects == {"org:2": whole["org:2"]}
    many = ["org:2", *(f"none:{number}" for number in range(3000))]
    assert story.facts(subjects=many).subjects == {"org:2": whole["org:2"]}


def test_a_second_open_episode_of_a_subject_is_impossible(story: Any) -> None:
    """SEM-D3: the ledger refuses a second open episode, and the run that tried leaves nothing behind."""
    story.opens("org:1")
    with pytest.raises(IntegrityError):
        story.decide(
            at=T0 + DAY,
            opened=tuple(Opened(key, key, T0 + DAY, True, None, 50) for key in ("org:9", "org:1")),
        )
    assert story.facts().subject("org:9") == SubjectFacts()


def test_a_second_open_occurrence_of_a_play_is_impossible(story: Any) -> None:
    """SEM-D4: each (play, subject) has at most one open occurrence."""
    story.opens("org:1", plays=("up",))
    with pytest.raises(IntegrityError):
        story.decide(occurrences_opened=(OccurrenceOpened("up", "org:1", "org:1", T0, True, None),))


def test_closing_leaves_a_cooldown(story: Any) -> None:
    """SEM-Q4: a closed episode is the last closed, with the end of its cooldown, and another may open."""
    story.opens("org:1")
    episode = story.facts().subject("org:1").open
    story.decide(at=T0 + DAY, closed=(Closed(episode.id, "org:1", "org:1", T0 + DAY, "left", T0 + 91 * DAY),))
    known = story.facts().subject("org:1")
    assert known.open is None
    assert known.last_closed == LastClosed(T0 + DAY, "left", T0 + 91 * DAY)
    story.opens("org:1", at=T0 + 91 * DAY)
    assert story.facts().subject("org:1").open.opened_as_of == T0 + 91 * DAY


def test_the_newest_of_several_closings_counts(story: Any) -> None:
    """SEM-Q4: of several closed episodes the last one's cooldown counts."""
    for number in range(3):
        at = T0 + number * DAY
        story.opens("org:1", at=at)
        episode = story.facts().subject("org:1").open
        story.decide(at=at, closed=(Closed(episode.id, "org:1", "org:1", at, "won", at + DAY),))
    assert story.facts().subject("org:1").last_closed.closed_as_of == T0 + 2 * DAY


def test_falling_below_the_line_is_remembered_and_forgotten(story: Any) -> None:
    """SEM-Q4: since when every evaluation said no is kept, and taken back when one says yes."""
    story.opens("org:1")
    episode = story.facts().subject("org:1").open
    story.decide(unqualified=(Unqualified(episode.id, "org:1", T0 + DAY),))
    assert story.facts().subject("org:1").open.unqualified_since == T0 + DAY
    story.decide(unqualified=(Unqualified(episode.id, "org:1", None),))
    assert story.facts().subject("org:1").open.unqualified_since is None


def test_an_occurrence_rearms_by_closing(story: Any) -> None:
    """SEM-D4: an occurrence notes since when it is false, closes, and its play's last announcement is remembered."""
    applied = story.opens("org:1", plays=("up",))
    occurrence_id = applied.id_of(Cause("d", "occurrence", "org:1", "up", "0:slack"))
    story.decide(occurrences_false=(OccurrenceFalse(occurrence_id, "up", "org:1", T0 + DAY),))
    assert story.facts().subject("org:1").occurrences[0].false_since == T0 + DAY
    story.decide(occurrences_closed=(OccurrenceClosed(occurrence_id, "up", "org:1", T0 + 2 * DAY),))
    known = story.facts().subject("org:1")
    assert known.occurrences == ()
    assert known.last_announced == {"up": T0}


def test_an_older_evaluation_does_not_overturn_a_newer(story: Any) -> None:
    """SEM-D2: `decided_as_of` and what was decided with it only move forward."""
    story.decide(at=T0 + DAY, decided=(Decided("org:1", "org:1", T0 + DAY, qualified=True, eligible=True),))
    story.decide(at=T0, decided=(Decided("org:1", "org:1", T0, qualified=False, eligible=False),))
    assert story.facts().subject("org:1").decided_as_of == T0 + DAY
    with store.reading(story.engine) as conn:
        assert conn.execute(select(decided.c.subject_key, decided.c.qualified)).all() == [("org:1", True)]


def test_the_baseline_is_recorded_with_its_run(story: Any) -> None:
    """SEM-D3 a: the deciding transaction of the baseline records it."""
    story.decide(is_baseline=True)
    with store.reading(story.engine) as conn:
        assert conn.execute(select(baselines.c.definition, baselines.c.run_id)).all() == [("d", 1)]


def test_blocks_come_with_the_facts_also_when_they_ended(story: Any) -> None:
    """SEM-D3: facts hold ended blocks too, for the end of a block is fresh news."""
    with store.writing(story.engine) as conn:
        blocks.block(conn, "org:1", "snooze", reason="", origin="cli", now=T0, until=T0 + DAY)
    assert [each.until for each in story.facts().blocks["org:1"]] == [T0 + DAY]


def test_what_a_silent_episode_would_say_is_kept_with_it(story: Any) -> None:
    """SEM-D3: an episode's intents are stored with it, whole, for a later release."""
    alert = Alert(
        "just qualified", ("d",), ("D",), "org:1", "org:1", "Ümlaut & Söhne 😀", T0.isoformat(), 82, 75, "B1", 9,
        reasons=(Reason(25, "turned on billing"),),
    )  # fmt: skip
    cause = Cause("d", "episode", "org:1", "ping", "0:slack")
    intent = Intent(
        cause, "org:1", "org:1", "slack", "slack", "slack:#x", {"channel": "#x"}, alert, 10, announced=False
    )
    applied = story.opens("org:1", silent="baseline")
    with store.writing(story.engine) as conn:
        decisions.keep_intents(conn, [intent], applied)
        kept = conn.execute(select(episodes.c.alert)).scalar_one()
    assert [load(each) for each in kept["intents"]] == [intent]
    assert kept["alert"]["account_name"] == "Ümlaut & Söhne 😀"


def test_a_cause_this_run_did_not_touch_is_named(story: Any) -> None:
    """Asking for the id behind a foreign cause says which one it was."""
    with pytest.raises(LookupError, match="d: no episode of org:7"):
        story.opens("org:1").id_of(Cause("d", "episode", "org:7", "ping", "0:slack"))
