"""Who is behind a raw id: dated links in, table `f_member` (raw id → user, over moments) out (SEM-W3).

A link counts at moments after it was made. Of several links from one id the earliest stands, so that what a visitor
did on a shared device stays with the first person who signed in there; a link that would close a circle is ignored.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from pql.features.scratch import Ints, Scratch

Link = tuple[int, str, str]  # at (µs), from, to


def follow(links: list[Link]) -> list[tuple[str, int, str]]:
    """(raw id, since µs, user) for every linked id, along merges and aliases, oldest first.

    >>> follow([(5, "anon:d", "a"), (9, "a", "b"), (10, "b", "a")])
    [('anon:d', 5, 'a'), ('anon:d', 9, 'b'), ('a', 9, 'b')]
    """
    parent: dict[str, tuple[str, int]] = {}
    for at, source, target in sorted(links):
        if source not in parent and _root(parent, target) != source:
            parent[source] = (target, at)
    found: list[tuple[str, int, str]] = []
    for source in parent:
        steps: dict[int, str] = {}
        current, since = source, -(2**62)
        while current in parent:
            current, at = parent[current]
            since = max(since, at)
            steps[since] = current  # of two links known at once the farther end counts
        found += [(source, at, user) for at, user in steps.items()]
    return found


def _root(parent: dict[str, tuple[str, int]], person: str) -> str:
    while person in parent:
        person = parent[person][0]
    return person


def make_members(scratch: Scratch, moments: Ints, only: str | None = None) -> None:
    """Create the tables that everything about identity starts from, each view being read once; of raw ids in the table
    `only`, if given, which must hold all that they are linked with.

    `f_moment` (m, since, at), `since` being the moment before; `f_trait`: the view as far as any moment reaches;
    `f_segment` (day, seg, first_at, last_at, m):
    the parts of days in which anything was seen, m the first moment after;
    `f_seen` (raw_id, account_hint, m, first_at, last_at, newest_ingested_at): who was seen since the moment before m;
    `f_pair` (raw_id, account_hint, m, first_at): who was ever seen, m the first moment after;
    `f_member` (raw_id, user_id, m_from, m_to): whose events these are at moments m_from ≤ m < m_to. Visitors who
    are linked to nobody are not in it.
    """
    at = pa.array(moments.astype("datetime64[us]"))
    scratch.put("f_moments", {"m": pa.array(np.arange(len(moments))), "at": at})
    scratch.make("f_moment", _MOMENTS)
    last = f"TIMESTAMP '{moments.max(initial=0).astype('datetime64[us]')}'"
    chosen = f"IN (SELECT raw_id FROM {only})" if only else "IS NOT NULL"
    of_trait = f"(kind <> 'user' OR id {chosen})"
    among = f"JOIN {only} o ON o.raw_id = p.raw_id" if only else ""  # of a semi-join DuckDB may hash the larger side
    scratch.make("f_trait", f'SELECT * FROM traits WHERE "at" < {last} AND value IS NOT NULL AND {of_trait}')
    scratch.make("f_segment", _SEGMENTS.format(last=last))
    scratch.make("f_seen", _SEEN.format(last=last, among=among))
    scratch.make(
        "f_pair",
        "SELECT raw_id, account_hint, min(m) AS m, min(first_at) AS first_at FROM f_seen GROUP BY raw_id, account_hint",
    )
    _make_links(scratch, moments, chosen)
    scratch.make(
        "f_member",
        f"""SELECT r.raw_id, coalesce(l.user_id, r.raw_id) AS user_id, coalesce(l.m_from, 0)::INTEGER AS m_from,
                  coalesce(l.m_to, {len(moments)})::INTEGER AS m_to
            FROM (SELECT DISTINCT raw_id FROM f_pair) r LEFT JOIN f_link l USING (raw_id)
            WHERE NOT starts_with(coalesce(l.user_id, r.raw_id), 'anon:')""",
    )


_MOMENTS = """
SELECT m, coalesce(lag("at") OVER (ORDER BY m), TIMESTAMP '-infinity') AS since, "at" FROM f_moments
"""

_SEGMENTS = """
SELECT g.*, t.m::INTEGER AS m
FROM (SELECT day, seg, min(first_at) AS first_at, max(last_at) AS last_at
      FROM presence WHERE first_at < {last} GROUP BY day, seg) g
     ASOF JOIN f_moment t ON g.first_at < t."at"
"""

_SEEN = """
SELECT p.raw_id, p.account_hint, g.m, min(p.first_at) AS first_at, max(p.last_at) AS last_at,
       max(p.newest_ingested_at) AS newest_ingested_at
FROM presence p {among} JOIN f_segment g ON g.day = p.day AND g.seg = p.seg
WHERE p.first_at < {last} GROUP BY p.raw_id, p.account_hint, g.m
"""


def _make_links(scratch: Scratch, moments: Ints, chosen: str) -> None:
    rows = scratch.fetch(
        f"""SELECT epoch_us(min("at")) AS since, from_id, to_id FROM links
            WHERE "at" < (SELECT max("at") FROM f_moment) AND from_id <> to_id AND from_id {chosen}
            GROUP BY from_id, to_id"""
    )
    links = list(zip(rows["since"].tolist(), rows["from_id"].tolist(), rows["to_id"].tolist(), strict=True))
    chain = [(raw, 0, raw) for raw in dict.fromkeys(source for _, source, _ in links)]
    for raw, since, user in follow(links):
        chain.append((raw, int(np.searchsorted(moments, since, side="right")), user))
    last_at = {(raw, m): user for raw, m, user in chain}  # of two at one moment the later stands
    ordered = sorted(last_at)
    ends = [m if raw == before else len(moments) for (before, _), (raw, m) in pairwise([*ordered, ("", 0)])]
    scratch.put(
        "f_link",
        {
            "raw_id": pa.array([raw for raw, _ in ordered], pa.string()),
            "user_id": pa.array([last_at[key] for key in ordered], pa.string()),
            "m_from": pa.array([m for _, m in ordered], pa.int32()),
            "m_to": pa.array(ends, pa.int32()),
        },
    )
