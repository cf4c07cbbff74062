"""The feature frame: views, a definition and moments in, one row per moment and subject out.

Whatever the number of moments, it is one pass: identity is worked out where it changes, usage is read once, and every
signal is a difference of running totals over the days.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import duckdb
import numpy as np
import pandas as pd

from pql.definition.attributes import attributes_of
from pql.definition.model import Definition
from pql.features.attributes import BASE, COMPUTED, make_attributes
from pql.features.clock import Clock, clock, day_ends, local_days, microseconds
from pql.features.companies import make_companies
from pql.features.frame import Frame
from pql.features.identity import make_identity
from pql.features.neighbours import make_neighbours
from pql.features.presence import history_start, read_presence
from pql.features.rows import Usage
from pql.features.scratch import Ints, Scratch
from pql.features.signup import read_signups
from pql.features.spread import read_attributes
from pql.features.subjects import make_subjects, make_wanted
from pql.features.wants import fields_of, signup_keys, value_keys
from pql.usage import needs_of


def build(
    con: duckdb.DuckDBPyConnection,
    definition: Definition,
    moments: Sequence[datetime],
    *,
    timezone: str,
    free_mail_domains: Collection[str],
    accounts: Collection[str] | None = None,
    facts: Collection[str] = (),
    extra_attributes: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per (subject_key, as_of), sorted so, for every subject seen before that moment.

    The views must be cut for the same moments (ValueError otherwise). `accounts` keeps only these account keys, and
    those that `facts` are about at the last moment (see `resolve_marks`); for a user definition all their users.
    Columns: as_of, subject_key, account_key, signup_at, signup_day, first_seen_at, last_active_at, newest_ingested_at
    (naive UTC), users, domain, is_free_mail, crm_backdated, `attr.<name>`, `signal.<name>` (float64, NaN unknown;
    object for attributes), `signal_at.<name>` (of signals with a half-life), `not_yet.<name>` and `short.<name>`
    (bool), `stage_at.<i>` (NaT: not reached).
    """
    asked = microseconds(moments)
    names = _looked_up(definition, extra_attributes)
    by_hint = definition.subject == "account"
    with Scratch(con) as scratch:
        start = history_start(scratch)
        ticking = _clock(definition, asked, start, timezone)
        near = None if accounts is None else make_neighbours(scratch, accounts, facts, free_mail_domains)
        make_identity(scratch, asked, free_mail_domains, near)
        wanted = None if accounts is None else make_wanted(scratch, accounts, facts, len(asked))
        make_companies(scratch, len(asked), wanted.ever if wanted else None)
        make_attributes(scratch, names, len(asked), wanted, of_users=not by_hint)
        subjects = make_subjects(scratch, definition.subject, len(asked), wanted)
        attributes = read_attributes(scratch, names, len(asked), subjects, definition.subject)
        presence = read_presence(scratch, by_hint=by_hint)
        scratch.forget(but=("f_part", "f_pair", "f_trait", "f_segment"))
        usage = _usage(scratch, ticking, definition, by_hint=by_hint)
        signups = read_signups(scratch, ticking, usage.first_at(signup_keys(definition)), by_hint=by_hint)
        frame = Frame(definition, ticking, asked, timezone, subjects, signups, usage, attributes, presence, start or 0)
        return frame.assemble()


def _looked_up(definition: Definition, extra: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*BASE, *attributes_of(definition), *extra} - set(COMPUTED)))


def _usage(scratch: Scratch, ticking: Clock, definition: Definition, *, by_hint: bool) -> Usage:
    keys = frozenset(need.key for need in needs_of(definition))
    of_values = frozenset(key for signal in definition.signals for key in value_keys(definition, signal))
    return Usage(scratch, ticking, keys, fields_of(definition), of_values, by_hint=by_hint)


def _clock(definition: Definition, asked: Ints, start: int | None, timezone: str) -> Clock:
    """The moments, and for stages the end of every day of history before the last of them."""
    if not definition.stages or start is None or not len(asked):
        return clock(asked, timezone)
    ends = day_ends(start, int(local_days(asked[-1:], timezone)[0]), timezone)
    return clock(np.concatenate((asked, ends[ends <= asked[-1]])), timezone)
