"""Who belongs where at one moment: the public answers `identity` and `resolve_marks`, from the tables of this room."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import duckdb
import pandas as pd
import pyarrow as pa

from pql.features.clock import microseconds
from pql.features.companies import make_companies
from pql.features.homes import make_assignments, make_homes
from pql.features.people import make_members
from pql.features.scratch import Ints, Scratch


def make_identity(scratch: Scratch, moments: Ints, free_mail_domains: Collection[str], only: str | None = None) -> None:
    """Create every table about who belongs where at the moments (µs, ascending): see `people`, `homes`.

    `only` names a table of the raw ids to look at, with all that they are linked with.
    """
    make_members(scratch, moments, only)
    make_homes(scratch, len(moments), free_mail_domains)
    make_assignments(scratch)


def identity(
    con: duckdb.DuckDBPyConnection, as_of: datetime, *, free_mail_domains: Collection[str] = ()
) -> pd.DataFrame:
    """Columns raw_id, user_id, account_hint, account_key, email: one row per raw id and hint seen before `as_of`.

    Visitors who are linked to nobody by then are not in it (SEM-W3).
    """
    with Scratch(con) as scratch:
        make_identity(scratch, microseconds([as_of]), free_mail_domains)
        return con.execute(
            """SELECT a.raw_id, a.user_id, a.account_hint, a.account_key, h.email
               FROM f_assign a JOIN f_home h USING (user_id) ORDER BY a.raw_id, a.account_hint NULLS FIRST"""
        ).df()


def identities(
    con: duckdb.DuckDBPyConnection, moments: Sequence[datetime], *, free_mail_domains: Collection[str] = ()
) -> dict[datetime, pd.DataFrame]:
    """For each moment raw_id, user_id, account_hint, account_key as `identity` gives them, all in one pass.

    The views must be cut for these moments.
    """
    ordered = microseconds(moments)
    with Scratch(con) as scratch:
        make_identity(scratch, ordered, free_mail_domains)
        found = con.execute(
            """SELECT raw_id, user_id, account_hint, account_key, greatest(m_first, m_from) AS m_from, m_to
               FROM f_assign ORDER BY raw_id, account_hint NULLS FIRST"""
        ).df()
    wanted = found[["raw_id", "user_id", "account_hint", "account_key"]]
    return {
        at: wanted[(found["m_from"] <= m) & (m < found["m_to"])].reset_index(drop=True)
        for m, at in enumerate(sorted(set(moments)))
    }


def resolve_marks(
    con: duckdb.DuckDBPyConnection,
    as_of: datetime,
    fact_keys: Sequence[str],
    *,
    free_mail_domains: Collection[str] = (),
) -> dict[str, set[str]]:
    """For each fact key (`user:<raw id>`, `anon:<id>`, `company:<id>`, `contact:<id>`) the account keys it is about.

    At `as_of`; an empty set where it is about nobody known, such as a visitor not linked yet (SEM-D1).
    """
    found: dict[str, set[str]] = {key: set() for key in fact_keys}
    with Scratch(con) as scratch:
        make_identity(scratch, microseconds([as_of]), free_mail_domains)
        make_companies(scratch, 1)
        make_marked(scratch, fact_keys, 0)
        rows = scratch.fetch("SELECT fact_key, account_key FROM f_marked")
    for fact, account in zip(rows["fact_key"], rows["account_key"], strict=True):
        found[str(fact)].add(str(account))
    return found


def make_marked(scratch: Scratch, fact_keys: Collection[str], m: int) -> None:
    """Create `f_marked` (fact_key, account_key): the accounts that these facts are about at moment number m.

    Needs `f_account_company` if there is a company among the facts.
    """
    scratch.put("f_mark", {"fact_key": pa.array(list(fact_keys), pa.string())})
    companies = "SELECT NULL AS company_id, NULL AS account_key WHERE $1 IS NULL"
    if names_companies(fact_keys):
        companies = "SELECT company_id, account_key FROM f_account_company WHERE m_from <= $1 AND $1 < m_to"
    scratch.make("f_marked", _MARKED.format(companies=companies), [m])


def names_companies(fact_keys: Collection[str]) -> bool:
    """Whether a CRM company is among the facts."""
    return any(key.startswith("company:") for key in fact_keys)


_MARKED = """
WITH raw AS (
    SELECT DISTINCT CASE WHEN starts_with(fact_key, 'user:') THEN substr(fact_key, 6) ELSE fact_key END AS raw_id
    FROM f_mark WHERE fact_key[:5] IN ('user:', 'anon:')),
assigned AS (
    SELECT raw_id, user_id, account_key FROM f_assign SEMI JOIN raw USING (raw_id)
    WHERE greatest(m_first, m_from) <= $1 AND $1 < m_to),
home AS (FROM f_home WHERE m_from <= $1 AND $1 < m_to),
company AS ({companies}),
seen AS (
    SELECT raw_id, account_key FROM assigned
    UNION SELECT a.raw_id, h.account_key FROM assigned a JOIN home h USING (user_id)),
facts AS (
    SELECT CASE WHEN starts_with(raw_id, 'anon:') THEN raw_id ELSE 'user:' || raw_id END AS fact_key, account_key
    FROM seen
    UNION SELECT 'company:' || company_id, account_key FROM home WHERE company_id IS NOT NULL
    UNION SELECT 'company:' || company_id, account_key FROM company WHERE company_id IS NOT NULL
    UNION SELECT 'contact:' || contact_id, account_key FROM home WHERE contact_id IS NOT NULL)
SELECT DISTINCT f.fact_key, f.account_key FROM facts f JOIN f_mark USING (fact_key)
"""
