"""What is known about accounts and users besides usage: CRM versions and traits in, values per moment out.

Tables `f_account_fact` and `f_own_fact` hold one row per account or user and moment at which anything about it may have
changed; `spread` carries them over the points of the panel. An attribute is looked up as CRM column or property of
the account, then its trait, then (accounts of one and user subjects) the person's own trait or contact; `user.x` is the
person's own (SEM-W2). What nobody knows is None (SEM-M4); a blank CRM property is not known.
"""

from __future__ import annotations

from collections.abc import Sequence

from pql.features.homes import make_versions
from pql.features.scratch import Scratch, quoted
from pql.features.subjects import Wanted
from pql.types import CRM_COLUMNS

OWN = "user."
# Read with a type or made here; every other attribute is looked up by its name.
COMPUTED = (
    "domain",
    "is_free_mail",
    "employees",
    "owner_email",
    "owner_name",
    "company_id",
    "crm_id",
    "crm_kind",
    "not_a_fit",
    "snooze_until",
    "open_deals",
    "won_deals",
    "first_won_at",
    "last_won_at",
    "meetings",
)
BASE = ("name", "lifecycle_stage", "plan", *COMPUTED)
_TEXT_OF_COLUMNS = frozenset(CRM_COLUMNS["accounts"]) - {"id", "properties", "archived"}
_OF_EMAIL = {"domain": "to_json(p.domain)::VARCHAR", "is_free_mail": "to_json(p.is_free)::VARCHAR"}
_TEXT_OF_CONTACT = frozenset({"email", "name", "lifecycle_stage"})


def make_attributes(
    scratch: Scratch, names: Sequence[str], moment_count: int, wanted: Wanted | None, *, of_users: bool
) -> None:
    """Create `f_account_fact` and `f_own_fact` with a JSON column `a<i>` per looked-up name; needs `f_account_company`.

    Own facts are those of all users if `of_users`, else of users who are an account of one; only of the `wanted`.
    """
    owners = "(SELECT * FROM crm_owners WHERE archived IS NOT TRUE)"
    make_versions(scratch, "f_owner", "v.id, v.email, v.name", owners, moment_count)
    deals = "(SELECT * FROM crm_deals WHERE archived IS NOT TRUE)"
    make_versions(scratch, "f_deal", "v.id, v.account_id, v.is_closed, v.is_won, v.closed_at", deals, moment_count)
    meetings = "(SELECT * FROM crm_meetings WHERE archived IS NOT TRUE)"
    make_versions(scratch, "f_meeting", "v.id, v.account_id, v.contact_id", meetings, moment_count)
    every = [*names, "employees"]
    listed = ", ".join(quoted(name.removeprefix(OWN)) for name in every)
    scratch.make("f_account_trait", _ACCOUNT_TRAITS.format(names=listed), [moment_count])
    accounts = f"account_key IN (SELECT account_key FROM {wanted.ever})" if wanted else "true"
    scratch.make("f_account_point", _ACCOUNT_POINTS.format(wanted=accounts), [moment_count])
    scratch.make("f_account_fact", _account_facts(every))
    mine = "true" if of_users else "starts_with(account_key, 'user:')"
    mine += f" AND user_id IN (SELECT user_id FROM {wanted.users})" if wanted else ""
    scratch.make("f_own", f"SELECT * FROM f_home WHERE {mine}")
    scratch.make("f_own_point", _OWN_POINTS.format(names=listed), [moment_count])
    scratch.make("f_own_fact", _own_facts(every))


_ACCOUNT_TRAITS = """
WITH seen AS (
    SELECT 'org:' || r.id AS account_key, r.name, t.m, max(row(r."at", r.value)) AS newest
    FROM (SELECT * FROM f_trait WHERE kind = 'account' AND name IN ({names})) r
    JOIN f_moment t ON r."at" < t."at" AND r."at" >= t.since GROUP BY ALL)
SELECT account_key, name, m, coalesce(lead(m) OVER told, $1) AS m_to, (max(newest) OVER told)[2] AS value
FROM seen WINDOW told AS (PARTITION BY account_key, name ORDER BY m)
"""

