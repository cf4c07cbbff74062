"""Claimed deliveries in, those that may still be sent out, with what they must say now; the others end their attempt.

What an earlier attempt may have sent is looked for first. Then the ledger and the world are asked whether anything
stands against it (SEM-W4), once for all that were claimed together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, runtime_checkable

from sqlalchemy import Engine

from pql.clients.http import RemoteError
from pql.outbox.queueing.rhythm import Rhythm, Wait
from pql.outbox.sending.backoff import is_over, wait_unchecked
from pql.outbox.sending.claims import Claim
from pql.outbox.sending.listing import listed, struck_out
from pql.outbox.sending.objections import nothing_to_take_back, objections, thread_receipt, witnesses
from pql.outbox.sending.settling import Ending, Settling
from pql.plays.model import direct_lane
from pql.store.engine import reading
from pql.types import Alert, BatchFinder, Destination, Order, Result, UserError

UNCHECKED = "could not be rechecked"  # how the reason begins of what waits until it can be
FRESH_FOR = timedelta(seconds=5)  # what was found out so long ago is asked again before it is sent

Recheck = Callable[[Claim], str | Alert | None]
"""Why the delivery must not go out any more (SEM-W4); None if it may, or what it must say now (another owner). For a
crm_update, which is no message, name only an exclusion or a block."""

Answer = str | Alert | None | Exception


@runtime_checkable
class BatchRecheck(Protocol):
    """A recheck that asks about many deliveries at once."""

    def __call__(self, claim: Claim) -> str | Alert | None:
        """What `Recheck` says."""

    def many(self, claims: Sequence[Claim]) -> Sequence[Answer]:
        """The same for each, in order; an exception where it cannot be told, instead of raising it."""


@dataclass(frozen=True)
class Checked:
    """A delivery that may be sent, and when that was found out."""

    claim: Claim
    at: datetime


@dataclass(frozen=True)
class Checking:
    """Who checks, and by what."""

    engine: Engine
    recheck: Recheck
    clock: Callable[[], datetime]
    settling: Settling
    rhythm: Rhythm

    def check(self, claimed: Sequence[Claim], destination: Destination) -> tuple[list[Checked], list[str]]:
        """Return what may be sent, and the states in which the others ended. Nothing raises for one row's trouble."""
        endings: list[Ending] = []
        unsent: list[Claim] = [claim for claim in claimed if not claim.maybe_sent]
        for found in self._found([claim for claim in claimed if claim.maybe_sent], destination):
            if isinstance(found, Claim):
                unsent.append(found)
            else:
                endings.append(found)
        ready, stopped = self._asked(unsent)
        return ready, self.settling.settle([*endings, *stopped])

    def freshen(self, checked: Sequence[Checked]) -> tuple[list[Checked], list[str]]:
        """The same for what was checked before, asked again if that is too long ago for any of them."""
        now = self.clock()
        if all(now - each.at <= FRESH_FOR for each in checked):
            return list(checked), []
        ready, stopped = self._asked([each.claim for each in checked])
        return ready, self.settling.settle(stopped)

    def _found(self, claims: Sequence[Claim], destination: Destination) -> list[Ending | Claim]:
        """Of each how the attempt ends because of an earlier one's effect; the claim if none is there."""
        if not claims:
            return []
        with reading(self.engine) as conn:  # a reply stands in its thread, not in the channel's history
            orders = [claim.order(thread_receipt(conn, claim), witnesses(conn, claim)) for claim in claims]
        looked_at = self.clock()  # before: while others are looked for, it may land and its quiet period end
        found = _all_found(destination, orders)
        return [
            self._ending(claim, result, destination, looked_at) for claim, result in zip(claims, found, strict=True)
        ]

    def _ending(self, claim: Claim, found: Result, destination: Destination, looked_at: datetime) -> Ending | Claim:
        """Where a slow request could have landed since (nobody waited), the claim keeps the note that one may still."""
        assert claim.sent_at is not None
        quiet_until = claim.sent_at + timedelta(seconds=destination.quiet_s)
        if found.outcome == "not_sent" and looked_at < quiet_until:
            # not there yet proves nothing while a slow request can still land
            reason = f"not there yet; a slow request can still land until {quiet_until:%H:%M:%S} UTC"
            return self.settling.put_back(claim, "ambiguous", quiet_until, reason, maybe_sent=True, counts=False)
        if found.outcome == "not_sent" and claim.reason and not destination.quiet_s:
            found = replace(found, reason=f"{claim.reason}; {found.reason}")  # what failed says more than the search
        if found.outcome != "not_sent" or is_over(claim.attempt):
            return self.settling.ending(claim, found, destination.pace, looked=True)
        return replace(claim, sent_at=None) if destination.quiet_s else claim

    def _asked(self, claims: Sequence[Claim]) -> tuple[list[Checked], list[Ending]]:
        at = self.clock()
        ready: list[Checked] = []
        stopped: list[Ending] = []
        for claim, said in zip(claims, self._said(claims), strict=True):
            if isinstance(said, Exception):  # whatever the recheck raises: do not send unchecked
                stopped.append(self._unchecked(claim, said))
            elif isinstance(said, str):
                stopped.append(self.settling.finished(claim, "suppressed", reason=said))
            elif (closed := self.rhythm.opening(said.kind, said.options, said.alert, at)) is not None:
                stopped.append(self._wait_for_hours(claim, said, closed))
            else:
                ready.append(Checked(said, at))
        return ready, stopped

    def _said(self, claims: Sequence[Claim]) -> list[str | Claim | Exception]:
        """Each delivery with what it must say now, or why it must not go out, or what went wrong in finding out.

        The world is asked only about those that the ledger lets go; a table asks for each that it lists.
        """
        found = self._of_ledger(claims)
        rest = [claim for claim in claims if claim.id not in found]
        for claim, answer in zip(rest, self._world(rest), strict=True):
            found[claim.id] = (
                _saying(claim, answer) if isinstance(answer, Alert) else claim if answer is None else answer
            )
        return [found[claim.id] for claim in claims]

    def _of_ledger(self, claims: Sequence[Claim]) -> dict[int, str | Claim | Exception]:
        """What needs no asking of the world, by id."""
        found: dict[int, str | Claim | Exception] = {}
        plain = [claim for claim in claims if claim.retracts is None and not claim.options.get("table")]
        if plain:
            with reading(self.engine) as conn:
                found.update(objections(conn, plain, self.clock()))
        for claim in claims:
            if claim.options.get("table"):
                found[claim.id] = self._listed(claim)
            elif claim.retracts is not None:  # what was said is taken back, whatever stands against saying it
                found[claim.id] = self._taking_back(claim)
        return found

    def _taking_back(self, claim: Claim) -> str | Claim | Exception:
        try:
            with reading(self.engine) as conn:
                return nothing_to_take_back(conn, claim) or struck_out(conn, claim)
        except Exception as error:
            return error

    def _listed(self, table: Claim) -> str | Claim | Exception:
        def check(member: Claim) -> str | Claim:
            (said,) = self._said([member])
            if isinstance(said, Exception):
                raise said
            return said

        try:
            shows = listed(self.engine, table, check)
        except Exception as error:
            return error
        return shows if isinstance(shows, str) else replace(shows, says_anew=True)

    def _world(self, claims: Sequence[Claim]) -> Sequence[Answer]:
        if isinstance(self.recheck, BatchRecheck) and claims:
            with suppress(Exception):  # what one of them makes it raise is found by asking about each alone
                return self.recheck.many(claims)
        return [self._one(claim) for claim in claims]

    def _one(self, claim: Claim) -> Answer:
        try:
            return self.recheck(claim)
        except Exception as error:
            return error

    def _wait_for_hours(self, claim: Claim, saying: Claim, closed: Wait) -> Ending:
        """Back until its reader is at work; then it is gathered with what else waits there, if it goes there still."""
        first = claim.thread_of is None and saying.lane == claim.lane and not claim.options.get("table")
        gather_at = closed.until if first else None
        return self.settling.put_back(claim, "waiting", closed.until, closed.why, counts=False, gather_at=gather_at)

    def _unchecked(self, claim: Claim, error: Exception) -> Ending:
        """Put the delivery back as one told to wait: it is not the delivery that failed, so no attempt is used up."""
        told = error.retry_after_s if isinstance(error, RemoteError) else None
        wait = wait_unchecked(self.clock() - claim.created_at, told)
        reason = f"{UNCHECKED}: {error if isinstance(error, UserError) else in_words(error)}"
        result = Result("not_sent", reason=reason, retry_after_s=wait.total_seconds())
        return self.settling.ending(claim, result, None)  # it is the CRM that cannot be asked: nobody else need wait


def _all_found(destination: Destination, orders: Sequence[Order]) -> list[Result]:
    if isinstance(destination, BatchFinder) and len(orders) > 1:
        with suppress(Exception):  # what one of them makes it raise is found by looking for each alone
            return list(destination.find_many(orders))
    return [said_by(partial(destination.find, order)) for order in orders]


def said_by(ask: Callable[[], Result]) -> Result:
    """Destinations do not raise for what the remote side does; if one does, nobody knows whether it was sent."""
    try:
        return ask()
    except Exception as error:  # one failing row must not fail its neighbours
        return Result("ambiguous", reason=in_words(error))


def in_words(error: Exception) -> str:
    """The type alone: messages of network errors carry URLs, and URLs carry secrets."""
    return f"{type(error).__name__} was raised"


def _saying(claim: Claim, alert: Alert) -> Claim:
    """The claim with what it must say now; a direct message to another owner begins a conversation of its own."""
    if alert == claim.alert:
        return claim
    lane = direct_lane(alert.owner_email)
    if claim.options.get("dm") != "owner" or not alert.owner_email or claim.lane == lane:
        return replace(claim, alert=alert, says_anew=True)
    return replace(claim, alert=alert, lane=lane, thread_of=None, says_anew=True)
