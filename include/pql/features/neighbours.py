"""Who may concern some accounts: account keys and facts in, a table of raw ids out; nobody else need be looked at.

An hour is about few accounts, so who belongs to whom is worked out only for people who may be in them at any moment.
That is found without following time. A *label* is whatever may lead to an account: an id that was sent, an e-mail's
domain, a CRM company. Whoever ever bore the same label may at some moment be in the same account. Those who are too
many are left out by what follows; nobody is missed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pyarrow as pa

from pql.features.domains import make_domains
from pql.features.scratch import Scratch


def make_neighbours(
    scratch: Scratch, accounts: Collection[str], facts: Collection[str], free_mail_domains: Collection[str]
) -> str:
    """Create a table (raw_id) of everybody who may be in these accounts or in those that the facts are about, and of
    everybody who may share any other account with one of them; its name.
    """
    scratch.make("f_said", _SAID)
    make_domains(scratch, _HOSTS, free_mail_domains)
    scratch.make("f_label", _LABELS)
    scratch.make("f_tied", _TIED)
    _put(scratch, "f_near", "raw_id", _people(accounts, facts))
    _put(scratch, "f_near_label", "label", _labels(accounts, facts))
    _spread(scratch)  # whom the facts are about
    for _ in range(2):  # who else is in accounts of theirs; then whose votes count in all accounts of those
        scratch.make("f_near_label", _THEIRS)
        _spread(scratch)
    scratch.drop("f_said", "f_domain", "f_label", "f_tied", "f_near_label")
    return "f_near"


def _spread(scratch: Scratch) -> None:
    """Labels that the same company bears, everybody who bears one of them, and what these are linked with."""
    scratch.make("f_near_label", _ALIKE)
    scratch.make("f_near", _BEARERS)


def _put(scratch: Scratch, table: str, column: str, values: Iterable[str]) -> None:
    scratch.put(table, {column: pa.array(sorted(values), pa.string())})


def _people(accounts: Collection[str], facts: Collection[str]) -> set[str]:
    named = {each.removeprefix("user:") for each in (*accounts, *facts) if each.startswith("user:")}
    return named | {fact for fact in facts if fact.startswith("anon:")}


def _labels(accounts: Collection[str], facts: Collection[str]) -> set[str]:
    companies = {"crm:" + fact.removeprefix("company:") for fact in facts if fact.startswith("company:")}
    return {*accounts, *companies, *(fact for fact in facts if fact.startswith("contact:"))}


_SAID = """
SELECT DISTINCT id AS raw_id, lower(trim(value ->> '$')) AS email FROM traits
WHERE kind = 'user' AND name = 'email' AND contains(value ->> '$', '@')
"""

_HOSTS = "SELECT split_part(email, '@', -1) AS host FROM f_said UNION ALL SELECT domain FROM crm_accounts"

_LABELS = """
WITH contacts AS (SELECT DISTINCT lower(trim(email)) AS email, id, account_id FROM crm_contacts)
SELECT DISTINCT raw_id, 'org:' || account_hint AS label FROM presence WHERE account_hint IS NOT NULL
UNION ALL
SELECT s.raw_id, 'domain:' || d.domain FROM f_said s JOIN f_domain d ON d.host = split_part(s.email, '@', -1)
WHERE d.domain IS NOT NULL AND NOT d.is_free
UNION ALL
SELECT s.raw_id, unnest(['contact:' || c.id, 'crm:' || c.account_id]) FROM f_said s JOIN contacts c USING (email)
"""

_THEIRS = "FROM f_near_label UNION SELECT label FROM f_label SEMI JOIN f_near USING (raw_id)"

# Labels of one company, whatever the CRM said of it when.
_TIED = """
WITH borne AS (
    SELECT DISTINCT id, unnest(['crm:' || id, 'org:' || external_account_id, 'domain:' || d.domain]) AS label
    FROM crm_accounts c LEFT JOIN f_domain d ON d.host = c.domain)
SELECT DISTINCT a.label, b.label AS other FROM borne a JOIN borne b USING (id) WHERE a.label <> b.label
"""

_ALIKE = """
WITH RECURSIVE alike(label) AS (
    SELECT label FROM f_near_label UNION SELECT t.other FROM alike a JOIN f_tied t ON t.label = a.label)
FROM alike
"""

_BEARERS = """
WITH RECURSIVE link AS (SELECT from_id, to_id FROM links UNION ALL SELECT to_id, from_id FROM links),
begin AS (FROM f_near UNION SELECT raw_id FROM f_label SEMI JOIN f_near_label USING (label)),
linked(raw_id) AS (FROM begin UNION SELECT l.to_id FROM linked r JOIN link l ON l.from_id = r.raw_id)
FROM linked
"""
