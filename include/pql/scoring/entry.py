"""Who a definition is about: size, `only`, exclusions, and whether the subject is alive (SEM-W4, Q2, Q3)."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from pql.definition.model import Definition
from pql.scoring.truth import Flags, Truth
from pql.scoring.values import column, is_one_of, local_days, numbers


def size(definition: Definition, frame: pd.DataFrame) -> tuple[pd.Series, Flags]:
    """(size, size is unknown) per row; bounds are lower bounds, `unknown` says what an unknown size counts as."""
    rule = definition.size
    if rule is None:
        return pd.Series("", index=frame.index, dtype=object), np.zeros(len(frame), dtype=bool)
    prefix = "attr" if rule.by_kind == "attribute" else "signal"
    value = numbers(column(frame, f"{prefix}.{rule.by}"))
    names = [name for name, _ in rule.bounds]
    bounds = np.array([bound for _, bound in rule.bounds], dtype="float64")
    step = np.clip(np.searchsorted(bounds, np.nan_to_num(value), side="right") - 1, 0, None)
    unknown = np.isnan(value)
    picked = np.where(unknown, rule.unknown, np.array(names, dtype=object)[step])
    return pd.Series(picked, index=frame.index, dtype=object), unknown


def only(definition: Definition, frame: pd.DataFrame) -> Truth:
    """Whether every attribute of `only:` has an allowed value; unknown where one is missing."""
    result = Truth.everywhere(True, len(frame))
    for attribute, allowed in definition.only:
        result = result & Truth.of(*is_one_of(column(frame, f"attr.{attribute}"), allowed))
    return result


def excluded(definition: Definition, frame: pd.DataFrame, own_domains: Collection[str]) -> Flags:
    """Whether an exclusion holds for sure: own and excluded domains, attributes, accounts."""
    rule = definition.exclude
    result = np.zeros(len(frame), dtype=bool)
    for name in ("domain", "attr.domain"):
        result |= is_under(column(frame, name), (*own_domains, *rule.domains))
    for attribute, values in rule.attributes:
        result |= is_one_of(column(frame, f"attr.{attribute}"), values)[0]
    result |= is_one_of(frame["account_key"], rule.accounts)[0]
    return result


def is_under(values: pd.Series, domains: Collection[str]) -> Flags:
    """Whether the domain is one of those, or below one: "eu.acme.test" is under "acme.test"."""
    wanted = tuple(d.strip().lower().lstrip("@") for d in domains)
    if not wanted or not len(values):
        return np.zeros(len(values), dtype=bool)
    names = values.astype("str").str.strip().str.lower()
    hits = names.isin(wanted) | names.str.endswith(tuple(f".{d}" for d in wanted))
    return hits.fillna(False).to_numpy(dtype=bool)


def alive(definition: Definition, frame: pd.DataFrame, timezone: str) -> Flags:
    """Whether the subject was active within the last `alive` local days, T's own day being one of them (SEM-T3, Q3)."""
    today = local_days(frame["as_of"] - pd.Timedelta(microseconds=1), timezone)
    age = today - local_days(frame["last_active_at"], timezone)
    return np.asarray(age <= definition.alive_days - 1)
