"""One claimed delivery in, the state it ends this attempt in out: look for it, recheck it, mark it, send it, settle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from pql.clients.http import RemoteError
from pql.outbox import claims
from pql.outbox.backoff import (
    RETRY_AFTER,
    THROTTLED_FOR_AT_MOST,
    is_over,
    wait_after,
    wait_as_told,
    wait_unchecked,
)
from pql.outbox.claims import Claim
from pql.outbox.objections import objection, thread_receipt
from pql.plays.model import direct_lane
from pql.store.engine import reading, writing
from pql.types import Alert, Destination, Result, UserError

Recheck = Callable[[Claim], str | Alert | None]
"""Why the delivery must not go out any more (SEM-W4); None if it may, or what it must say now (another owner). For a
crm_update, which is no message, name only an exclusion or a block."""

LOST = "lost"  # another worker has the row: nothing was written, and what was sent will be found by it


@dataclass(frozen=True)
class Worker:
    """Who carries deliveries out, and with what."""

    engine: Engine
    recheck: Recheck
    clock: Callable[[], datetime]

    def carry_out(self, claim: Claim, destination: Destination) -> str:
        """Take one claimed delivery as far as it goes and return its state; raises nothing for what goes wrong.

        What may have been sent before is looked for first (`Destination.find`); only if it is surely not there is
        it sent again.
        """
        if claim.maybe_sent:
            with reading(self.engine) as conn:
                thread = thread_receipt(conn, claim)  # a reply stands in its thread, not in the channel's history
            found = _asked(lambda: destination.find(claim.order(thread)))
            if found.outcome != "not_sent" or is_over(claim.attempt):
                return self._settle(claim, found, looked=True)
        try:
            against = self._objection(claim)
        except Exception as error:  # the recheck asks a remote CRM: whatever it raises, do not send unchecked
            return self._unchecked(claim, error)
        if isinstance(against, str):
            return self._write(claims.finish, claim, "suppressed", reason=against)
        return self._send(claim if against is None else _saying(claim, against), destination)

    def _unchecked(self, claim: Claim, error: Exception) -> str:
        """Put the delivery back as one told to wait: it is not the delivery that failed, so no attempt is used up."""
        told = error.retry_after_s if isinstance(error, RemoteError) else None
        wait = wait_unchecked(self.clock() - claim.created_at, told)
        reason = f"could not be rechecked: {error if isinstance(error, UserError) else _words(error)}"
        return self._settle(claim, Result("not_sent", reason=reason, retry_after_s=wait.total_seconds()))

    def _objection(self, claim: Claim) -> str | Alert | None:
        with reading(self.engine) as conn:
            against = objection(conn, claim, self.clock())
        return against if against is not None else self.recheck(claim)

    def _send(self, claim: Claim, destination: Destination) -> str:
        with writing(self.engine) as conn:
            thread = thread_receipt(conn, claim)
            if not claims.begin_sending(conn, claim, now=self.clock(), threaded=thread is not None):
                return LOST
        return self._settle(claim, _asked(lambda: destination.send(claim.order(thread))))

    def _settle(self, claim: Claim, result: Result, *, looked: bool = False) -> str:
        if result.outcome == "delivered":
            return self._write(claims.finish, claim, "delivered", receipt=result.receipt)
        if result.outcome == "rejected":
            return self._write(claims.finish, claim, "dead", reason=result.reason or "rejected", maybe_sent=looked)
        return self._try_again(claim, result, looked)

    def _try_again(self, claim: Claim, result: Result, looked: bool) -> str:
        now = self.clock()
        maybe_sent = result.outcome == "ambiguous"
        throttled = (
            result.retry_after_s is not None
            and not maybe_sent
            and now - claim.created_at < THROTTLED_FOR_AT_MOST
            and not is_over(claim.attempt)
        )
        wait = self._wait(claim, result, throttled, look_once_more=maybe_sent and not looked)
        if wait is None:
            return self._write(claims.finish, claim, "dead", reason=_gave_up(claim, result), maybe_sent=maybe_sent)
        with writing(self.engine) as conn:
            ours = claims.put_back(
                conn,
                claim,
                not_before=now + wait,
                reason=result.reason or result.outcome,
                maybe_sent=maybe_sent,
                counts=not throttled,  # being told to wait is no failure: a rate limit loses nothing
            )
        return ("ambiguous" if maybe_sent else "retry") if ours else LOST

    def _wait(self, claim: Claim, result: Result, throttled: bool, *, look_once_more: bool) -> timedelta | None:
        if throttled and result.retry_after_s is not None:
            return wait_as_told(claim.key, claim.attempt, result.retry_after_s)
        wait = wait_after(claim.key, claim.attempt)
        # The last attempt may have had its effect: before it is called dead it is looked for.
        return RETRY_AFTER[0] if wait is None and look_once_more else wait

    def _write(
        self,
        how: Callable[..., bool],
        claim: Claim,
        state: str,
        **values: object,
    ) -> str:
        with writing(self.engine) as conn:
            return state if how(conn, claim, state, now=self.clock(), **values) else LOST


def _saying(claim: Claim, alert: Alert) -> Claim:
    """The claim with what it must say now; a direct message to another owner begins a conversation of its own."""
    lane = direct_lane(alert.owner_email)
    if claim.options.get("dm") != "owner" or not alert.owner_email or claim.lane == lane:
        return replace(claim, alert=alert)
    return replace(claim, alert=alert, lane=lane, thread_of=None)


def _asked(ask: Callable[[], Result]) -> Result:
    """Destinations do not raise for what the remote side does; if one does, nobody knows whether it was sent."""
    try:
        return ask()
    except Exception as error:  # one failing row must not fail its neighbours
        return Result("ambiguous", reason=_words(error))


def _words(error: Exception) -> str:
    # The type alone: messages of network errors carry URLs, and URLs carry secrets.
    return f"{type(error).__name__} was raised"


def _gave_up(claim: Claim, result: Result) -> str:
    last = result.reason or result.outcome
    if result.outcome == "ambiguous":
        return f"gave up after {claim.attempt} attempts, it may or may not have arrived, look before retrying: {last}"
    return f"gave up after {claim.attempt} attempts: {last}"
