"""Which account a user belongs to: members, traits and CRM in, tables `f_home` and `f_assign` out (SEM-W3).

The order is: explicit account id, else CRM contact with the user's e-mail, else the e-mail's domain (the CRM company
that has it, else the domain itself); a free-mail user, or one without e-mail, is an account of one. A CRM company
that names the product's own account id is that account, so that one company never stands under two keys.

Everything is looked up only where something changes: `f_at` lists, for each user, the moments at which any fact about
it may differ from the moment before.
"""

from __future__ import annotations

from collections.abc import Collection

from pql.features.domains import make_domains
from pql.features.scratch import Scratch


def make_homes(scratch: Scratch, moment_count: int, free_mail_domains: Collection[str]) -> None:
    """Create `f_home` (user_id, m_from, m_to, account_key, email, domain, is_free, contact_id, company_id) and the
    tables `f_user_trait`, `f_domain`, `f_contact` and `f_company` it is made of.
    """
    scratch.make("f_hint", _HINTS, [moment_count])
    _make_emails(scratch, moment_count)
    _make_crm(scratch, moment_count)
    make_domains(scratch, _HOSTS, free_mail_domains)
    _make_changes(scratch, moment_count)
    scratch.make("f_home", _HOME)
    scratch.drop("f_hint", "f_email", "f_mail", "f_site", "f_at")


def make_assignments(scratch: Scratch) -> None:
    """Create `f_assign` (raw_id, account_hint, user_id, m_first, m_from, m_to, account_key): the account that a row of
    usage counts for at moments m_from ≤ m < m_to. `m_from` is 0 where nothing differed since its first event.
    """
    scratch.make("f_stay", _STAY)
    scratch.make("f_assign", _ASSIGN)
    scratch.drop("f_stay")


# The newest of several dated values, told at every moment at which it may change. Each row says to when it stands, so
# that what holds at a moment is found by hashing: as-of joins would sort everybody.
_HINTS = """
WITH seen AS (
    SELECT b.user_id, p.account_hint AS hint, greatest(p.m, b.m_from) AS m
    FROM f_member b JOIN f_pair p USING (raw_id)
    WHERE p.account_hint IS NOT NULL AND p.m < b.m_to),
one AS (SELECT user_id, min(hint) AS hint, min(m) AS m FROM seen GROUP BY user_id HAVING min(hint) = max(hint)),
mixed AS (SELECT user_id FROM seen GROUP BY user_id HAVING min(hint) <> max(hint)),
many AS (
    SELECT b.user_id, greatest(p.m, b.m_from) AS m, max(row(p.last_at, p.account_hint)) AS newest
    FROM (SELECT * FROM f_member WHERE user_id IN (SELECT user_id FROM mixed)) b
         JOIN f_seen p USING (raw_id)
    WHERE p.account_hint IS NOT NULL AND p.m < b.m_to
    GROUP BY ALL),
running AS (
    SELECT user_id, m, lead(m) OVER told AS m_to, max(newest) OVER told AS newest
    FROM many WINDOW told AS (PARTITION BY user_id ORDER BY m))
SELECT user_id, m, $1 AS m_to, hint FROM one
UNION ALL SELECT user_id, m, coalesce(m_to, $1), newest[2] FROM running
"""


def _make_emails(scratch: Scratch, moment_count: int) -> None:
    scratch.make("f_user_trait", _USER_TRAITS, [moment_count])
    scratch.make("f_email", _EMAILS, [moment_count])


# (user_id, name, m, m_to, value, settled): the newest value of each trait from m on; settled if it never changes.
_USER_TRAITS = """
WITH seen AS (
    SELECT b.user_id, r.name, greatest(t.m, b.m_from) AS m, r."at", r.value
    FROM f_member b JOIN (SELECT * FROM f_trait WHERE kind = 'user') r ON r.id = b.raw_id
         JOIN f_moment t ON r."at" < t."at" AND r."at" >= t.since
    WHERE t.m < b.m_to),
ever AS (
    SELECT user_id, name, min(m) AS m, min(value) AS value, max(value) AS otherwise FROM seen GROUP BY user_id, name),
many AS (
    SELECT user_id, name, m, max(row("at", value)) AS newest
    FROM seen SEMI JOIN (FROM ever WHERE value <> otherwise) AS changing USING (user_id, name) GROUP BY ALL)
SELECT user_id, name, m, $1 AS m_to, value, true AS settled FROM ever WHERE value = otherwise
UNION ALL
SELECT user_id, name, m, coalesce(lead(m) OVER told, $1), (max(newest) OVER told)[2], false
FROM many WINDOW told AS (PARTITION BY user_id, name ORDER BY m)
"""