_ACCOUNT_POINTS = """
WITH born AS (SELECT account_key, min(m_from) AS m FROM f_account_company WHERE {wanted} GROUP BY account_key),
companies AS (SELECT DISTINCT account_key, company_id FROM f_account_company WHERE company_id IS NOT NULL AND {wanted}),
changes AS (
    SELECT account_key, m_from AS m FROM f_account_company
    UNION SELECT account_key, m FROM f_account_trait
    UNION SELECT a.account_key, c.m_from FROM companies a JOIN f_company c ON c.id = a.company_id
    UNION SELECT a.account_key, c.m_to FROM companies a JOIN f_company c ON c.id = a.company_id
    UNION SELECT a.account_key, unnest([o.m_from, o.m_to])
          FROM companies a JOIN f_company c ON c.id = a.company_id JOIN f_owner o ON o.id = c.owner_id
    UNION SELECT a.account_key, unnest([d.m_from, d.m_to]) FROM companies a JOIN f_deal d ON d.account_id = a.company_id
    UNION SELECT a.account_key, t.m
          FROM companies a JOIN f_deal d ON d.account_id = a.company_id ASOF JOIN f_moment t ON d.closed_at <= t."at"
    UNION SELECT a.account_key, unnest([e.m_from, e.m_to])
          FROM companies a JOIN f_meeting e ON e.account_id = a.company_id)
SELECT DISTINCT c.account_key, c.m::INTEGER AS m
FROM changes c JOIN born b USING (account_key) WHERE c.m >= b.m AND c.m < $1
"""


def _account_facts(names: Sequence[str]) -> str:
    looked_up, joins = [], []
    for i, name in enumerate(names):
        if name.startswith(OWN):
            looked_up.append(f"NULL::VARCHAR AS a{i}")
            continue
        column = f"to_json(c.{name})::VARCHAR" if name in _TEXT_OF_COLUMNS else _property("c.properties", name)
        looked_up.append(f"coalesce({_known(column)}, {_known(f't{i}.value')}) AS a{i}")
        joins.append(
            f"""LEFT JOIN (SELECT * FROM f_account_trait WHERE name = {quoted(name)}) t{i}
                ON t{i}.account_key = p.account_key AND t{i}.m <= p.m AND p.m < t{i}.m_to"""
        )
    return f"""
WITH placed AS (
    SELECT p.account_key, p.m, t."at", a.company_id, a.domain AS voted, a.is_free
    FROM f_account_point p JOIN f_moment t USING (m)
    LEFT JOIN f_account_company a ON a.account_key = p.account_key AND a.m_from <= p.m AND p.m < a.m_to),
deals AS (
    SELECT p.account_key, p.m,
           count(*) FILTER (WHERE NOT {_CLOSED})::DOUBLE AS open_deals,
           count(*) FILTER (WHERE {_WON})::DOUBLE AS won_deals,
           min(d.closed_at) FILTER (WHERE {_WON}) AS first_won_at, max(d.closed_at) FILTER (WHERE {_WON}) AS last_won_at
    FROM placed p JOIN f_deal d ON d.account_id = p.company_id AND d.m_from <= p.m AND p.m < d.m_to GROUP BY ALL),
meetings AS (
    SELECT p.account_key, p.m, count(DISTINCT e.id)::DOUBLE AS meetings
    FROM placed p JOIN f_meeting e ON e.account_id = p.company_id AND e.m_from <= p.m AND p.m < e.m_to GROUP BY ALL)
SELECT p.account_key, p.m,
       CASE WHEN starts_with(p.account_key, 'domain:') THEN substr(p.account_key, 8)
            ELSE coalesce(s.domain, p.voted) END AS domain,
       CASE WHEN s.domain IS NOT NULL THEN coalesce(s.is_free, false) ELSE p.is_free END AS is_free_mail,
       o.email AS owner_email, o.name AS owner_name, p.company_id,
       
       coalesce(d.open_deals, 0) AS open_deals, coalesce(d.won_deals, 0) AS won_deals, d.first_won_at, d.last_won_at,
       coalesce(e.meetings, 0) AS meetings, c.not_a_fit, c.snooze_until, coalesce(c.backdated, false) AS crm_backdated,
       {", ".join(looked_up)}
FROM placed p
LEFT JOIN (SELECT * FROM f_company QUALIFY row_number() OVER (PARTITION BY id, m_from ORDER BY source) = 1) c
     ON c.id = p.company_id AND c.m_from <= p.m AND p.m < c.m_to
LEFT JOIN f_domain s ON s.host = c.domain
LEFT JOIN f_owner o ON o.id = c.owner_id AND o.m_from <= p.m AND p.m < o.m_to
LEFT JOIN deals d USING (account_key, m) LEFT JOIN meetings e USING (account_key, m)
{" ".join(joins)}
ORDER BY p.account_key, p.m
"""


