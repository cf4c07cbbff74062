"""Scored snapshots and ledger facts in, decisions out; pure: it neither reads nor writes the ledger."""

from pql.qualification.decide import decide
from pql.qualification.model import Decisions, Facts
from pql.qualification.moments import days_before, moments_needed, period_before
from pql.qualification.past import crm_blocked, fill_unknown, with_past, would_have_announced
from pql.qualification.triggers import triggers

__all__ = [
    "Decisions",
    "Facts",
    "crm_blocked",
    "days_before",
    "decide",
    "fill_unknown",
    "moments_needed",
    "period_before",
    "triggers",
    "with_past",
    "would_have_announced",
]
