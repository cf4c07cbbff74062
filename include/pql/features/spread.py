"""Attributes over the panel: fact tables in, one value per point out.

Facts change rarely, so values are worked out once per run of points at which nothing changed, then repeated.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pql.features.scratch import Column, Flags, Ints, Objects, Scratch
from pql.features.subjects import Subjects


@lru_cache(maxsize=100_000)
def scalar(text: str) -> Any:
    """The value of a JSON text; the text itself if it is not JSON.

    >>> scalar('15'), scalar('"pro"'), scalar('pro')
    (15, 'pro', 'pro')
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


TEXTS = ("domain", "company_id", "crm_id", "crm_kind", "owner_email", "owner_name")


@dataclass(frozen=True)
class Facts:
    """Rows of a fact table by (key, moment): each stands until the next of its key."""

    keys: pd.Index
    code: Ints
    m: Ints
    columns: dict[str, Column]
    moment_count: int

    def codes(self, keys: Objects) -> Ints:
        """The code of each key; −1 where it has no row."""
        return self.keys.get_indexer(pd.Index(keys, dtype=object)).astype(np.int64)

    def rows(self, code: Ints, moment: Ints) -> Ints:
        """The row that stands at (code, moment); −1 if none."""
        if not len(self.m):
            return np.full(len(code), -1, dtype=np.int64)
        span = self.moment_count
        found = np.searchsorted(self.code * span + self.m, code * span + moment, side="right") - 1
        return np.where((code >= 0) & (found >= 0) & (self.code[found] == code), found, -1)

    def at(self, name: str, row: Ints) -> Column:
        """The column at these rows; None, NaN or NaT where there is no row."""
        values = self.columns[name]
        if values.dtype.kind == "M":
            return np.concatenate((values.astype("datetime64[us]"), np.array(["NaT"], dtype="datetime64[us]")))[row]
        if values.dtype.kind == "f":
            return np.concatenate((values, [np.nan]))[row]
        padded = np.empty(len(values) + 1, dtype=object)
        padded[:-1], padded[-1] = values, None
        return padded[row]


def read_facts(scratch: Scratch, table: str, key: str, moment_count: int) -> Facts:
    """A fact table sorted by `key` and m."""
    found = scratch.fetch(f"SELECT * REPLACE (m::BIGINT AS m) FROM {table} ORDER BY {key}, m")
    code, keys = pd.factorize(found.pop(key))
    return Facts(pd.Index(keys, dtype=object), code.astype(np.int64), found.pop("m"), found, moment_count)


@dataclass(frozen=True)
class Attributes:
    """Fact rows of accounts and of persons, one pair per run of points."""

    names: tuple[str, ...]  # looked up, in the order of columns a0, a1 …
    account: Facts
    account_row: Ints  # per run
    own: Facts
    own_row: Ints  # per run
    run: Ints  # per point
    stay: Ints  # per point
    moment: Ints  # per point
    of_users: bool

    def columns(self) -> dict[str, pd.Series]:
        """The values of every attribute looked up or made here, per point; dtypes do not depend on the values."""
        found = {name: self._looked_up(i) for i, name in enumerate(self.names)}
        employees = pd.Series(self._looked_up(len(self.names)), dtype=object)
        found["employees"] = pd.to_numeric(employees, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        found["is_free_mail"] = self._account("is_free_mail") == True  # noqa: E712 — an object array: None is not true
        for name in ("domain", "not_a_fit", "snooze_until", "first_won_at", "last_won_at"):
            found[name] = self._account(name)
        for name in ("open_deals", "won_deals"):
            found[name] = np.nan_to_num(self._account(name))
        found["meetings"] = np.fmax(np.nan_to_num(self._account("meetings")), np.nan_to_num(self._own("meetings")))
        columns = {name: pd.Series(values, dtype=values.dtype) for name, values in (found | self._crm()).items()}
        texts = {name: columns[name].astype("str") for name in TEXTS}
        return {name: values.take(self.run).reset_index(drop=True) for name, values in (columns | texts).items()}

    def account_keys(self) -> pd.Series:
        """Per point the account's key."""
        keys = pd.Series(self.account.keys, dtype="str")
        return keys.take(self.account.code[self.account_row][self.run]).reset_index(drop=True)

    def backdated(self) -> Column:
        """Whether the CRM's word about the account is older than the first time it was read (SEM-C1)."""
        found: Column = self._account("crm_backdated") == True  # noqa: E712 — an object array: None is not true
        return found[self.run]

    def per_account(self) -> Ints:
        """Per point how many points have its account and moment: of user subjects, the account's users."""
        key = self.account.code[self.account_row][self.run] * self.account.moment_count + self.moment
        users: Ints = np.bincount(key)[key]
        return users

    def _crm(self) -> dict[str, Column]:
        """A user subject is its contact before it is its company; an account the other way round."""
        company, contact = self._account("company_id"), self._own("contact_id")
        has_company, has_contact = ~_missing(company), ~_missing(contact)
        by_contact = has_contact if self.of_users else has_contact & ~has_company
        kind = np.where(by_contact, "contact", np.where(has_company, "company", "")).astype(object)
        found = {"company_id": company, "crm_id": np.where(by_contact, contact, company), "crm_kind": kind}
        owned = ~_missing(self._account("owner_email"))  # the account's owner; a lone contact's its own
        for name in ("owner_email", "owner_name"):
            found[name] = np.where(owned, self._account(name), self._own(name))
        return found

    def _looked_up(self, i: int) -> Column:
        account, own = self._account(f"a{i}"), self._own(f"a{i}")
        code, distinct = pd.factorize(np.where(_missing(account), own, account))
        decoded = np.empty(len(distinct) + 1, dtype=object)
        decoded[:-1] = [scalar(str(text)) for text in distinct]
        decoded[-1] = None
        return decoded[code]

    def _account(self, name: str) -> Column:
        return self.account.at(name, self.account_row)

    def _own(self, name: str) -> Column:
        return self.own.at(name, self.own_row)


def _missing(values: Column) -> Flags:
    return np.asarray(pd.isna(values), dtype=bool)


def read_attributes(
    scratch: Scratch, names: Sequence[str], moment_count: int, subjects: Subjects, subject: str
) -> Attributes:
    """The facts of `f_account_fact` and `f_own_fact` at every point, a stay at a moment at which it exists."""
    stay, moment = subjects.points()
    account = read_facts(scratch, "f_account_fact", "account_key", moment_count)
    own = read_facts(scratch, "f_own_fact", "user_id", moment_count)
    people = np.array([str(k)[5:] if str(k).startswith("user:") else None for k in subjects.key], dtype=object)
    own_row = own.rows(own.codes(people)[stay], moment)
    if subject == "user":
        account_of_own = account.codes(own.columns["account_key"])
        account_row = account.rows(account_of_own[own_row], moment)
    else:
        account_row = account.rows(account.codes(subjects.key)[stay], moment)
    new = np.ones(len(stay), dtype=bool)
    new[1:] = (np.diff(account_row) != 0) | (np.diff(own_row) != 0)
    starts = np.flatnonzero(new)
    rows = (account, account_row[starts], own, own_row[starts], np.cumsum(new) - 1)
    return Attributes(tuple(names), *rows, stay, moment, subject == "user")
