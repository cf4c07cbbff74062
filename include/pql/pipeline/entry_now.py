"""May the subject of a delivery still enter its definitions, by today's CRM record, settings and rules? (SEM-W4)

Values are compared as scoring compares them (`pql.scoring`), so that a decision and its recheck cannot disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from pql.definition.model import Definition, Scalar
from pql.scoring.entry import is_under
from pql.scoring.values import is_one_of

Values = Mapping[str, object]  # attribute → what the CRM says now; an attribute it does not know is not there


def barred(
    definitions: Sequence[Definition],
    account_key: str,
    domains: Collection[str],
    values: Values,
    own_domains: Collection[str],
) -> str:
    """Why the account can enter none of the definitions any more; "" if it can enter one (unknown is not failing)."""
    own = _under(domains, own_domains)
    if own:
        return f"excluded now: {own} is one of our own or test domains"
    reasons = [_barred(definition, account_key, domains, values) for definition in definitions]
    return reasons[0] if reasons and all(reasons) else ""


def _barred(definition: Definition, account_key: str, domains: Collection[str], values: Values) -> str:
    refused = definition.exclude
    if _is_one_of(account_key, refused.accounts):
        return f"excluded now: the account is {account_key}"
    if domain := _under(domains, refused.domains):
        return f"excluded now: the domain is {domain}"
    for name, unwanted in refused.attributes:
        if name in values and _is_one_of(values[name], unwanted):
            return f"excluded now: {name} is {values[name]}"
    for name, allowed in definition.only:
        if name in values and not _is_one_of(values[name], allowed):
            return f"no longer eligible: {name} is {values[name]}"
    return ""


def _is_one_of(value: object, wanted: Collection[Scalar]) -> bool:
    return bool(wanted) and bool(is_one_of(pd.Series([value], dtype=object), wanted)[0][0])


def _under(domains: Collection[str], refused: Collection[str]) -> str:
    """The first of the domains that is one of the refused, or below one; "" if none is."""
    if not domains or not refused:
        return ""
    found = is_under(pd.Series(list(domains), dtype=object), refused)
    return next((domain for domain, hit in zip(domains, found, strict=True) if hit), "")