# What is no address says nothing: the one before stands on.
_EMAILS = """
WITH said AS (
    SELECT user_id, m, lower(trim(value ->> '$')) AS email, settled FROM f_user_trait
    WHERE name = 'email' AND contains(value ->> '$', '@'))
SELECT user_id, m, $1 AS m_to, email FROM said WHERE settled
UNION ALL
SELECT user_id, m, coalesce(lead(m) OVER (PARTITION BY user_id ORDER BY m), $1), email FROM said WHERE NOT settled
"""


def make_versions(scratch: Scratch, name: str, columns: str, view: str, moment_count: int) -> None:
    """Create table `name`: the versions in a CRM view that are true at some moment, from m_from to before m_to.

    A version is true for T iff valid_from ≤ T < valid_to (SEM-C1); a missing end is open. `columns` reads alias v.
    """
    scratch.make(
        name,
        f"""SELECT {columns},
                   coalesce(a.m, {moment_count})::INTEGER AS m_from, coalesce(b.m, {moment_count})::INTEGER AS m_to
            FROM {view} v
            ASOF LEFT JOIN f_moment a ON coalesce(v.valid_from, TIMESTAMP '1970-01-01') <= a."at"
            ASOF LEFT JOIN f_moment b ON v.valid_to <= b."at"
            WHERE coalesce(a.m, {moment_count}) < coalesce(b.m, {moment_count})""",
    )


def _make_crm(scratch: Scratch, moment_count: int) -> None:
    contact = "v.id, lower(trim(v.email)) AS email, v.account_id, v.name, v.owner_id, v.lifecycle_stage, v.properties"
    people = "(SELECT * FROM crm_contacts WHERE archived IS NOT TRUE)"
    make_versions(scratch, "f_contact", contact, people, moment_count)
    companies = "(SELECT * FROM crm_accounts WHERE archived IS NOT TRUE)"
    make_versions(scratch, "f_company", "v.*", companies, moment_count)


_HOSTS = "SELECT split_part(email, '@', -1) AS host FROM f_email UNION ALL SELECT domain FROM f_company"


def _make_changes(scratch: Scratch, moment_count: int) -> None:
    scratch.make(
        "f_mail",
        """SELECT e.user_id, e.m, e.m_to, e.email, d.domain, coalesce(d.is_free, false) AS is_free
           FROM f_email e LEFT JOIN f_domain d ON d.host = split_part(e.email, '@', -1)""",
    )
    scratch.make(
        "f_site",
        """SELECT c.id, d.domain, c.external_account_id, c.created_at, c.m_from, c.m_to
           FROM f_company c LEFT JOIN f_domain d ON d.host = c.domain""",
    )
    scratch.make("f_at", _CHANGES, [moment_count])


_CHANGES = """
WITH born AS (
    SELECT b.user_id, min(greatest(p.m, b.m_from)) AS m
    FROM f_member b JOIN f_pair p USING (raw_id) WHERE p.m < b.m_to GROUP BY b.user_id),
by_contact AS (
    SELECT DISTINCT e.user_id, c.account_id, c.m_from, c.m_to FROM f_mail e JOIN f_contact c ON c.email = e.email),
companies AS (
    SELECT user_id, m_from, m_to FROM by_contact
    UNION SELECT e.user_id, s.m_from, s.m_to FROM f_mail e JOIN f_site s ON s.domain = e.domain
    UNION SELECT b.user_id, s.m_from, s.m_to FROM by_contact b JOIN f_site s ON s.id = b.account_id),
changes AS (
    SELECT user_id, m FROM f_hint
    UNION ALL SELECT user_id, m FROM f_mail
    UNION ALL SELECT user_id, m_from FROM companies
    UNION ALL SELECT user_id, m_to FROM companies),
later AS (SELECT DISTINCT c.user_id, c.m FROM changes c JOIN born b USING (user_id) WHERE c.m > b.m AND c.m < $1),
told AS (SELECT user_id, m FROM born SEMI JOIN later USING (user_id) UNION ALL FROM later)
SELECT user_id, m::INTEGER AS m, $1::INTEGER AS m_to FROM born ANTI JOIN later USING (user_id)
UNION ALL
SELECT user_id, m::INTEGER, coalesce(lead(m) OVER (PARTITION BY user_id ORDER BY m), $1)::INTEGER FROM told
"""

