"""Unusable records, which have no columns: a text in, what it may name, or whether it is about someone, out."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from pql.lake.forgetting.traces import EMAILS, Traces, pattern, plain_email

_BETWEEN = r"[\s\"',;:{}\[\]()=&?]+"
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def is_about(record: str, traces: Traces) -> bool:
    """Whether it names the person: an address, or an id as a word of its own."""
    said = "\n".join([record, *_strings(record)])
    if any(re.search(pattern(email), said) for email in traces.emails):
        return True
    ids = traces.users | traces.visitors
    return any(re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", said) for each in ids)


def names_in(record: str) -> set[str]:
    """What may be somebody's name in it, as the list of the forgotten has names: every word, string and cell.

    >>> sorted(names_in('{"who": "auth0:1", "mail": "O\\'Neil@x.com"}') & {"user:auth0:1", "email:o'neil@x.com"})
    ["email:o'neil@x.com", 'user:auth0:1']
    """
    strings = _strings(record)
    words = {*re.split(_BETWEEN, record), *strings, *(cell.strip(" \"'") for cell in re.split(r"[,;\t\n]", record))}
    found = {each for said in (record, *strings) for email in EMAILS for each in re.findall(email, said)}
    addresses = {plain_email(each) for each in found | {word.strip() for word in words if "@" in word}}
    return {f"{kind}:{word}" for word in words if word for kind in ("user", "anon")} | {f"email:{a}" for a in addresses}


def _strings(record: str) -> list[str]:
    """Strings as JSON means them, also in half an object."""
    found = []
    for literal in _JSON_STRING.findall(record):
        with suppress(ValueError):
            found.append(str(json.loads(literal)))
    return found
