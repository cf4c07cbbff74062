"""Why it alerted, or did not, at a moment: in one sentence, with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from pql.definition.model import Definition
from pql.insight.why.ledger_then import LedgerThen, Sent, Stay
from pql.qualification.past import crm_blocked

SILENCES = {
    "baseline": "it was already qualified when the definition went live (the silent baseline)",
    "stale": "by the data and rules of that run it qualified a week earlier already: old news",
    "identity": "its account key changed in that run, which announces nothing",
    "at_most": "the play had fired within its period already",
}
_UNSENT = {"suppressed", "dead", "held"}
_NEVER_BEGUN = "by corrected data it did not qualify then"
_LATELY = timedelta(days=14)
_LATE = timedelta(hours=25)  # no run for longer than that is worth a word


def verdict(definition: Definition, row: pd.DataFrame, then: LedgerThen, *, now: datetime, zone: ZoneInfo) -> str:
    """Why the subject of `row` (scored by today's rules and data) was, or was not, announced at `then.at`."""
    words = _Words(definition, row, then, now, zone)
    return words.of_stay(then.open) if then.open is not None else next(words.of_nothing())


def blocked_by(row: pd.DataFrame, then: LedgerThen) -> str:
    """What a human, or the CRM, has against telling anybody of the account; "" if nothing."""
    for block in then.blocks:
        return f"the account is blocked ({block.kind}: {block.reason})"
    return "the CRM says that it is no fit, or to wait" if bool(crm_blocked(row, then.at).iloc[0]) else ""


class _Words:
    def __init__(
        self, definition: Definition, row: pd.DataFrame, then: LedgerThen, now: datetime, zone: ZoneInfo
    ) -> None:
        self.definition, self.row, self.then, self.now, self.zone = definition, row, then, now, zone
        self.qualifies = bool(row["qualified"].iloc[0])

    def when(self, at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    # --- it was qualified and in a stay ---

    def of_stay(self, stay: Stay) -> str:
        opened = self.when(stay.opened_as_of)
        if stay.silent_reason is None:
            new = self.then.look is not None and stay.opened_as_of == self.then.look.as_of
            told = f"announced: it newly qualified as of {opened}"
            told = told if new else f"announced on {opened}; that stay goes on, which is told once"
            return told + self._unsent() + self._taken_back(stay)
        reason = SILENCES.get(stay.silent_reason, stay.silent_reason)
        silent = f"open since {opened}, silently, because {reason}"
        if stay.released_at is None:
            return f"no alert: {silent} (pql release)"
        if self.then.at < stay.released_at and self.then.at < self.now - timedelta(minutes=1):
            return f"no alert then: {silent}; released by hand on {self.when(stay.released_at)}"
        told = f"announced: released by hand on {self.when(stay.released_at)} ({silent})"
        return told + self._unsent() + self._taken_back(stay)

    def _unsent(self) -> str:
        """What became of messages that nobody got."""
        kept = [sent for sent in self.then.sent if sent.state in _UNSENT]
        return "".join(f"; {_state(sent)}" for sent in kept)

    def _taken_back(self, stay: Stay) -> str:
        """What is known of it today."""
        return "" if stay.taken_back_at is None else f"; taken back on {self.when(stay.taken_back_at)}: {_NEVER_BEGUN}"

    # --- it was in none ---

    def of_nothing(self) -> Iterator[str]:
        """The first of these is the reason."""
        then, look = self.then, self.then.look
        if self.definition.status != "live":
            yield f"no alert: the definition is {self.definition.status}"
        last = then.stays[-1] if then.stays else None
        if last is not None and last.returns_after is not None and last.returns_after > then.at:
            ended = f"its last stay ended on {self.when(last.closed_as_of)} ({last.close_reason})"
            yield f"no alert: {ended}, it may come back from {self.when(last.returns_after)} on"
        blocked = blocked_by(self.row, then)
        if blocked:
            yield f"no alert: {blocked}"
        if last is not None and last.taken_back_at is not None and self._is_lately(last.taken_back_at):
            told = f"the announcement of {self.when(last.opened_as_of)} was taken back on"
            yield f"no alert: {told} {self.when(last.taken_back_at)}: {_NEVER_BEGUN}"
        if look is None:
            yield self._not_looked()
        assert look is not None
        yield from self._by_run(bool(look.row["qualified"]), f"the {look.kind} run as of {self.when(look.as_of)}")

    def _is_lately(self, taken_back_at: datetime) -> bool:
        """Whether that is still the news: it has not qualified since."""
        return not self.qualifies and self.then.at - taken_back_at < _LATELY

    def _not_looked(self) -> str:
        then = self.then
        if then.baseline_at is None or then.baseline_at > then.at:
            first = f": its first was as of {self.when(then.baseline_at)}" if then.baseline_at else ""
            return f"no alert: no live run of the definition had decided by then{first}"
        if not self.qualifies:
            return "no alert: it does not qualify"
        return f"no alert: no live run had looked at it by then (the last one as of {self.when(then.last_run_at)})"

    def _by_run(self, saw: bool, run: str) -> Iterator[str]:
        look = self.then.look
        assert look is not None
        score, late = int(look.row["score"]), self.then.at - (self.then.last_run_at or self.then.at) > _LATE
        gap = f"; no live run decided between {self.when(self.then.last_run_at)} and then" if late else ""
        if look.decided_nothing:
            yield f"no alert: {run} decided nothing for the definition: {look.decided_nothing}"
        if saw and not bool(look.row["qualified_surely"]):
            yield f"no alert: {run} saw it qualified, but what that rests on was not complete in the sources{gap}"
        if saw:
            yield f"no alert: {run} saw it qualified (score {score}), and did not open a stay{gap}"
        if not self.qualifies:
            yield (
                f"no alert: it did not qualify: {run} saw a score of {score}{gap}"
                if self._is_past()
                else ("no alert: it does not qualify")
            )
        if str(look.row["rules_hash"]) != self.definition.rules_hash:
            yield f"no alert: by the rules of then it did not qualify ({run}); by today's it does"
        if look.as_of < self.then.at:
            yield (
                f"no alert{'' if self._is_past() else ' yet'}: it qualifies since {run}, which did not see it so{gap}"
                + ("" if self._is_past() else "; the next live run decides")
            )
        yield f"no alert: {run} did not see it qualify; by what is known today it did (it came late)"

    def _is_past(self) -> bool:
        return self.then.at < self.now - _LATE


def _state(sent: Sent) -> str:
    why = f": {sent.reason}" if sent.reason else ""
    return f"{sent.what} is {sent.state}{why}" + (" (pql deliveries)" if sent.state == "held" else "")