_HOME = """
WITH base AS (
    SELECT a.user_id, a.m, a.m_to, h.hint, e.email, e.domain, coalesce(e.is_free, false) AS is_free
    FROM f_at a
    LEFT JOIN f_hint h ON h.user_id = a.user_id AND h.m <= a.m AND a.m < h.m_to
    LEFT JOIN f_mail e ON e.user_id = a.user_id AND e.m <= a.m AND a.m < e.m_to),
contacts AS (
    SELECT b.user_id, b.m, min(row(c.account_id IS NULL, c.id, c.account_id)) AS best
    FROM base b JOIN f_contact c ON c.email = b.email AND c.m_from <= b.m AND b.m < c.m_to GROUP BY ALL),
sites AS (
    SELECT b.user_id, b.m, min(row(s.created_at IS NULL, s.created_at, s.id)) AS best
    FROM base b JOIN f_site s ON s.domain = b.domain AND s.m_from <= b.m AND b.m < s.m_to
    WHERE NOT b.is_free GROUP BY ALL),
found AS (
    SELECT b.*, c.best[2] AS contact_id, coalesce(c.best[3], s.best[3]) AS company_id
    FROM base b LEFT JOIN contacts c USING (user_id, m) LEFT JOIN sites s USING (user_id, m))
SELECT f.user_id, f.m AS m_from, f.m_to, f.email, f.domain, f.is_free, f.contact_id, f.company_id,
       CASE WHEN f.hint IS NOT NULL THEN 'org:' || f.hint
            WHEN s.external_account_id IS NOT NULL THEN 'org:' || s.external_account_id
            WHEN f.company_id IS NOT NULL THEN 'crm:' || f.company_id
            WHEN f.domain IS NOT NULL AND NOT f.is_free THEN 'domain:' || f.domain
            ELSE 'user:' || f.user_id END AS account_key
FROM found f LEFT JOIN f_site s ON s.id = f.company_id AND s.m_from <= f.m AND f.m < s.m_to
"""

# Consecutive moments at which a user stays in one account.
_STAY = """
WITH moving AS (SELECT user_id FROM f_home GROUP BY user_id HAVING count(*) > 1),
told AS (
    SELECT *, account_key IS DISTINCT FROM lag(account_key) OVER (PARTITION BY user_id ORDER BY m_from) AS moved
    FROM f_home SEMI JOIN moving USING (user_id)),
numbered AS (SELECT *, sum(moved::INTEGER) OVER (PARTITION BY user_id ORDER BY m_from) AS stay FROM told)
SELECT user_id, account_key, m_from, m_to FROM f_home ANTI JOIN moving USING (user_id)
UNION ALL
SELECT user_id, account_key, min(m_from), max(m_to) FROM numbered GROUP BY user_id, account_key, stay
"""

_ASSIGN = """
WITH rows AS (
    SELECT p.raw_id, p.account_hint, p.m AS m_first, b.user_id, b.m_from, b.m_to,
           'org:' || p.account_hint AS account_key
    FROM f_pair p JOIN f_member b USING (raw_id) WHERE p.account_hint IS NOT NULL
    UNION ALL
    SELECT p.raw_id, p.account_hint, p.m, b.user_id, greatest(b.m_from, s.m_from), least(b.m_to, s.m_to), s.account_key
    FROM f_pair p JOIN f_member b USING (raw_id) JOIN f_stay s ON s.user_id = b.user_id
    WHERE p.account_hint IS NULL AND greatest(b.m_from, s.m_from) < least(b.m_to, s.m_to))
SELECT raw_id, account_hint, user_id, m_first, CASE WHEN m_from <= m_first THEN 0 ELSE m_from END::INTEGER AS m_from,
       m_to, account_key
FROM rows WHERE m_to > m_first
"""
