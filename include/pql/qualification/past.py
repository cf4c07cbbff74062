"""Frames of T and of earlier moments in, the frame `decide` takes out: was it already so then?

The order for the caller: `moments_needed` → build features of all of them in one pass → `fill_unknown` each past
frame from T's → score each → `with_past` → `decide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pql.definition.model import Definition
from pql.qualification.moments import days_before
from pql.qualification.triggers import align, triggers
from pql.scoring.values import column, is_one_of, numbers

_NEVER_FILLED = frozenset({"attr.not_a_fit", "attr.snooze_until", "attr.first_won_at", "attr.last_won_at"})
_NOT_ATTRIBUTES = ("domain",)  # feature columns that are looked up like attributes


def fill_unknown(definition: Definition, past: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """`past` (features of one moment) with attributes that were unknown then at the value they have in `now`.

    So connecting a CRM makes nobody news (SEM-D3 b). Signals that are attributes, or shares of one, follow. What says
    that sales stepped in (not a fit, snoozed, deals won) is never carried back. Rows and order are those of `past`.
    """
    attribute_signals = [f"signal.{s.name}" for s in definition.signals if s.measure == "attribute"]
    attributes = [c for c in now.columns if c.startswith("attr.") and c not in _NEVER_FILLED]
    names = [name for name in (*attributes, *attribute_signals, *_NOT_ATTRIBUTES) if name in now.columns]
    later = align(now[["subject_key", *names]], past["subject_key"])
    filled = past.copy(deep=False)
    for name in names:
        old = column(past, name)
        filled[name] = old.where(old.notna(), later[name]) if name in past.columns else later[name]
    for signal in definition.signals:
        if signal.measure == "share":
            limit = numbers(column(filled, f"attr.{signal.denominator}"))
            limit = np.where(limit > 0, limit, np.nan)
            share = 100 * numbers(filled[f"signal.{signal.numerator}"]) / limit
            filled[f"signal.{signal.name}"] = filled[f"signal.{signal.name}"].fillna(
                pd.Series(share, index=filled.index)
            )
    return filled


def with_past(
    definition: Definition, frames: Mapping[datetime, pd.DataFrame], as_of: datetime, *, timezone: str = "UTC"
) -> pd.DataFrame:
    """The scored frame of T with `was_qualified`, `trigger.<play>` and `trigger_was.<play>`: what `decide` takes.

    `frames` are scored, one per moment of `moments_needed`; past ones were filled before scoring. Who was snoozed or
    not a fit at T − stale was not qualified then: the end of a block is fresh news (SEM-D3).
    """
    now = frames[as_of]
    then = days_before(as_of, definition.stale_after_days, timezone)
    past = frames[then]
    was = past.loc[past["qualified"].to_numpy(dtype=bool) & ~crm_blocked(past, then), "subject_key"]
    return now.assign(
        was_qualified=now["subject_key"].isin(was).to_numpy(dtype=bool),
        **triggers(definition, frames, as_of, definition.stale_after_days, timezone=timezone),
    )


def crm_blocked(frame: pd.DataFrame, as_of: datetime) -> pd.Series:
    """Whether the CRM says "not a fit" or "snoozed beyond T", per row; bool."""
    not_a_fit, _ = is_one_of(column(frame, "attr.not_a_fit"), (True,))
    snoozed = pd.to_datetime(column(frame, "attr.snooze_until"), errors="coerce") > pd.Timestamp(
        as_of.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    )
    return pd.Series(not_a_fit, index=frame.index) | snoozed


def would_have_announced(at: pd.DataFrame, before: pd.DataFrame) -> tuple[str, ...]:
    """Subjects qualified at T and not one period earlier, hottest first (SEM-D6); both frames are scored."""
    earlier = set(before.loc[before["qualified"].to_numpy(dtype=bool), "subject_key"])
    now = at[at["qualified"].to_numpy(dtype=bool) & ~at["subject_key"].isin(earlier)]
    return tuple(now.sort_values(["score", "subject_key"], ascending=[False, True])["subject_key"])
