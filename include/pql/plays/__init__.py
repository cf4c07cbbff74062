"""Decisions in, intended actions out: trigger, filter, actions, wording; pure."""

from pql.plays.alert import alert
from pql.plays.intend import intend
from pql.plays.merge import merge
from pql.plays.model import Cause, Intent, Merged, dump, load, load_alert

__all__ = ["Cause", "Intent", "Merged", "alert", "dump", "intend", "load", "load_alert", "merge"]
