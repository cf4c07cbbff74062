"""Who is scored when: identity tables in, subjects with their members (`f_part`) and the moments they exist at out.

Identity may differ between moments. A subject is therefore cut into *stays*: stretches of moments in which exactly the
same people (and their same raw ids) belong to it. All history of those people counts in all moments of the stay, as it
would if each moment were computed alone (SEM-W3). With a settled identity every subject is one stay.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pql.features.companies import make_companies
from pql.features.identity import make_marked, names_companies
from pql.features.scratch import Flags, Ints, Objects, Scratch


@dataclass(frozen=True)
class Wanted:
    """Names of tables: the accounts asked for, their users, and every account that any of these users ever was in."""

    accounts: str
    users: str
    ever: str


@dataclass(frozen=True)
class Subjects:
    """Stays, sorted by subject key and time; `born` is the first moment at which anything of it was seen."""

    key: Objects  # per stay
    born: Ints
    m_to: Ints
    member_stay: Ints  # per member (a user in a stay): which stay

    def points(self) -> tuple[Ints, Ints]:
        """(stay, moment) of every stay and moment at which it exists, sorted."""
        length = self.m_to - self.born
        stay = np.repeat(np.arange(len(self.key)), length)
        starts = np.cumsum(length) - length
        return stay, np.arange(len(stay)) - np.repeat(starts - self.born, length)

    def exists(self, first: int, last: int, moments: int) -> Flags:
        """Whether stays first … last − 1 exist, per stay and moment."""
        moment = np.arange(moments)
        return (self.born[first:last, None] <= moment) & (moment < self.m_to[first:last, None])


def make_wanted(scratch: Scratch, accounts: Collection[str], facts: Collection[str], moment_count: int) -> Wanted:
    """Tables of whom to keep to: `accounts` and those that `facts` are about at the last moment."""
    if names_companies(facts):
        make_companies(scratch, moment_count)
    make_marked(scratch, facts, moment_count - 1)
    scratch.put("f_given", {"account_key": pa.array(sorted(accounts), pa.string())})
    scratch.make("f_wanted", "SELECT account_key FROM f_given UNION SELECT account_key FROM f_marked")
    scratch.make("f_wanted_user", "SELECT DISTINCT user_id FROM f_home SEMI JOIN f_wanted USING (account_key)")
    scratch.make(
        "f_wanted_account",
        "FROM f_wanted UNION SELECT account_key FROM f_home SEMI JOIN f_wanted_user USING (user_id)",
    )
    return Wanted("f_wanted", "f_wanted_user", "f_wanted_account")


def make_subjects(scratch: Scratch, subject: str, moment_count: int, wanted: Wanted | None) -> Subjects:
    """Create `f_part` (stay, member, raw_id, account_hint) and return the stays; only those `wanted` if given."""
    scratch.make("f_mine", _ACCOUNT_PARTS if subject == "account" else _USER_PARTS)
    if wanted is not None:
        of_users = f"user_id IN (SELECT user_id FROM {wanted.users})"
        chosen = of_users if subject == "user" else f"subject_key IN (SELECT account_key FROM {wanted.accounts})"
        scratch.make("f_mine", f"SELECT * FROM f_mine WHERE {chosen}")
    scratch.make("f_stayed", _STAYS, [moment_count])
    scratch.make(
        "f_living",
        "SELECT DISTINCT stay, user_id, dense_rank() OVER (ORDER BY stay, user_id) - 1 AS member FROM f_stayed",
    )
    scratch.make(
        "f_part",
        "SELECT s.stay, l.member, s.raw_id, s.account_hint FROM f_stayed s JOIN f_living l USING (stay, user_id)",
    )
    stays = scratch.fetch(
        """SELECT subject_key, greatest(any_value(lo), min(m_first))::BIGINT AS born, any_value(hi)::BIGINT AS hi
           FROM f_stayed GROUP BY stay, subject_key ORDER BY stay"""
    )
    members = scratch.fetch("SELECT stay::BIGINT AS stay FROM f_living ORDER BY member")
    scratch.drop("f_mine", "f_stayed", "f_living")
    return Subjects(stays["subject_key"], stays["born"], stays["hi"], members["stay"])


_ACCOUNT_PARTS = "SELECT account_key AS subject_key, * EXCLUDE (account_key) FROM f_assign"

# A user pools its events whatever account they name.
_USER_PARTS = """
SELECT 'user:' || b.user_id AS subject_key, b.raw_id, NULL::VARCHAR AS account_hint, b.user_id, p.m AS m_first,
       CASE WHEN b.m_from <= p.m THEN 0 ELSE b.m_from END::INTEGER AS m_from, b.m_to
FROM f_member b JOIN (SELECT raw_id, min(m) AS m FROM f_pair GROUP BY raw_id) p USING (raw_id)
WHERE b.m_to > p.m
"""

_STAYS = """
WITH settled AS (SELECT subject_key FROM f_mine GROUP BY subject_key HAVING max(m_from) = 0 AND min(m_to) = $1),
changing AS (FROM f_mine ANTI JOIN settled USING (subject_key)),
breaks AS (
    SELECT subject_key, 0 AS lo FROM changing
    UNION SELECT subject_key, m_from FROM changing
    UNION SELECT subject_key, m_to FROM changing WHERE m_to < $1),
spans AS (
    SELECT subject_key, lo, coalesce(lead(lo) OVER (PARTITION BY subject_key ORDER BY lo), $1) AS hi FROM breaks),
alive AS (
    SELECT s.subject_key, s.lo, s.hi
    FROM spans s JOIN changing p ON p.subject_key = s.subject_key AND p.m_from <= s.lo AND s.lo < p.m_to
    GROUP BY ALL HAVING min(p.m_first) < s.hi),
stays AS (
    SELECT *, row_number() OVER (ORDER BY subject_key, lo) - 1 AS stay
    FROM (FROM alive UNION ALL SELECT subject_key, 0, $1 FROM settled))
SELECT s.stay, s.lo::INTEGER AS lo, s.hi::INTEGER AS hi, p.*
FROM stays s JOIN f_mine p ON p.subject_key = s.subject_key AND p.m_from <= s.lo AND s.lo < p.m_to
"""