# A deal is closed when its version says so; where the version cannot tell, when its closing date is past.
_CLOSED = """coalesce(d.is_closed, d.closed_at <= p."at", false)"""
_WON = """(coalesce(d.is_won, false) AND coalesce(d.closed_at <= p."at", true))"""

_OWN_POINTS = """
WITH born AS (SELECT user_id, min(m_from) AS m FROM f_own GROUP BY user_id),
contacts AS (SELECT DISTINCT user_id, contact_id FROM f_own WHERE contact_id IS NOT NULL),
changes AS (
    SELECT user_id, m_from AS m FROM f_own
    UNION SELECT user_id, m FROM f_user_trait WHERE name IN ({names})
    UNION SELECT a.user_id, unnest([c.m_from, c.m_to]) FROM contacts a JOIN f_contact c ON c.id = a.contact_id
    UNION SELECT a.user_id, unnest([o.m_from, o.m_to])
          FROM contacts a JOIN f_contact c ON c.id = a.contact_id JOIN f_owner o ON o.id = c.owner_id
    UNION SELECT a.user_id, unnest([e.m_from, e.m_to]) FROM contacts a JOIN f_meeting e ON e.contact_id = a.contact_id)
SELECT DISTINCT c.user_id, c.m::INTEGER AS m FROM changes c JOIN born b USING (user_id) WHERE c.m >= b.m AND c.m < $1
"""


def _own_facts(names: Sequence[str]) -> str:
    looked_up, joins = [], []
    for i, written in enumerate(names):
        name = written.removeprefix(OWN)
        joins.append(
            f"""LEFT JOIN (SELECT * FROM f_user_trait WHERE name = {quoted(name)}) t{i}
                ON t{i}.user_id = p.user_id AND t{i}.m <= p.m AND p.m < t{i}.m_to"""
        )
        contact = f"to_json(c.{name})::VARCHAR" if name in _TEXT_OF_CONTACT else _property("c.properties", name)
        known = ", ".join([_known(f"t{i}.value"), _known(contact), _OF_EMAIL.get(name, "NULL")])
        looked_up.append(f"coalesce({known}) AS a{i}")
    return f"""
WITH placed AS (
    SELECT p.user_id, p.m, a.contact_id, a.domain, a.is_free, a.account_key
    FROM f_own_point p LEFT JOIN f_own a ON a.user_id = p.user_id AND a.m_from <= p.m AND p.m < a.m_to),
meetings AS (
    SELECT p.user_id, p.m, count(DISTINCT e.id)::DOUBLE AS meetings
    FROM placed p JOIN f_meeting e ON e.contact_id = p.contact_id AND e.m_from <= p.m AND p.m < e.m_to GROUP BY ALL)
SELECT p.user_id, p.m, p.account_key, o.email AS owner_email, o.name AS owner_name, p.contact_id,
       coalesce(e.meetings, 0) AS meetings,
       {", ".join(looked_up)}
FROM placed p
LEFT JOIN (SELECT * FROM f_contact QUALIFY row_number() OVER (PARTITION BY id, m_from ORDER BY account_id) = 1) c
     ON c.id = p.contact_id AND c.m_from <= p.m AND p.m < c.m_to
LEFT JOIN f_owner o ON o.id = c.owner_id AND o.m_from <= p.m AND p.m < o.m_to
LEFT JOIN meetings e USING (user_id, m)
{" ".join(joins)}
ORDER BY p.user_id, p.m
"""


def _property(column: str, name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    path = quoted(f'$."{escaped}"')
    return f"json_extract({column}, {path})::VARCHAR"


def _known(text: str) -> str:
    return f"nullif(nullif({text}, 'null'), '\"\"')"
