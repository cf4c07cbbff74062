"""The tables derived from events day by day: their columns and the query that makes each from a view `events`.

All are kept by the same machinery (`parts`): presence, links and traits need no definition, usage has one table for
every need of a definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pql.usage import Need, compile_for_duckdb, daily_usage

PRESENCE_COLUMNS = {
    "day": "DATE",
    "seg": "INTEGER",
    "raw_id": "VARCHAR",
    "account_hint": "VARCHAR",
    "first_at": "TIMESTAMP",
    "last_at": "TIMESTAMP",
    "events": "BIGINT",
    "newest_ingested_at": "TIMESTAMP",
}
LINK_COLUMNS = {"day": "DATE", "anonymous_id": "VARCHAR", "user_id": "VARCHAR", "at": "TIMESTAMP"}
TRAIT_COLUMNS = {
    "day": "DATE",
    "kind": "VARCHAR",
    "id": "VARCHAR",
    "name": "VARCHAR",
    "value": "VARCHAR",
    "at": "TIMESTAMP",
}
USAGE_COLUMNS = {
    "match": "VARCHAR",
    "day": "DATE",
    "seg": "INTEGER",
    "raw_id": "VARCHAR",
    "account_hint": "VARCHAR",
    "item": "VARCHAR",
    "count": "BIGINT",
    "value_sum": "DECIMAL(38, 6)",
    "value_n": "BIGINT",
    "first_at": "TIMESTAMP",
    "last_at": "TIMESTAMP",
    "sessions": "INTEGER",
    "minutes": "DOUBLE",
}

_PRESENCE = """
SELECT day, seg, raw_id, account_hint, min(occurred_at) AS first_at, max(occurred_at) AS last_at,
  count(*) AS events, max(ingested_at) AS newest_ingested_at
FROM events GROUP BY day, seg, raw_id, account_hint
"""

# The first time each day that an event named both who somebody was before and who they are.
_LINKS = """
SELECT day, anonymous_id, user_id, min(occurred_at) AS "at"
FROM events WHERE anonymous_id <> user_id GROUP BY day, anonymous_id, user_id
"""

# What each day's events say of users and accounts, without repeats; a null says nothing. Most say one thing all day:
# those need no sorting.
_TRAITS = """
WITH stated AS (
  SELECT day, 'user' AS kind, raw_id AS id, user_traits AS said, occurred_at AS "at", event_id
  FROM events WHERE user_traits IS NOT NULL
  UNION ALL
  SELECT day, 'account', account_hint, account_traits, occurred_at, event_id
  FROM events WHERE account_traits IS NOT NULL AND account_hint IS NOT NULL
), days AS (
  SELECT day, kind, id, min(said) AS said, max(said) AS otherwise, min("at") AS "at" FROM stated GROUP BY day, kind, id
), news AS (
  SELECT stated.* FROM stated SEMI JOIN (FROM days WHERE said <> otherwise) AS d USING (day, kind, id)
  QUALIFY said IS DISTINCT FROM lag(said) OVER (PARTITION BY day, kind, id ORDER BY "at", event_id)
), changing AS (
  SELECT news.day, news.kind, news.id, t.key AS name, news."at",
    arg_max(CAST(t.value AS VARCHAR), news.event_id) AS value
  FROM news, json_each(news.said) AS t
  WHERE t.type NOT IN ('NULL', 'OBJECT', 'ARRAY')
  GROUP BY news.day, news.kind, news.id, t.key, news."at"
)
SELECT days.day, days.kind, days.id, t.key AS name, CAST(t.value AS VARCHAR) AS value, days."at"
FROM days, json_each(days.said) AS t
WHERE days.said = days.otherwise AND t.type NOT IN ('NULL', 'OBJECT', 'ARRAY')
UNION ALL BY NAME (
  SELECT day, kind, id, name, value, "at" FROM changing
  QUALIFY value IS DISTINCT FROM lag(value) OVER (PARTITION BY day, kind, id, name ORDER BY "at")
)
"""


@dataclass(frozen=True)
class DailyTable:
    """One derived table: where it is kept, what it has, how it is made, whether it looks at the evening before."""

    name: str  # folder below usage_daily/
    view: str  # what it is part of
    columns: dict[str, str] = field(hash=False)
    query: str
    order: str  # of rows in a part: what is one person's stands together, so that it is joined and grouped fast
    parameters: tuple[Any, ...] = ()
    tail: bool = False
    version: int = 1  # raise it when the query's meaning changes: everything stored is then built again


ORDERS = {
    "presence": "account_hint, raw_id, day",
    "usage": "account_hint, raw_id, day",
    "links": "anonymous_id, user_id, day",
    "traits": "kind, id, name, day",
}

PRESENCE = DailyTable("presence", "presence", PRESENCE_COLUMNS, _PRESENCE, ORDERS["presence"])
LINKS = DailyTable("links", "links", LINK_COLUMNS, _LINKS, ORDERS["links"])
TRAITS = DailyTable("traits", "traits", TRAIT_COLUMNS, _TRAITS, ORDERS["traits"])

VIEWS = {"presence": PRESENCE_COLUMNS, "links": LINK_COLUMNS, "traits": TRAIT_COLUMNS, "usage": USAGE_COLUMNS}


def usage_tables(needs: Sequence[Need]) -> list[DailyTable]:
    """One table per distinct need."""
    tables = {}
    for need in needs:
        query, parameters = compile_for_duckdb(daily_usage(need))
        tables[need.key] = DailyTable(
            f"match={need.key}", "usage", USAGE_COLUMNS, query, ORDERS["usage"], tuple(parameters), need.sessions
        )
    return list(tables.values())


def selected(columns: dict[str, str]) -> str:
    """The columns, each cast to its type, for a SELECT."""
    return ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in columns.items())
