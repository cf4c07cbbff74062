"""Checked deliveries of one lane in, the state each ends this attempt in out: mark it, send it, settle it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from pql.outbox.sending import claims
from pql.outbox.sending.checking import Checked, Checking, in_words, said_by
from pql.outbox.sending.claims import Claim
from pql.outbox.sending.objections import thread_receipt
from pql.outbox.sending.settling import LOST, Boundary, Settling
from pql.outbox.sending.together import Together
from pql.types import BatchDestination, Destination, Order, Result

_SendMany = Callable[[Sequence[Order]], Sequence[Result]]


@dataclass(frozen=True)
class Worker:
    """Who carries deliveries out, and with what."""

    together: Together
    checking: Checking
    settling: Settling
    clock: Callable[[], datetime]
    boundary: Boundary

    def send(
        self,
        checked: Sequence[Checked],
        destination: Destination,
        goes_on: Callable[[Sequence[str]], bool],
        leaves: Callable[[], None],
    ) -> list[Checked]:
        """Carry deliveries of one lane out, one after the other or in one request; return those not reached.

        `goes_on` is told the states as they come and asked whether the next may go; `leaves` is told right before each
        request. Raises nothing for what goes wrong with a row: one failing row never fails its neighbours.
        """
        rest = list(checked)
        many = destination.send_many if isinstance(destination, BatchDestination) else None
        while rest and goes_on(()):
            rest, ended = self.checking.freshen(rest)
            together = rest if many else rest[:1]
            rest = rest[len(together) :]
            goes_on([*ended, *self._sent([each.claim for each in together], destination, many, leaves)])
        return rest

    def _sent(
        self,
        ready: Sequence[Claim],
        destination: Destination,
        many: _SendMany | None,
        leaves: Callable[[], None],
    ) -> list[str]:
        """The states of what left in one request."""
        if not ready:
            return []
        orders = self._marked(ready)
        ours = [order for order in orders if order is not None]
        leaves()
        said = _all_said(many, ours) if many else [_said(destination, order) for order in ours]
        results = dict(zip([order.delivery_id for order in ours], said, strict=True))
        self.boundary("sent")
        endings = [
            self.settling.ending(claim, results[claim.id], destination.pace) for claim in ready if claim.id in results
        ]
        return [*self.settling.settle(endings), *([LOST] * (len(ready) - len(ours)))]

    def _marked(self, ready: Sequence[Claim]) -> list[Order | None]:
        """What to send, marked before it leaves; None for a row that is no longer ours."""

        def change(conn: Connection) -> list[Order | None]:
            orders: list[Order | None] = []
            for claim in ready:
                thread = thread_receipt(conn, claim)
                ours = claims.begin_sending(conn, claim, now=self.clock(), threaded=thread is not None)
                orders.append(claim.order(thread) if ours else None)
            return orders

        orders = self.together.write(change)
        self.boundary("marked sending")
        return orders


def _said(destination: Destination, order: Order) -> Result:
    return said_by(lambda: destination.send(order))


def _all_said(send_many: _SendMany, orders: Sequence[Order]) -> Sequence[Result]:
    try:
        return send_many(orders) if orders else ()
    except Exception as error:
        return [Result("ambiguous", reason=in_words(error))] * len(orders)
