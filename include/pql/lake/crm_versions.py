"""CRM as of a moment (SEM-C1): filings of an object in, versions with the time each was true out.

A version is true for T iff valid_from <= T < valid_to. From the first snapshot on: what the latest snapshot said, with
later changes laid over it. Before that nobody looked, so the earliest sighting stands in, from the record's own date,
without what is an outcome and without what would only be known later.
"""

from __future__ import annotations

import duckdb

from pql.lake.crm_files import filings
from pql.lake.crm_intervals import folded_intervals
from pql.lake.storage import Storage
from pql.types import CRM_COLUMNS

ALWAYS = "TIMESTAMP '1900-01-01'"
_VALIDITY = {"source": "VARCHAR", "valid_from": "TIMESTAMP", "valid_to": "TIMESTAMP", "backdated": "BOOLEAN"}

# Properties whose present value tells how the story ended; before they were first seen they are unknown.
OUTCOME_PROPERTIES = r"^(plan|lifecycle_stage|deal_stage|lead_status)$|_(plan|stage|status)$"

# What a record is turned into for the time before it was first seen: column → expression over that sighting.
_UNKNOWN_BEFORE: dict[str, dict[str, str]] = {
    "accounts": {"lifecycle_stage": "NULL", "became_customer_at": "NULL", "not_a_fit": "NULL", "snooze_until": "NULL"},
    "contacts": {"lifecycle_stage": "NULL"},
    "owners": {},
    "deals": {
        "stage": "NULL",
        "is_closed": "CASE WHEN is_closed AND closed_at IS NULL THEN NULL ELSE false END",  # closed, nobody knows when
        "is_won": "false",
        "closed_at": "NULL",
    },
    "meetings": {},
}
# A dated fact that splits that time in two: its column, and what is known from then on.
_DATED: dict[str, tuple[str, dict[str, str]]] = {
    "accounts": (
        "became_customer_at",
        {"lifecycle_stage": "'customer'", "not_a_fit": "NULL", "snooze_until": "NULL"},
    ),
    "deals": ("closed_at", {"stage": "NULL"}),
}


def create_tables(storage: Storage, con: duckdb.DuckDBPyConnection) -> None:
    """Create `crm_accounts`, `crm_contacts`, `crm_owners`, `crm_deals` and `crm_meetings` on the connection."""
    for object in CRM_COLUMNS:
        found = filings(storage, object)
        if found:
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE crm_intervals AS {folded_intervals(storage, con, object, found)}"
            )
            query = _versions(object)
        else:
            kinds = {**CRM_COLUMNS[object], **_VALIDITY}
            query = "SELECT " + ", ".join(f"CAST(NULL AS {k}) AS {n}" for n, k in kinds.items()) + " WHERE false"
        con.execute(f"CREATE OR REPLACE TEMP TABLE crm_{object} AS {query}")


def _versions(object: str) -> str:
    columns = CRM_COLUMNS[object]
    kept = ", ".join(columns)
    born = f"coalesce(created_at, {ALWAYS})" if "created_at" in columns else ALWAYS
    return f"""
WITH earliest AS ( -- those that the first snapshot or a change before it showed
  SELECT *, {born} AS born
  FROM crm_intervals AS v
  WHERE filed_at <= coalesce((SELECT min(s.filed_at) FROM crm_snapshots AS s WHERE s.source = v.source), filed_at)
  QUALIFY row_number() OVER (PARTITION BY source, id ORDER BY filed_at) = 1
)
SELECT {kept}, source, filed_at AS valid_from, seen_until AS valid_to, false AS backdated
FROM crm_intervals WHERE NOT coalesce(archived, false)
{_backdated(object)}
"""


def _backdated(object: str) -> str:
    """The time before the first sighting, cut where a dated fact became true."""
    unknown = _UNKNOWN_BEFORE[object]
    if object not in _DATED:
        return _earlier(object, unknown, "born", "filed_at")
    column, known = _DATED[object]
    happened = f"CASE WHEN {column} IS NOT NULL THEN greatest({column}, born) END"
    before = _earlier(object, unknown, "born", f"least(coalesce({happened}, filed_at), filed_at)")
    return before + _earlier(object, known, happened, "filed_at")


def _earlier(object: str, replaced: dict[str, str], start: str, end: str) -> str:
    expressions = []
    for name, kind in CRM_COLUMNS[object].items():
        expression = replaced.get(name, name)
        if name == "properties":
            expression = _without_outcomes()
        expressions.append(f"CAST({expression} AS {kind}) AS {name}")
    return f"""
UNION ALL BY NAME
SELECT {", ".join(expressions)}, source, {start} AS valid_from, {end} AS valid_to, true AS backdated
FROM earliest WHERE {start} < {end} AND NOT coalesce(archived, false)
"""


def _without_outcomes() -> str:
    outcomes = f"list_filter(json_keys(properties), lambda k: regexp_matches(k, '{OUTCOME_PROPERTIES}'))"
    patch = f"to_json(map_from_entries(list_transform({outcomes}, lambda k: (k, NULL::VARCHAR))))"
    return f"CASE WHEN properties IS NULL THEN NULL ELSE json_merge_patch(properties, {patch}) END"
