"""How attempts ended in, what the ledger keeps of them out: a receipt, a time to come back, or a reason to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from pql.outbox.sending import claims, pace
from pql.outbox.sending.backoff import (
    LAST_ATTEMPT,
    RETRY_AFTER,
    THROTTLED_FOR_AT_MOST,
    is_over,
    wait_after,
    wait_as_told,
)
from pql.outbox.sending.claims import Claim
from pql.outbox.sending.together import Together
from pql.types import Pace, Result

UNCLEAR = "unclear"  # all attempts are over and nobody can tell whether it arrived: it stays ambiguous
LOST = "lost"  # another worker has the row: nothing was written, and what was sent will be found by it
BOUNDARIES = ("before claim", "claimed", "marked sending", "sent", "before receipt", "after")
Boundary = Callable[[str], None]
"""Told each of BOUNDARIES as a delivery passes it, in this order: where a process may die, and tests let it."""


@dataclass(frozen=True)
class Ending:
    """How one attempt ended: the state to report, and what writes it (False if the row is no longer ours)."""

    state: str
    write: Callable[[Connection], bool]


@dataclass(frozen=True)
class Settling:
    """Writes how attempts ended; only a row's present owner can."""

    together: Together
    clock: Callable[[], datetime]
    boundary: Boundary

    def settle(self, endings: Sequence[Ending]) -> list[str]:
        """Write these endings in one transaction and return their states."""

        def change(conn: Connection) -> list[str]:
            states = [each.state if each.write(conn) else LOST for each in endings]
            self.boundary("before receipt")
            return states

        if not endings:
            return []
        states = self.together.write(change)
        self.boundary("after")
        return states

    def written(self, endings: Sequence[Ending]) -> list[str]:
        """Write these, which are no attempt's, in one transaction and return their states."""
        return self.together.write(
            lambda conn: [each.state if each.write(conn) else LOST for each in endings],
        )

    def ending(self, claim: Claim, result: Result, paced: Pace | None, *, looked: bool = False) -> Ending:
        """What `result` means for the delivery; `looked`: it was looked for, not sent.

        A destination that asked to wait is left alone by all the others that keep the same pace.
        """
        if result.outcome == "delivered":
            return self.finished(claim, "delivered", result=result)
        if result.outcome == "rejected":
            there = looked or bool(result.receipt)
            return self.finished(claim, "dead", reason=result.reason or "rejected", maybe_sent=there)
        return self._try_again(claim, result, paced, looked)

    def finished(
        self,
        claim: Claim,
        state: str,
        *,
        reason: str | None = None,
        result: Result | None = None,
        maybe_sent: bool = False,
    ) -> Ending:
        """The delivery ends in this state."""
        receipt = None if result is None else result.receipt
        write = partial(
            claims.finish,
            claim=claim,
            state=state,
            now=self.clock(),
            reason=reason,
            receipt=receipt,
            maybe_sent=maybe_sent,
        )
        return Ending(state, write)

    def put_back(
        self,
        claim: Claim,
        state: str,
        at: datetime,
        reason: str | None,
        *,
        maybe_sent: bool = False,
        keeps_note: bool = False,
        counts: bool = True,
        gather_at: datetime | None = None,
    ) -> Ending:
        """The delivery comes back `at` that moment; with `counts` False the attempt was none.

        With `keeps_note` it is noted that something of it is there, though it is known that it has to be sent again.
        """
        write = partial(
            claims.put_back,
            claim=claim,
            not_before=at,
            reason=reason,
            maybe_sent=maybe_sent,
            keeps_note=keeps_note,
            counts=counts,
            gather_at=gather_at,
        )
        return Ending(state, write)

    def _try_again(self, claim: Claim, result: Result, paced: Pace | None, looked: bool) -> Ending:
        now = self.clock()
        maybe_sent = result.outcome == "ambiguous"
        told = self._told(claim, result, now)
        wait = told or wait_after(claim.key, claim.attempt)
        if wait is None and maybe_sent and not looked:
            wait = RETRY_AFTER[0]  # the last attempt may have had its effect: it is looked for once more
        if wait is None and maybe_sent:  # nobody can tell: not given up, not sent again, and a human is told
            return self.put_back(claim, UNCLEAR, now + RETRY_AFTER[-1], _unclear(claim, result), maybe_sent=True)
        there = maybe_sent or bool(result.receipt)  # a part of the effect is an effect
        if wait is None:
            return self.finished(claim, "dead", reason=_gave_up(claim, result), maybe_sent=there)
        # being told to wait is no failure: a rate limit loses nothing
        back = self.put_back(
            claim,
            "ambiguous" if maybe_sent else "retry",
            now + wait,
            result.reason or result.outcome,
            maybe_sent=maybe_sent,
            keeps_note=there,
            counts=told is None,
        )
        return back if told is None or paced is None else _holding(back, pace.place(paced, claim), now + told)

    def _told(self, claim: Claim, result: Result, now: datetime) -> timedelta | None:
        """How long the destination asked to wait, None if it did not, or has been asking for days."""
        if result.retry_after_s is None or result.outcome != "not_sent" or is_over(claim.attempt):
            return None
        if now - claim.created_at >= THROTTLED_FOR_AT_MOST:
            return None
        return wait_as_told(claim.key, claim.attempt, result.retry_after_s)


def _holding(back: Ending, place: str, until: datetime) -> Ending:
    def write(conn: Connection) -> bool:
        pace.hold(conn, place, until)
        return back.write(conn)

    return Ending(back.state, write)


def _gave_up(claim: Claim, result: Result) -> str:
    return f"gave up after {min(claim.attempt, LAST_ATTEMPT)} attempts: {result.reason or result.outcome}"


def _unclear(claim: Claim, result: Result) -> str:
    last = result.reason or result.outcome
    return f"unclear after {claim.attempt} attempts: it may or may not have arrived, look before retrying: {last}"
