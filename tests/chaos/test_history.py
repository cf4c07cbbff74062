"""The judge can say guilty: histories made by hand, each with one thing that must not be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.history import Anomaly, History, Intended, Left, Row, anomalies


def said(seq: int, key: str, second: float, kind: str = "slack", **message: Any) -> dict[str, Any]:
    """An effect as the sandbox writes it."""
    at = f"2026-03-02T09:00:{second:09.6f}+00:00"
    return {"seq": seq, "at": at, "kind": kind, "key": key, "channel": "C1", "ts": f"{seq}.0", "message": message}


FIRST, REPLY, TASK = (Intended("habit", subject, "slack") for subject in ("org:1", "org:1b", "org:2"))
GOOD = History(
    intended=(FIRST, REPLY, TASK),
    rows=(
        Row(1, "k1", "delivered", causes=(FIRST,)),
        Row(2, "k2", "delivered", answers=1, causes=(REPLY,)),
        Row(3, "k3", "delivered", causes=(TASK,)),
    ),
    effects=(said(1, "k1", 0), said(2, "k2", 1, thread_ts="1.0"), said(3, "k3", 1, "crm_task")),
    left=(Left("k1", "w1", "sending", "w1"), Left("k2", "w2", "sending", "w2"), Left("k3", "w1", "sending", "w1")),
)


def row(number: int, **change: Any) -> History:
    """The good history with another row `number`."""
    return replace(GOOD, rows=[replace(each, **change) if each.id == number else each for each in GOOD.rows])


def log(*effects: dict[str, Any]) -> History:
    """The good history with another log."""
    return replace(GOOD, effects=effects)


def test_a_good_history_has_no_anomaly() -> None:
    """Every decision has one delivery, every delivery one effect, in order and at pace."""
    assert anomalies(GOOD) == ()


ONE, TWO, THREE = GOOD.effects
GUILTY = {
    "decided and not queued": (replace(GOOD, intended=(*GOOD.intended, replace(FIRST, subject_key="org:9"))), "lost"),
    "forgotten as pending": (row(1, state="pending"), "lost"),
    "left in a dead worker's hands": (row(3, state="sending"), "lost"),
    "unclear, and no attempt is left to tell anybody": (row(1, state="ambiguous", attempt=7, reason="?"), "lost"),
    "given up without a word": (replace(row(3, state="dead"), effects=(ONE, TWO)), "lost"),
    "posted twice": (log(ONE, TWO, THREE, said(4, "k1", 9)), "doubled"),
    "one task twice": (log(ONE, TWO, THREE, said(4, "k3", 9, "crm_task")), "doubled"),
    "one intent in two deliveries": (row(2, causes=(REPLY, FIRST)), "doubled"),
    "an effect of nobody's": (log(ONE, TWO, THREE, said(4, "k9", 9)), "foreign"),
    "an effect without a key": (log(ONE, TWO, THREE, {**said(4, "", 9), "key": None}), "foreign"),
    "a delivery nobody decided": (replace(GOOD, intended=(FIRST, REPLY)), "foreign"),
    "a receipt for nothing": (log(ONE, TWO), "unfounded"),
    "shown to nobody": (log(ONE, TWO, said(3, "k3", 5, "slack_hidden")), "hidden"),
    "dead, and it had an effect": (row(3, state="dead", reason="no such task"), "unwanted"),
    "suppressed, and it had an effect": (row(3, state="suppressed", reason="blocked"), "unwanted"),
    "a reply before its parent": (log(said(1, "k2", 0), said(2, "k1", 1), THREE), "order"),
    "a reply under another message": (log(ONE, said(2, "k2", 1, thread_ts="7.7"), THREE), "order"),
    "two messages within a second": (log(ONE, said(2, "k2", 0.999, thread_ts="1.0"), THREE), "pace"),
    "sent by a worker that had lost the row": (
        replace(GOOD, left=(*GOOD.left, Left("k1", "orphan", "sending", "successor"))),
        "stale",
    ),
    "sent without being marked": (replace(GOOD, left=(*GOOD.left, Left("k1", "w1", "claimed", "w1"))), "stale"),
}


@pytest.mark.parametrize(("history", "kind"), GUILTY.values(), ids=GUILTY.keys())
def test_each_anomaly_is_found(history: History, kind: str) -> None:
    """One thing is wrong, and it is called by its name."""
    assert kind in {each.kind for each in anomalies(history)}
    assert all(str(each).startswith(each.kind) and isinstance(each, Anomaly) for each in anomalies(history))


ALLOWED = {
    "dead, and the row says that it may have been sent": row(3, state="dead", reason="lost", maybe_sent=True),
    "dead with a reason, and no effect": replace(row(3, state="dead", reason="400"), effects=(ONE, TWO)),
    "unclear, and a person was told": row(1, state="ambiguous", attempt=8, reason="unclear after 8 attempts"),
    "a webhook's receiver got it again": log(ONE, TWO, THREE, said(4, "k3", 9, "webhook_again")),
    "a reply that stands in the channel itself": log(ONE, said(2, "k2", 1), THREE),
    "a message that was held up on the way": replace(
        log(ONE, said(2, "k2", 0.5, thread_ts="1.0"), THREE), late=frozenset({2})
    ),
    "another channel at the same moment": log(ONE, {**said(2, "k2", 0, thread_ts="1.0"), "channel": "C2"}, THREE),
}


@pytest.mark.parametrize("history", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_is_allowed_is_not_called_an_anomaly(history: History) -> None:
    """The limits that the guarantee names are no anomalies."""
    assert anomalies(history) == ()
