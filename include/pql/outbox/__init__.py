"""The outbox: deliveries written with the decisions that cause them, carried out later, each exactly once."""

from pql.outbox.by_hand.acts import Delivery, list_deliveries, list_held, release_held, retry, suppress
from pql.outbox.by_hand.silent import Released, SilentOpening, list_silent, release_silent
from pql.outbox.queueing.digest import gather, gather_waiting
from pql.outbox.queueing.enqueue import Queued, enqueue
from pql.outbox.queueing.retract import TakenBack, retract
from pql.outbox.queueing.rhythm import Rhythm, rhythm
from pql.outbox.sending.checking import BatchRecheck, Recheck
from pql.outbox.sending.claims import Claim
from pql.outbox.sending.deliver import DeliverReport, deliver
from pql.outbox.sending.due import due

__all__ = [
    "BatchRecheck",
    "Claim",
    "DeliverReport",
    "Delivery",
    "Queued",
    "Recheck",
    "Released",
    "Rhythm",
    "SilentOpening",
    "TakenBack",
    "deliver",
    "due",
    "enqueue",
    "gather",
    "gather_waiting",
    "list_deliveries",
    "list_held",
    "list_silent",
    "release_held",
    "release_silent",
    "retract",
    "retry",
    "rhythm",
    "suppress",
]
