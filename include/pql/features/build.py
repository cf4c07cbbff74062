"""The feature frame: views, a definition and moments in, one row per moment and subject out.

Whatever the number of moments, it is one pass: identity is worked out where it changes, usage is read once and grouped
by day, and every signal is a difference of running totals at the points of the panel.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import duckdb
import numpy as np
import pandas as pd

from pql.definition.model import Definition
from pql.features.attributes import BASE, COMPUTED, make_attributes
from pql.features.clock import Clock, clock, day_ends, local_days, microseconds
from pql.features.companies import make_companies
from pql.features.frame import Frame
from pql.features.identity import make_identity
from pql.features.material import fetch_material
from pql.features.presence import history_start, read_presence
from pql.features.scratch import Ints, Scratch
from pql.features.spread import read_attributes
from pql.features.subjects import make_subjects


def build(
    con: duckdb.DuckDBPyConnection,
    definition: Definition,
    moments: Sequence[datetime],
    *,
    timezone: str,
    free_mail_domains: Collection[str],
    accounts: Collection[str] | None = None,
    extra_attributes: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per (subject_key, as_of), sorted so, for every subject seen before that moment.

    The views must be cut for the same moments (ValueError otherwise). `accounts` keeps only these account keys; for a
    user definition all their users. Columns: as_of, subject_key, account_key, signup_at, signup_day, first_seen_at,
    last_active_at, newest_ingested_at (naive UTC), users, domain, is_free_mail, crm_backdated, `attr.<name>`,
    `signal.<name>` (float64, NaN unknown; object for attributes), `signal_at.<name>` (of signals with a half-life),
    `not_yet.<name>` and `short.<name>` (bool), `stage_at.<i>` (NaT: not reached).
    """
    asked = microseconds(moments)
    names = _looked_up(definition, extra_attributes)
    with Scratch(con) as scratch:
        start = history_start(scratch)
        ticking = _clock(definition, asked, start, timezone)
        make_identity(scratch, asked, free_mail_domains)
        make_companies(scratch, len(asked))
        make_attributes(scratch, names, len(asked), of_users=definition.subject == "user")
        subjects = make_subjects(scratch, definition.subject, len(asked), accounts)
        panel, moment = subjects.panel(ticking.positions(asked), len(ticking) + 1)
        attributes = read_attributes(scratch, names, len(asked), subjects.key, panel.entity, moment, definition.subject)
        material = fetch_material(scratch, definition, ticking, timezone, subjects)
        presence = read_presence(scratch, clock(asked, timezone), by_hint=definition.subject == "account")
    return Frame(material, panel, attributes, presence, start or 0).assemble()


def _looked_up(definition: Definition, extra: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*BASE, *definition.attributes, *extra} - set(COMPUTED)))


def _clock(definition: Definition, asked: Ints, start: int | None, timezone: str) -> Clock:
    """The moments, and for stages the end of every day of history before the last of them."""
    if not definition.stages or start is None or not len(asked):
        return clock(asked, timezone)
    ends = day_ends(start, int(local_days(asked[-1:], timezone)[0]), timezone)
    return clock(np.concatenate((asked, ends[ends <= asked[-1]])), timezone)
