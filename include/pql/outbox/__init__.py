"""The outbox: deliveries written with the decisions that cause them, carried out later, each exactly once."""

from pql.outbox.by_hand import Delivery, list_deliveries, list_held, release_held, retry, suppress
from pql.outbox.checking import BatchRecheck, Recheck
from pql.outbox.claims import Claim
from pql.outbox.deliver import DeliverReport, deliver
from pql.outbox.digest import gather, gather_waiting
from pql.outbox.due import due
from pql.outbox.enqueue import Queued, enqueue
from pql.outbox.retract import TakenBack, retract
from pql.outbox.rhythm import Rhythm, rhythm
from pql.outbox.silent import Released, SilentOpening, list_silent, release_silent

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
