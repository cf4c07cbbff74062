"""When users and accounts signed up, as known at each point: first events and traits in, instants out (SEM-T6).

A user's signup is its first `signed_up` event if the definition names one and the user had it, else its newest trait
`signup_at`, else its first event of any kind. An account's is the earliest of its users', each by what it did in this
account. What is known may change, so each user has intervals on the clock; a point takes the earliest over the users
whose interval covers it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pql.features.clock import Clock, local_days
from pql.features.scratch import Column, Ints, Scratch

SIGNUP_TRAIT = "signup_at"


@dataclass(frozen=True)
class Signups:
    """From k_from to before k_to a member's signup is known to be `at` (µs), sorted by member and k_from.

    A member's last interval is open: its k_to is the length of the clock.
    """

    member: Ints
    k_from: Ints
    k_to: Ints
    at: Ints
    born_k: Ints  # per member: where its first event counts
    end: int  # the length of the clock

    def of(self, first: int, last: int) -> Signups:
        """Those of members first … last − 1, numbered from 0."""
        rows = slice(*np.searchsorted(self.member, [first, last]))
        born = self.born_k[first:last]
        return Signups(self.member[rows] - first, self.k_from[rows], self.k_to[rows], self.at[rows], born, self.end)

    def earliest(self, k: Ints, entity_of_member: Ints, entities: int, timezone: str) -> tuple[Ints, Ints]:
        """Per entity and clock position the earliest signup over its members, as µs and as local date; 0 before any."""
        values, code = np.unique(self.at, return_inverse=True)
        entity = entity_of_member[self.member]
        start, stop = np.searchsorted(k, self.k_from), np.searchsorted(k, self.k_to)
        found = np.full((entities, len(k) + 1), len(values), dtype=np.int64)
        lasting = self.k_to == self.end
        np.minimum.at(found, (entity[lasting], start[lasting]), code[lasting])
        np.minimum.accumulate(found, axis=1, out=found)
        brief = np.flatnonzero(~lasting & (start < stop))
        lengths = stop[brief] - start[brief]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        place = (np.repeat(entity[brief], lengths), np.repeat(start[brief], lengths) + within)
        np.minimum.at(found, place, np.repeat(code[brief], lengths))
        found = found[:, :-1]
        return np.append(values, 0)[found], np.append(local_days(values, timezone), 0)[found]


def read_signups(scratch: Scratch, clock: Clock, event: dict[str, Column], *, by_hint: bool) -> Signups:
    """Signups of the members in `f_part`; `event`: when each of them had the signup event (member, at)."""
    hint = "AND p.account_hint IS NOT DISTINCT FROM x.account_hint" if by_hint else ""
    first = scratch.fetch(
        f"""SELECT p.member, epoch_us(min(x.first_at)) AS at FROM f_part p JOIN f_pair x ON x.raw_id = p.raw_id {hint}
            GROUP BY p.member ORDER BY p.member"""
    )
    trait = scratch.fetch(
        f"""SELECT p.member, epoch_us(t."at") AS known, epoch_us(TRY_CAST(t.value ->> '$' AS TIMESTAMPTZ)) AS at,
                   min(epoch_us(greatest(t."at", x.first_at))) AS told
            FROM f_part p JOIN f_pair x ON x.raw_id = p.raw_id {hint} JOIN f_trait t ON t.id = p.raw_id
            WHERE t.kind = 'user' AND t.name = $1 AND TRY_CAST(t.value ->> '$' AS TIMESTAMPTZ) IS NOT NULL
            GROUP BY ALL""",
        [SIGNUP_TRAIT],
    )
    born_k = clock.enters(first["at"])
    facts = pd.concat(
        [
            _facts(first["member"], born_k, first, 0),
            _facts(trait["member"], clock.enters(trait["told"]), trait, 1),
            _facts(event["member"], clock.enters(event["at"]), event, 2),
        ]
    )
    return _intervals(facts, len(clock), born_k)


def _facts(member: Column, k: Ints, found: dict[str, Column], rank: int) -> pd.DataFrame:
    known = found.get("known", found["at"])
    return pd.DataFrame({"member": member, "k": k, "rank": rank, "known": known, "at": found["at"]})


def _intervals(facts: pd.DataFrame, end: int, born_k: Ints) -> Signups:
    ordered = facts[facts["k"] < end].sort_values(["member", "k", "rank", "known", "at"], kind="stable")
    best_yet = ordered.groupby("member")["rank"].cummax()
    ordered = ordered[ordered["rank"] == best_yet].drop_duplicates(["member", "k"], keep="last")
    member, k = ordered["member"].to_numpy(np.int64), ordered["k"].to_numpy(np.int64)
    k_to = np.full(len(k), end, dtype=np.int64)
    same = member[1:] == member[:-1]
    k_to[:-1][same] = k[1:][same]
    return Signups(member, k, k_to, ordered["at"].to_numpy(np.int64), born_k, end)
