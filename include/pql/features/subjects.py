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

from pql.features.scratch import Flags, Ints, Objects, Scratch


@dataclass(frozen=True)
class Subjects:
    """Stays, sorted by subject key and time; `born` is the first moment at which anything of it was seen."""

    key: Objects  # per stay
    born: Ints
    m_to: Ints
    member_stay: Ints  # per member (a user in a stay): which stay
    member_user: Objects  # per member: user id

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


def make_subjects(scratch: Scratch, subject: str, moment_count: int, accounts: Collection[str] | None) -> Subjects:
    """Create `f_part` (stay, member, raw_id, account_hint) and return the stays; only those of `accounts` if given."""
    scratch.make("f_mine", _ACCOUNT_PARTS if subject == "account" else _USER_PARTS)
    if accounts is not None:
        scratch.put("f_wanted", {"account_key": pa.array(sorted(accounts), pa.string())})
        chosen = "subject_key" if subject == "account" else "user_id"
        among = "f_wanted" if subject == "account" else "(SELECT user_id FROM f_home JOIN f_wanted USING (account_key))"
        scratch.make("f_mine", f"SELECT * FROM f_mine WHERE {chosen} IN (SELECT * FROM {among})")
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
    members = scratch.fetch("SELECT stay::BIGINT AS stay, user_id FROM f_living ORDER BY member")
    return Subjects(stays["subject_key"], stays["born"], stays["hi"], members["stay"], members["user_id"])


_ACCOUNT_PARTS = "SELECT account_key AS subject_key, * EXCLUDE (account_key) FROM f_assign"

# A user pools its events whatever account they name.
_USER_PARTS = """
SELECT 'user:' || b.user_id AS subject_key, b.raw_id, NULL::VARCHAR AS account_hint, b.user_id, p.m AS m_first,
       CASE WHEN b.m_from <= p.m THEN 0 ELSE b.m_from END::INTEGER AS m_from, b.m_to
FROM f_member b JOIN (SELECT raw_id, min(m) AS m FROM f_pair GROUP BY raw_id) p USING (raw_id)
WHERE b.m_to > p.m
"""

_STAYS = """
WITH breaks AS (
    SELECT subject_key, 0 AS lo FROM f_mine
    UNION SELECT subject_key, m_from FROM f_mine
    UNION SELECT subject_key, m_to FROM f_mine WHERE m_to < $1),
spans AS (
    SELECT subject_key, lo, coalesce(lead(lo) OVER (PARTITION BY subject_key ORDER BY lo), $1) AS hi FROM breaks),
parts AS (
    SELECT s.lo, s.hi, p.* FROM spans s JOIN f_mine p
           ON p.subject_key = s.subject_key AND p.m_from <= s.lo AND s.lo < p.m_to),
alive AS (SELECT subject_key, lo FROM parts GROUP BY subject_key, lo, hi HAVING min(m_first) < hi)
SELECT dense_rank() OVER (ORDER BY p.subject_key, p.lo) - 1 AS stay, p.*
FROM parts p JOIN alive USING (subject_key, lo)
"""
