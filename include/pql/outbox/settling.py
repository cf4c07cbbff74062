"""How an attempt ended in, what the ledger keeps of it out: a receipt, a time to come back, or a reason to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from pql.outbox import claims, pace
from pql.outbox.backoff import (
    RETRY_AFTER,
    THROTTLED_FOR_AT_MOST,
    is_over,
    wait_after,
    wait_as_told,
)
from pql.outbox.claims import Claim
from pql.store.engine import writing
from pql.types import Pace, Result

UNCLEAR = "unclear"  # all attempts are over and nobody can tell whether it arrived: it stays ambiguous
LOST = "lost"  # another worker has the row: nothing was written, and what was sent will be found by it
BOUNDARIES = ("before claim", "claimed", "marked sending", "sent", "before receipt", "after")
Boundary = Callable[[str], None]
"""Told each of BOUNDARIES as a delivery passes it, in this order: where a process may die, and tests let it."""


@dataclass(frozen=True)
class Settling:
    """Writes how attempts ended, each in a transaction of its own that only the row's present owner can make."""

    engine: Engine
    clock: Callable[[], datetime]
    boundary: Boundary

    def settle(self, claim: Claim, result: Result, paced: Pace | None, *, looked: bool = False) -> str:
        """Write what `result` means for the delivery and return its state; `looked`: it was looked for, not sent.

        A destination that asked to wait is left alone by all the others that keep the same pace.
        """
        if result.outcome == "delivered":
            return self.finish(claim, "delivered", result=result)
        if result.outcome == "rejected":
            return self.finish(claim, "dead", reason=result.reason or "rejected", maybe_sent=looked)
        return self._try_again(claim, result, paced, looked)

    def finish(
        self,
        claim: Claim,
        state: str,
        *,
        reason: str | None = None,
        result: Result | None = None,
        maybe_sent: bool = False,
    ) -> str:
        """End the delivery in this state."""
        receipt = None if result is None else result.receipt
        with writing(self.engine) as conn:
            ours = claims.finish(
                conn, claim, state, now=self.clock(), reason=reason, receipt=receipt, maybe_sent=maybe_sent
            )
            self.boundary("before receipt")
        self.boundary("after")
        return state if ours else LOST

    def put_back(
        self,
        claim: Claim,
        state: str,
        at: datetime,
        reason: str,
        *,
        maybe_sent: bool = False,
        counts: bool = True,
        gather_at: datetime | None = None,
    ) -> str:
        """Let the delivery come back `at` that moment; with `counts` False the attempt was none."""
        with writing(self.engine) as conn:
            ours = claims.put_back(
                conn,
                claim,
                not_before=at,
                reason=reason,
                maybe_sent=maybe_sent,
                counts=counts,
                gather_at=gather_at,
            )
        return state if ours else LOST

    def _try_again(self, claim: Claim, result: Result, paced: Pace | None, looked: bool) -> str:
        now = self.clock()
        maybe_sent = result.outcome == "ambiguous"
        told = self._told(claim, result, now)
        wait = told or wait_after(claim.key, claim.attempt)
        if wait is None and maybe_sent and not looked:
            wait = RETRY_AFTER[0]  # the last attempt may have had its effect: it is looked for once more
        if wait is None and maybe_sent:  # nobody can tell: not given up, not sent again, and a human is told
            return self.put_back(claim, UNCLEAR, now + RETRY_AFTER[-1], _unclear(claim, result), maybe_sent=True)
        if wait is None:
            return self.finish(claim, "dead", reason=_gave_up(claim, result))
        if told is not None and paced is not None:
            with writing(self.engine) as conn:
                pace.hold(conn, pace.place(paced, claim), now + told)
        state = "ambiguous" if maybe_sent else "retry"
        reason = result.reason or result.outcome
        # being told to wait is no failure: a rate limit loses nothing
        return self.put_back(claim, state, now + wait, reason, maybe_sent=maybe_sent, counts=told is None)

    def _told(self, claim: Claim, result: Result, now: datetime) -> timedelta | None:
        """How long the destination asked to wait, None if it did not, or has been asking for days."""
        if result.retry_after_s is None or result.outcome != "not_sent" or is_over(claim.attempt):
            return None
        if now - claim.created_at >= THROTTLED_FOR_AT_MOST:
            return None
        return wait_as_told(claim.key, claim.attempt, result.retry_after_s)


def _gave_up(claim: Claim, result: Result) -> str:
    return f"gave up after {claim.attempt} attempts: {result.reason or result.outcome}"


def _unclear(claim: Claim, result: Result) -> str:
    last = result.reason or result.outcome
    return f"unclear after {claim.attempt} attempts: it may or may not have arrived, look before retrying: {last}"
