"""Which daily-usage tables a definition needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pql.definition.model import (
    Compare,
    Definition,
    EventMatch,
    Exclude,
    NamedEvent,
    Score,
    Signal,
    Where,
)
from pql.usage import Need, needs_of, session_need, value_need

SENT = NamedEvent("sent", EventMatch(("Message Sent",)))
TOOL = NamedEvent("tool", EventMatch(("Tool Connected",), value="seats"))


@pytest.fixture
def definition() -> Definition:
    return Definition(
        id="d",
        title="d",
        status="live",
        priority=1,
        subject="account",
        complexity="simple",
        events=(SENT, TOOL),
        signals=(Signal("messages", "count", ("sent",)),),
        stages=(),
        criteria=(),
        score=Score(),
        qualify=Compare("signal", "messages", min=1),
        size=None,
        only=(),
        exclude=Exclude(),
        alive_days=14,
        leave_after_days=14,
        return_after_days=90,
        stale_after_days=7,
        plays=(),
    )


def test_every_named_event_has_a_plain_table(definition: Definition) -> None:
    """Each named event has one, under the key of its match, whether a signal reads it or not (SEM-M3)."""
    assert {need.key for need in needs_of(definition)} == {SENT.match.key, TOOL.match.key}


def test_distinct_values_have_a_table_with_a_row_each(definition: Definition) -> None:
    """`distinct: tool.name` adds a table kept by value; `distinct` of named events adds none (SEM-M3)."""
    signals = (Signal("tools", "distinct", ("tool",), property="name"), Signal("used", "distinct", ("sent", "tool")))
    needs = needs_of(replace(definition, signals=signals))
    assert set(needs) - set(needs_of(definition)) == {value_need(TOOL.match, "name")}


def test_sessions_have_a_table_over_all_their_events(definition: Definition) -> None:
    """`sessions: any_event` is cut over the events together, so in a table of its own (SEM-M1)."""
    signal = Signal("visits", "sessions", ("tool", "sent"))
    changed = replace(definition, signals=(signal,))
    assert session_need(changed, signal) in needs_of(changed)
    assert set(session_need(changed, signal).matches) == {SENT.match, TOOL.match}


def test_the_key_depends_on_what_is_counted_and_nothing_else(definition: Definition) -> None:
    """Renaming an event changes no table; a condition, a value field, a property or sessions each do (SEM-M3)."""
    renamed = replace(definition, events=(replace(SENT, name="said"), TOOL))
    assert needs_of(renamed) == needs_of(definition)
    match = SENT.match
    others = [
        Need((match,)),
        Need((replace(match, where=(Where("a", "exists"),)),)),
        Need((replace(match, value="words"),)),
        Need((match,), item="a"),
        Need((match,), item="b"),
        Need((match,), sessions=True),
    ]
    assert len({need.key for need in others}) == len(others)
