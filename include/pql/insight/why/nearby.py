"""One account's people and nobody else: narrows a prepared connection, so that one account costs what one account has.

Who belongs to an account is the features' business (SEM-W3). Here only a set of raw ids is found that is sure to hold
all of them, at any moment; whoever is too many in it belongs to another account and is left out by the features.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import duckdb
from sqlalchemy import Engine, select

from pql import store
from pql.features.domains import registrable
from pql.store.tables import members


def narrow(lake: duckdb.DuckDBPyConnection, account_key: str, known: Collection[str] = ()) -> None:
    """Keep in the lake's views only what may concern the account; `lake` is prepared, `known` are users it had.

    One row of the first day of history stays in `presence`: it says which windows reach before it.
    """
    lake.execute(_EMAILS)
    _put(lake, "near_id", _candidates(lake, account_key) | set(known))
    lake.execute(_CLOSED_UNDER_LINKS)
    for view in ("usage", "presence"):
        lake.execute(f"CREATE OR REPLACE TEMP TABLE near_{view} AS {_KEPT[view]}")
        lake.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS FROM near_{view}")
    _replace(lake, ("links", "traits"))
    hosts = _texts(lake, _EMAIL_HOSTS)
    _put(lake, "near_domain", {domain for domain in map(registrable, hosts) if domain} | hosts)
    _replace(lake, ("crm_contacts", "crm_accounts", "crm_deals", "crm_meetings"))


def _replace(lake: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
    for table in tables:
        lake.execute(f"CREATE OR REPLACE TEMP TABLE near_{table} AS {_KEPT[table]}")
        lake.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM near_{table}")


_EMAILS = """
CREATE OR REPLACE TEMP VIEW near_email AS
SELECT DISTINCT id, lower(trim(value ->> '$')) AS email FROM traits WHERE kind = 'user' AND name = 'email'
"""

_CLOSED_UNDER_LINKS = """
CREATE OR REPLACE TEMP TABLE near AS
WITH RECURSIVE reached(id) AS (
    SELECT id FROM near_id
    UNION SELECT CASE WHEN l.from_id = r.id THEN l.to_id ELSE l.from_id END
          FROM reached r JOIN links l ON l.from_id = r.id OR l.to_id = r.id)
SELECT DISTINCT id FROM reached
"""

_KEPT = {
    "usage": "SELECT * FROM usage WHERE raw_id IN (FROM near)",
    "presence": """SELECT * FROM presence WHERE raw_id IN (FROM near)
        UNION ALL (SELECT * FROM presence WHERE raw_id NOT IN (FROM near) ORDER BY day LIMIT 1)""",
    "links": "SELECT * FROM links WHERE from_id IN (FROM near) OR to_id IN (FROM near)",
    "traits": """SELECT * FROM traits
        WHERE (kind = 'user' AND id IN (FROM near))
           OR (kind = 'account' AND id IN (SELECT account_hint FROM presence))""",
    "crm_contacts": "SELECT * FROM crm_contacts WHERE lower(trim(email)) IN (SELECT email FROM near_email)",
    "crm_accounts": """SELECT * FROM crm_accounts
        WHERE id IN (SELECT account_id FROM crm_contacts) OR external_account_id IN (SELECT account_hint FROM presence)
           OR EXISTS (SELECT 1 FROM near_domain d WHERE contains(lower(domain), d.id))""",
    "crm_deals": "SELECT * FROM crm_deals WHERE account_id IN (SELECT id FROM crm_accounts)",
    "crm_meetings": """SELECT * FROM crm_meetings
        WHERE account_id IN (SELECT id FROM crm_accounts) OR contact_id IN (SELECT id FROM crm_contacts)""",
}


def users_of(engine: Engine, account_key: str) -> set[str]:
    """The users that were last seen under the account."""
    with store.reading(engine) as connection:
        found = connection.execute(select(members.c.user_id).where(members.c.account_key == account_key))
        return {str(row.user_id) for row in found}


def _candidates(lake: duckdb.DuckDBPyConnection, account_key: str) -> set[str]:
    """Raw ids that may belong to the account: the key itself, sent with its id, or with an e-mail that leads there."""
    kind, _, name = account_key.partition(":")
    found = {name} if kind == "user" else set()
    if kind == "org":
        found = _ids(lake, "SELECT DISTINCT raw_id FROM presence WHERE account_hint = $1", name)
    companies = _companies(lake, kind, name)
    _put(lake, "near_company", companies)
    hosts = _texts(lake, "SELECT DISTINCT domain FROM crm_accounts WHERE id IN (FROM near_company)")
    domains = {domain for domain in map(registrable, hosts) if domain} | hosts
    _put(lake, "near_domain", domains | ({name} if kind == "domain" else set()))
    return found | _ids(lake, _BY_EMAIL)


def _companies(lake: duckdb.DuckDBPyConnection, kind: str, name: str) -> set[str]:
    """The CRM's ids of companies that are, or ever were, the account."""
    if kind == "crm":
        return {name}
    if kind == "org":
        return _ids(lake, "SELECT DISTINCT id FROM crm_accounts WHERE external_account_id = $1", name)
    return set()


_EMAIL_HOSTS = "SELECT DISTINCT split_part(email, '@', -1) FROM near_email"

_BY_EMAIL = """
SELECT DISTINCT id FROM near_email
WHERE email IN (SELECT lower(trim(email)) FROM crm_contacts WHERE account_id IN (FROM near_company))
   OR EXISTS (SELECT 1 FROM near_domain d
              WHERE split_part(email, '@', -1) = d.id OR ends_with(split_part(email, '@', -1), '.' || d.id))
"""


def _put(lake: duckdb.DuckDBPyConnection, table: str, ids: set[str]) -> None:
    lake.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT unnest($1::VARCHAR[]) AS id", [sorted(ids)])


def _ids(lake: duckdb.DuckDBPyConnection, query: str, *parameters: str) -> set[str]:
    return {str(row[0]) for row in lake.execute(query, list(parameters)).fetchall()}


def _texts(lake: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    return {str(row[0]).strip().lower() for row in lake.execute(query).fetchall() if row[0]}
