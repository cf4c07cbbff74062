"""What a signal as written means: measure, events, window, per user."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pql.definition.model import Bound, Definition, EventMatch, Signal, Where, Window

Small = Callable[..., Definition]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{count: message_sent}", Signal("s", "count", ("message_sent",))),
        ("{count: [message_sent, call_ended]}", Signal("s", "count", ("message_sent", "call_ended"))),
        (
            "{active_days: message_sent, last: 7d}",
            Signal("s", "active_days", ("message_sent",), window=Window("last", 7)),
        ),
        (
            "{active_days: message_sent, first: 2w}",
            Signal("s", "active_days", ("message_sent",), window=Window("first", 14)),
        ),
        (
            "{active_days: message_sent, last: 168h, per: user, min: 5}",
            Signal("s", "active_days", ("message_sent",), window=Window("last", 7), per_user=Bound(5, None)),
        ),
        (
            "{count: message_sent, per: user, min: 5, max: 9}",
            Signal("s", "count", ("message_sent",), per_user=Bound(5, 9)),
        ),
        (
            "{users: any_event}",
            Signal("s", "users", ("message_sent", "call_ended", "tool_connected"), any_event=True),
        ),
        ("{sum: call_ended, last: 30d}", Signal("s", "sum", ("call_ended",), window=Window("last", 30))),
        ("{average: call_ended}", Signal("s", "average", ("call_ended",))),
        ("{distinct: [message_sent, call_ended]}", Signal("s", "distinct", ("message_sent", "call_ended"))),
        ("{distinct: tool_connected.tool}", Signal("s", "distinct", ("tool_connected",), property="tool")),
        ("{distinct: tool_connected.a.b}", Signal("s", "distinct", ("tool_connected",), property="a.b")),
        ("{days_since: message_sent}", Signal("s", "days_since", ("message_sent",))),
        ("{time_to: message_sent}", Signal("s", "time_to", ("message_sent",))),
        ("{time_to: A habit}", Signal("s", "time_to", stage="A habit")),
        ("{change: message_sent, last: 7d}", Signal("s", "change", ("message_sent",), window=Window("last", 7))),
        ("{share: messages, of: plan_seats}", Signal("s", "share", numerator="messages", denominator="plan_seats")),
        ("{share: messages, of: plan_name}", Signal("s", "share", numerator="messages", denominator="plan")),
        ("{attribute: industry}", Signal("s", "attribute", attribute="industry")),
        ("{attribute: account.industry}", Signal("s", "attribute", attribute="industry")),
        ("{attribute: user.role}", Signal("s", "attribute", attribute="user.role")),
        ("{sessions: any_event, last: 1d}", None),
        (
            "{minutes: message_sent, title: minutes online}",
            Signal("s", "minutes", ("message_sent",), title="minutes online"),
        ),
    ],
)
def test_every_measure_of_the_vocabulary_is_read(small: Small, written: str, read: Signal | None) -> None:
    """Each measure of SEM-M1, with each window and per user (SEM-T3, SEM-T4, SEM-W2), means what it says."""
    signals = f"{{messages: {{count: message_sent}}, plan_name: {{attribute: plan}}, s: {written}}}"
    signal = small(signals=signals).signal("s")
    if read is None:
        assert (signal.measure, signal.window) == ("sessions", Window("last", 1))
    else:
        assert signal == read


def test_any_event_is_every_event_that_is_not_passive(small: Small) -> None:
    """SEM-M2: `any_event` leaves out the passive sign-up."""
    signal = small(signals="{messages: {count: message_sent}, busy: {active_days: any_event}}").signal("busy")
    assert "signed_up" not in signal.events
    assert signal.any_event


def test_a_signal_stands_behind_those_it_depends_on(small: Small) -> None:
    """Signals come in an order in which a share follows its numerator, wherever they are written."""
    signals = "{pct: {share: messages, of: plan_seats}, to: {time_to: A habit}, messages: {count: message_sent}}"
    names = [s.name for s in small(signals=signals).signals]
    assert names.index("messages") < names.index("pct")


def test_events_are_read_with_conditions_and_value(small: Small) -> None:
    """An event is one or more source events, conditions on their properties, and a value field (SEM-M3)."""
    events = """
  message_sent: [Message Sent, message_sent]
  full: {event: A, value: minutes, where: {s: [x, 1, true], n: {min: 1, max: 5}, d: {not: draft}, e: {exists: true}}}"""
    definition = small(events=events)
    assert definition.event("message_sent").match == EventMatch(("Message Sent", "message_sent"))
    assert definition.event("full").match == EventMatch(
        ("A",),
        (
            Where("s", "in", ("x", 1, True)),
            Where("n", "min", (1,)),
            Where("n", "max", (5,)),
            Where("d", "not_in", ("draft",)),
            Where("e", "exists", (True,)),
        ),
        "minutes",
    )
