"""The judge of a soak: what was intended, what the ledger says, what left and what had an effect in, anomalies out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

SENT = ("slack", "crm_task", "webhook")  # the kinds of effects of which a key has exactly one
SHOWN_GAP = timedelta(seconds=1)  # of two messages in one Slack channel
LAST_ATTEMPT = 7  # after so many, what is unclear waits for a person
OVER = ("delivered", "dead", "suppressed")

Effect = Mapping[str, Any]  # a line of the sandbox's log


@dataclass(frozen=True)
class Intended:
    """One action that a decision wanted: its place in the ledger is (definition, subject, destination)."""

    definition: str
    subject_key: str
    destination: str

    def __str__(self) -> str:
        return f"{self.definition}/{self.subject_key} → {self.destination}"


@dataclass(frozen=True)
class Row:
    """A delivery as the ledger holds it in the end."""

    id: int
    key: str
    state: str
    attempt: int = 1
    answers: int | None = None  # the delivery under whose message it was queued to answer
    maybe_sent: bool = False  # it has the note that an attempt may have had its effect
    reason: str = ""
    causes: tuple[Intended, ...] = ()

    @property
    def is_told_unclear(self) -> bool:
        """Nobody can tell whether it arrived, all attempts are over, and a person was told."""
        return self.state == "ambiguous" and self.attempt > LAST_ATTEMPT and bool(self.reason)


@dataclass(frozen=True)
class Left:
    """A request that left, and what the ledger said of its delivery at that moment."""

    key: str
    worker: str
    state: str
    owner: str | None  # who held the row

    @property
    def is_stale(self) -> bool:
        """Whether it left without the ledger's knowledge, or after the row's fence had moved on."""
        return self.state != "sending" or self.owner != self.worker


@dataclass(frozen=True)
class History:
    """Everything that is known in the end."""

    intended: Collection[Intended]
    rows: Sequence[Row]
    effects: Sequence[Effect]
    left: Sequence[Left] = ()
    late: Collection[int] = ()  # numbers (seq) of effects of requests that were held up on the way


@dataclass(frozen=True)
class Anomaly:
    """One thing that must not be."""

    kind: str  # lost, doubled, foreign, unfounded, unwanted, order, pace, hidden, stale
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def anomalies(history: History) -> tuple[Anomaly, ...]:
    """Everything in the history that must not be, nothing if each decision had its one effect.

    - lost: intended and not in the ledger, or not over, or given up without a reason
    - doubled: two effects of one key, or one intent in two deliveries
    - foreign: an effect of which the ledger knows nothing
    - unfounded: delivered, says the ledger, and there is no effect
    - unwanted: dead or suppressed and there is an effect, without the note that there may be one
    - order: a reply before, or under another message than, the one it answers
    - pace: two messages in one channel in less than a second (but for what was held up on the way)
    - hidden: a message Slack took and showed nobody
    - stale: a request that left after the row's fence had moved on
    """
    found = (_lost, _doubled, _foreign, _unfounded, _unwanted, _order, _pace, _hidden, _stale)
    return tuple(each for look in found for each in look(history))


def _sent(history: History) -> dict[str, list[Effect]]:
    """The effects that count, by key, in the order of the log."""
    by_key: dict[str, list[Effect]] = defaultdict(list)
    for effect in history.effects:
        if effect["kind"] in SENT:
            by_key[str(effect["key"])].append(effect)
    return by_key


def _lost(history: History) -> Iterator[Anomaly]:
    queued = {cause for row in history.rows for cause in row.causes}
    for intended in sorted(set(history.intended) - queued, key=str):
        yield Anomaly("lost", f"{intended} was decided and is in no delivery")
    for row in history.rows:
        if row.state not in OVER and not row.is_told_unclear:
            yield Anomaly("lost", f"{row.key} is still {row.state} after attempt {row.attempt}: {row.reason}")
        elif row.state in ("dead", "suppressed") and not row.reason:
            yield Anomaly("lost", f"{row.key} is {row.state} without a reason")


def _doubled(history: History) -> Iterator[Anomaly]:
    for key, effects in _sent(history).items():
        if len(effects) > 1:
            at = ", ".join(f"no. {each['seq']} at {each['at']}" for each in effects)
            yield Anomaly("doubled", f"{key} has {len(effects)} effects: {at}")
    for cause, number in Counter(cause for row in history.rows for cause in row.causes).items():
        if number > 1:
            yield Anomaly("doubled", f"{cause} is in {number} deliveries")


def _foreign(history: History) -> Iterator[Anomaly]:
    known = {row.key for row in history.rows}
    for key, effects in _sent(history).items():
        if key not in known:
            yield Anomaly("foreign", f"effect no. {effects[0]['seq']} with key {key} is of no delivery")
    wanted = set(history.intended)
    for row in history.rows:
        if not wanted.intersection(row.causes):
            yield Anomaly("foreign", f"{row.key} is a delivery nobody decided")


def _unfounded(history: History) -> Iterator[Anomaly]:
    made = _sent(history)
    for row in history.rows:
        if row.state == "delivered" and row.key not in made:
            yield Anomaly("unfounded", f"{row.key} is delivered and has no effect")


def _unwanted(history: History) -> Iterator[Anomaly]:
    made = _sent(history)
    for row in history.rows:
        if row.state in ("dead", "suppressed") and row.key in made and not row.maybe_sent:
            yield Anomaly("unwanted", f"{row.key} is {row.state} ({row.reason}) and has an effect nobody is told of")


def _order(history: History) -> Iterator[Anomaly]:
    made = _sent(history)
    rows = {row.id: row for row in history.rows}
    for row in history.rows:
        first = made.get(rows[row.answers].key, []) if row.answers in rows else []
        for effect in made.get(row.key, []) if first else []:
            if effect["seq"] < first[0]["seq"]:
                yield Anomaly("order", f"{row.key} came before the message it answers")
            under = effect.get("message", {}).get("thread_ts")
            if under not in (None, *(each["ts"] for each in first)):
                yield Anomaly("order", f"{row.key} stands under another message than the one it answers")


def _pace(history: History) -> Iterator[Anomaly]:
    said: dict[str, list[Effect]] = defaultdict(list)
    for effect in history.effects:
        if effect["kind"] in ("slack", "slack_hidden") and effect["seq"] not in history.late:
            said[str(effect["channel"])].append(effect)
    for channel, effects in said.items():
        for sooner, later in pairwise(effects):
            gap = datetime.fromisoformat(later["at"]) - datetime.fromisoformat(sooner["at"])
            if gap < SHOWN_GAP:
                between = f"no. {sooner['seq']} and no. {later['seq']}"
                yield Anomaly("pace", f"{gap.total_seconds():.3f} s between {between} in channel {channel}")


def _hidden(history: History) -> Iterator[Anomaly]:
    for effect in history.effects:
        if effect["kind"] == "slack_hidden":
            yield Anomaly("hidden", f"effect no. {effect['seq']} with key {effect['key']} is shown to nobody")


def _stale(history: History) -> Iterator[Anomaly]:
    for left in history.left:
        if left.is_stale:
            held = f"was {left.state} in the hands of {left.owner or 'nobody'}"
            yield Anomaly("stale", f"{left.key} left {left.worker} while it {held}")
