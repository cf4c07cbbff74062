"""Which CRM company an account is: the tables of `homes` in, `f_account_company` out (SEM-W3).

A company that names the product's account id is that account's; else an `org:` account is the company that most of its
users belong to by contact or domain. The same vote settles the domain of an account without a company.
"""

from __future__ import annotations

from pql.features.scratch import Scratch


def make_companies(scratch: Scratch, moment_count: int, only: str | None = None) -> None:
    """Create `f_account_company` (account_key, m_from, m_to, company_id, domain, is_free), for all accounts or those in
    the table `only`.

    `domain` and `is_free` are what its users' e-mails say; a company's own domain comes from the company.
    """
    chosen = f"WHERE a.account_key IN (SELECT account_key FROM {only})" if only else ""
    scratch.make("f_voter", f"{_VOTERS} {chosen}")
    scratch.make("f_account_at", _CHANGES, [moment_count])
    scratch.make("f_account_company", _ELECTED)
    scratch.drop("f_voter", "f_account_at")


_VOTERS = """
SELECT DISTINCT a.account_key, a.user_id, greatest(a.m_from, a.m_first, h.m_from) AS m_from,
       least(a.m_to, h.m_to) AS m_to, h.company_id, h.domain, h.is_free
FROM f_assign a JOIN f_home h
     ON h.user_id = a.user_id AND greatest(a.m_from, a.m_first, h.m_from) < least(a.m_to, h.m_to)
"""

_CHANGES = """
WITH born AS (SELECT account_key, min(m_from) AS m FROM f_voter GROUP BY account_key),
own AS (
    SELECT 'org:' || external_account_id AS account_key, m_from, m_to
    FROM f_company WHERE external_account_id IS NOT NULL),
changes AS (
    SELECT account_key, m_from AS m FROM f_voter
    UNION SELECT account_key, m_to FROM f_voter
    UNION SELECT account_key, m_from FROM own
    UNION SELECT account_key, m_to FROM own)
SELECT c.account_key, c.m::INTEGER AS m,
       coalesce(lead(c.m) OVER (PARTITION BY c.account_key ORDER BY c.m), $1)::INTEGER AS m_to
FROM changes c JOIN born b USING (account_key) WHERE c.m >= b.m AND c.m < $1
"""

_ELECTED = """
WITH own AS (
    SELECT p.account_key, p.m, min(c.id) AS company_id
    FROM f_account_at p JOIN f_company c
         ON 'org:' || c.external_account_id = p.account_key AND c.m_from <= p.m AND p.m < c.m_to
    GROUP BY ALL),
voters AS ( -- each user has one home at a moment
    SELECT DISTINCT p.account_key, p.m, v.user_id, v.company_id, v.domain, v.is_free
    FROM f_account_at p JOIN f_voter v ON v.account_key = p.account_key AND v.m_from <= p.m AND p.m < v.m_to
    WHERE v.domain IS NOT NULL OR v.company_id IS NOT NULL),
company_votes AS (
    SELECT account_key, m, company_id, count(*) AS votes FROM voters
    WHERE starts_with(account_key, 'org:') AND company_id IS NOT NULL GROUP BY ALL),
domain_votes AS (
    SELECT account_key, m, domain, is_free, count(*) AS votes FROM voters WHERE domain IS NOT NULL GROUP BY ALL),
company AS (
    SELECT account_key, m, min(row(-votes, company_id))[2] AS company_id FROM company_votes GROUP BY account_key, m),
domain AS (SELECT account_key, m, min(row(is_free, -votes, domain)) AS best FROM domain_votes GROUP BY account_key, m)
SELECT p.account_key, p.m AS m_from, p.m_to, d.best[3] AS domain, coalesce(d.best[1], false) AS is_free,
       CASE WHEN starts_with(p.account_key, 'crm:') THEN substr(p.account_key, 5)
            ELSE coalesce(o.company_id, c.company_id) END AS company_id
FROM f_account_at p LEFT JOIN own o USING (account_key, m) LEFT JOIN company c USING (account_key, m)
     LEFT JOIN domain d USING (account_key, m)
"""
