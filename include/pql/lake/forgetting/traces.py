"""How a person shows in the lake's tables: what they are known by in, SQL for their rows and mentions out.

A row *of* the person goes. A row of somebody else that mentions an address of theirs (or an id long enough to be
nobody else's) stays, with `[erased]` in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pql.lake.storage import text

EMAIL = r"[A-Za-z0-9._+\-]+(?:@|%40)[A-Za-z0-9.\-]+\.[A-Za-z]{2,}"
_WORD = "A-Za-z0-9\u0080-\U0010ffff"  # RE2 and Python read the characters themselves alike
_WIDER = rf"[{_WORD}._+\-][{_WORD}._+'\-]*(?:@|%40)[{_WORD}.\-]+\.[{_WORD}]{{2,}}"
EMAILS = (EMAIL, _WIDER)  # "o'neil@x.com" in quotes, or said of o; accents in name and host: both readings are tried
ADDRESS = "lower(trim(try_cast(user_traits AS JSON) ->> '$.email'))"  # of who did it, in the events
ERASED = "[erased]"
TELLING = 8  # an id of so many characters is looked for in what others' events say; a shorter one may mean anything


@dataclass(frozen=True)
class Traces:
    """Everything one person is known by."""

    users: frozenset[str] = field(default_factory=frozenset)  # user ids, those replaced by a merge too
    visitors: frozenset[str] = field(default_factory=frozenset)  # device and visitor ids
    contacts: frozenset[str] = field(default_factory=frozenset)  # CRM contacts
    emails: frozenset[str] = field(default_factory=frozenset)  # in small letters
    names: frozenset[str] = field(default_factory=frozenset)  # what people call them; shown in messages

    @property
    def raw_ids(self) -> frozenset[str]:
        """As daily usage names actors."""
        return self.users | {f"anon:{visitor}" for visitor in self.visitors}

    @property
    def keys(self) -> frozenset[str]:
        """As subject and account of one."""
        return frozenset(f"user:{user}" for user in self.users)

    @property
    def listed(self) -> frozenset[str]:
        """As the list of the forgotten names them."""
        return (
            self.keys
            | {f"anon:{visitor}" for visitor in self.visitors}
            | {f"contact:{contact}" for contact in self.contacts}
            | {f"email:{email}" for email in self.emails}
        )

    @property
    def telling_ids(self) -> frozenset[str]:
        """Ids that can mean nobody else, wherever they stand."""
        return frozenset(each for each in self.users | self.visitors if len(each) >= TELLING)


def plain_email(found: str) -> str:
    """An address as it is compared.

    >>> plain_email("Ann%40Acme.com")
    'ann@acme.com'
    """
    return found.lower().replace("%40", "@")


def pattern(email: str) -> str:
    """A regular expression (RE2 and Python) for the address, but not for a longer one that ends or begins like it.

    >>> [bool(re.search(pattern("ann@x.com"), said)) for said in ("to ann%40x.com.", "joann@x.com", "ann@x.com.au")]
    [True, False, False]
    """
    local, _, host = email.partition("@")
    ends = r"($|[^A-Za-z0-9.\-]|\.$|\.[^A-Za-z0-9])"
    return rf"(^|[^A-Za-z0-9._+\-]|%[23][0-9A-Fa-f])(?i:{_quoted(local)}(?:@|%40){_quoted(host)}){ends}"


def is_theirs(table: str, traces: Traces) -> str:
    """SQL: the row is the person's own. `table` is `events`, a daily table's view, `crm/<object>` or `scores`."""
    users, emails, raw, keys = map(listed, (traces.users, traces.emails, traces.raw_ids, traces.keys))
    match table:
        case "events":
            silent = f"user_id IS NULL AND anonymous_id IN {listed(traces.users | traces.visitors)}"
            return f"coalesce(user_id IN {users}, false) OR {silent} OR coalesce({ADDRESS} IN {emails}, false)"
        case "usage" | "presence":
            return f"raw_id IN {raw}"
        case "links":
            return f"user_id IN {users} OR anonymous_id IN {listed(traces.users | traces.visitors)}"
        case "traits":
            return f"(kind = 'user' AND id IN {raw})"
        case "crm/contacts":
            return f"id IN {listed(traces.contacts)} OR coalesce(lower(trim(email)) IN {emails}, false)"
        case "crm/owners":
            return f"coalesce(lower(trim(email)) IN {emails}, false)"
        case "scores":
            return f"subject_key IN {keys} OR account_key IN {keys}"
    return "false"


def mentions(table: str, columns: Mapping[str, str], traces: Traces) -> str:
    """SQL: some other row names the person."""
    found = [_names(table, name, kind, traces) for name, kind in columns.items()]
    return " OR ".join(filter(None, found)) or "false"


def erased(source: str, table: str, columns: Mapping[str, str], traces: Traces) -> str:
    """A query for the rows of `source` that are left, with nothing of the person in them."""
    replaced = [
        f'CASE WHEN {said} THEN {_replacement(table, name, traces)} ELSE "{name}" END AS "{name}"'
        for name, kind in columns.items()
        if (said := _names(table, name, kind, traces))
    ]
    star = f"* REPLACE ({', '.join(replaced)})" if replaced else "*"
    return f"SELECT {star} FROM {source} WHERE NOT coalesce({is_theirs(table, traces)}, false)"


_IDS = {("events", "anonymous_id"), ("crm/meetings", "contact_id")}  # columns that name whom a row is about, too


def _names(table: str, name: str, kind: str, traces: Traces) -> str:
    if (table, name) in _IDS:
        known = traces.contacts if table == "crm/meetings" else traces.users | traces.visitors
        return f'coalesce("{name}" IN {listed(known)}, false)' if known else ""
    if kind != "VARCHAR":
        return ""
    column = f'"{name}"'
    tests = [
        f"((contains(lower({column}), {text(email)}) OR contains(lower({column}), {text(email.replace('@', '%40'))})) "
        f"AND regexp_matches({column}, {text(pattern(email))}))"
        for email in sorted(traces.emails)
    ]
    tests += [f"contains({column}, {text(_json(each))})" for each in sorted(traces.telling_ids)]
    return f"coalesce({' OR '.join(tests)}, false)" if tests else ""


def _replacement(table: str, name: str, traces: Traces) -> str:
    if (table, name) in _IDS:
        return "NULL"
    expression = f'"{name}"'
    for email in sorted(traces.emails):
        for _ in range(2):  # two mentions side by side share the character between them
            expression = rf"regexp_replace({expression}, {text(pattern(email))}, '\1{ERASED}\2', 'g')"
    for each in sorted(traces.telling_ids):
        expression = f"replace({expression}, {text(_json(each))}, {text(_json(ERASED))})"
    return expression


def listed(values: frozenset[str]) -> str:
    """SQL: a list for IN; of nothing, one that nothing is in."""
    return "(" + (", ".join(text(value) for value in sorted(values)) or "NULL") + ")"


def _quoted(literal: str) -> str:
    return re.sub(rf"([^{_WORD}@_-])", r"\\\1", literal)  # RE2 takes no backslash before letters with accents


def _json(value: str) -> str:
    return f'"{value}"'
