"""Claimed deliveries in, the state each ends this attempt in out: look for it, recheck it, mark it, send it, settle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from pql.clients.http import RemoteError
from pql.outbox import claims, pace
from pql.outbox.backoff import is_over, wait_unchecked
from pql.outbox.claims import Claim
from pql.outbox.listing import listed
from pql.outbox.objections import nothing_to_take_back, objection, thread_receipt, witnesses
from pql.outbox.rhythm import Rhythm, Wait
from pql.outbox.settling import LOST, Boundary, Settling
from pql.plays.model import direct_lane
from pql.store.engine import reading, writing
from pql.types import Alert, BatchDestination, Destination, Order, Result, UserError

Recheck = Callable[[Claim], str | Alert | None]
"""Why the delivery must not go out any more (SEM-W4); None if it may, or what it must say now (another owner). For a
crm_update, which is no message, name only an exclusion or a block."""


@dataclass(frozen=True)
class Worker:
    """Who carries deliveries out, and with what."""

    engine: Engine
    recheck: Recheck
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    boundary: Boundary
    rhythm: Rhythm = field(default_factory=Rhythm)

    def carry_out(self, claimed: Sequence[Claim], destination: Destination) -> list[str]:
        """Take claimed deliveries of one destination as far as they go and return their states, in order.

        Raises nothing for what goes wrong: one failing row never fails its neighbours. What may have been sent before
        is looked for first (`Destination.find`); only if it is surely not there is it sent again.
        """
        if not isinstance(destination, BatchDestination):
            return [self._one(claim, destination) for claim in claimed]
        ready = [self._prepared(claim, destination) for claim in claimed]
        mine = [each for each in ready if isinstance(each, Claim)]
        sent = iter(self._send_together(mine, destination) if mine else ())
        return [next(sent) if isinstance(each, Claim) else each for each in ready]

    @property
    def settling(self) -> Settling:
        """What writes how attempts end."""
        return Settling(self.engine, self.clock, self.boundary)

    def _one(self, claim: Claim, destination: Destination) -> str:
        ready = self._prepared(claim, destination)
        if isinstance(ready, str):
            return ready
        later = self._turn(ready, destination)
        return self._send(ready, destination) if later is None else self._wait(ready, later)

    def _prepared(self, claim: Claim, destination: Destination) -> Claim | str:
        """The claim, ready to be sent and with what it must say now; or the state in which this attempt ended."""
        if claim.sent_at is not None:
            found = self._found(claim, destination)
            quiet_until = claim.sent_at + timedelta(seconds=destination.quiet_s)
            if found.outcome == "not_sent" and self.clock() < quiet_until:
                return self._look_again(claim, quiet_until)
            if found.outcome != "not_sent" or is_over(claim.attempt):
                return self.settling.settle(claim, found, destination.pace, looked=True)
        try:
            checked = self._checked(claim)
        except Exception as error:  # the recheck asks a remote CRM: whatever it raises, do not send unchecked
            return self._unchecked(claim, error)
        if isinstance(checked, str):
            return self.settling.finish(claim, "suppressed", reason=checked)
        closed = self.rhythm.opening(checked.kind, checked.options, checked.alert, self.clock())
        return checked if closed is None else self._wait_for_hours(claim, checked, closed)

    def _found(self, claim: Claim, destination: Destination) -> Result:
        with reading(self.engine) as conn:
            thread = thread_receipt(conn, claim)  # a reply stands in its thread, not in the channel's history
            known = witnesses(conn, claim)
        return _asked(lambda: destination.find(claim.order(thread, known)))

    def _look_again(self, claim: Claim, at: datetime) -> str:
        """Not there yet proves nothing while a slow request can still land."""
        reason = f"not there yet; a slow request can still land until {at:%H:%M:%S} UTC"
        return self.settling.put_back(claim, "ambiguous", at, reason, maybe_sent=True, counts=False)

    def _unchecked(self, claim: Claim, error: Exception) -> str:
        """Put the delivery back as one told to wait: it is not the delivery that failed, so no attempt is used up."""
        told = error.retry_after_s if isinstance(error, RemoteError) else None
        wait = wait_unchecked(self.clock() - claim.created_at, told)
        reason = f"could not be rechecked: {error if isinstance(error, UserError) else _words(error)}"
        result = Result("not_sent", reason=reason, retry_after_s=wait.total_seconds())
        return self.settling.settle(claim, result, None)  # it is the CRM that cannot be asked: nobody else need wait

    def _checked(self, claim: Claim) -> str | Claim:
        """The delivery with what it must say now, or why it must not go out; a table asks for each it lists."""
        if claim.options.get("table"):
            return listed(self.engine, claim, self._checked)
        with reading(self.engine) as conn:
            if claim.retracts is not None:  # what was said is taken back, whatever stands against saying it
                return nothing_to_take_back(conn, claim) or claim
            against = objection(conn, claim, self.clock())
        said = against if against is not None else self.recheck(claim)
        return _saying(claim, said) if isinstance(said, Alert) else said or claim

    def _turn(self, claim: Claim, destination: Destination) -> datetime | None:
        """Wait for the delivery's turn if that is near and return None, else when to come back."""
        if destination.pace is None:
            return None
        with writing(self.engine) as conn:
            at, taken = pace.reserve(conn, pace.place(destination.pace, claim), destination.pace, self.clock())
        if not taken:
            return at
        ahead_s = (at - self.clock()).total_seconds()
        if ahead_s > 0:
            self.sleep(ahead_s)
        return None

    def _wait_for_hours(self, claim: Claim, saying: Claim, closed: Wait) -> str:
        """Back until its reader is at work; then it is gathered with what else waits there, if it goes there still."""
        first = claim.thread_of is None and saying.lane == claim.lane and not claim.options.get("table")
        gather_at = closed.until if first else None
        return self.settling.put_back(claim, "waiting", closed.until, closed.why, counts=False, gather_at=gather_at)

    def _wait(self, claim: Claim, at: datetime) -> str:
        return self.settling.put_back(claim, "waiting", at, "waits for its turn", counts=False)

    def _send(self, claim: Claim, destination: Destination) -> str:
        (order,) = self._marked([claim])
        if order is None:
            return LOST
        result = _asked(lambda: destination.send(order))
        self.boundary("sent")
        return self.settling.settle(claim, result, destination.pace)

    def _send_together(self, ready: Sequence[Claim], destination: BatchDestination) -> list[str]:
        """One request for many; each row has its own outcome."""
        later = self._turn(ready[0], destination)
        if later is not None:
            return [self._wait(claim, later) for claim in ready]
        orders = self._marked(ready)
        results = iter(_all_asked(destination, [order for order in orders if order is not None]))
        self.boundary("sent")
        return [
            LOST if order is None else self.settling.settle(claim, next(results), destination.pace)
            for claim, order in zip(ready, orders, strict=True)
        ]

    def _marked(self, ready: Sequence[Claim]) -> list[Order | None]:
        """What to send, marked before it leaves; None for a row that is no longer ours."""
        orders: list[Order | None] = []
        with writing(self.engine) as conn:
            for claim in ready:
                thread = thread_receipt(conn, claim)
                ours = claims.begin_sending(conn, claim, now=self.clock(), threaded=thread is not None)
                orders.append(claim.order(thread) if ours else None)
        self.boundary("marked sending")
        return orders


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


def _all_asked(destination: BatchDestination, orders: Sequence[Order]) -> Sequence[Result]:
    try:
        return destination.send_many(orders) if orders else ()
    except Exception as error:
        return [Result("ambiguous", reason=_words(error))] * len(orders)


def _words(error: Exception) -> str:
    # The type alone: messages of network errors carry URLs, and URLs carry secrets.
    return f"{type(error).__name__} was raised"
