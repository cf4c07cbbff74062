"""The intents of all definitions in, one delivery per account and lane out: one person, one message (SEM-D5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pql.plays.model import Intent, Merged
from pql.types import Alert

_MOST_HEADLINES = 3
_SHARED = ("mention", "fallback_owner")


def merge(intents: Iterable[Intent]) -> tuple[Merged, ...]:
    """One delivery per (account, destination, lane), in the order in which their first intents speak.

    The intent of the lowest priority number speaks; the message names all definitions, and what else happened to the
    account. A CRM property wanted twice gets the value of whoever speaks first (SEM-D2).
    """
    groups: dict[tuple[str, str, str], list[Intent]] = {}
    for intent in sorted(intents, key=_order):
        groups.setdefault((intent.account_key, intent.destination, intent.lane), []).append(intent)
    return tuple(_merged(group) for group in groups.values())


def _order(intent: Intent) -> tuple[int, str]:
    return intent.priority, intent.cause.definition


def _merged(group: Sequence[Intent]) -> Merged:
    first = group[0]
    return Merged(
        account_key=first.account_key,
        subject_key=first.subject_key,
        destination=first.destination,
        kind=first.kind,
        lane=first.lane,
        options=_options(group),
        alert=_alert(group),
        causes=tuple(intent.cause for intent in group),
    )


def _options(group: Sequence[Intent]) -> dict[str, Any]:
    """The speaker's; of the others only what does not change what it says: whom to mention, who stands in.

    CRM properties are each an answer of their own: every one wanted is written.
    """
    options: dict[str, Any] = {}
    for intent in reversed(group):
        add = intent.options.items()
        options |= dict(add) if intent.kind == "crm_update" else {k: v for k, v in add if k in _SHARED}
    options |= dict(group[0].options)
    return options | _timing(group) if group[0].kind == "slack" else options


def _timing(group: Sequence[Intent]) -> dict[str, Any]:
    """The most urgent of them says when: it waits for a digest, or for working hours, only if all of them do."""
    timing = {}
    if any("how" in intent.options for intent in group):
        waits = all(intent.options.get("how") == "digest" for intent in group)
        timing["how"] = "digest" if waits else "instant"
    if any(intent.options.get("hours") == "any" for intent in group):
        timing["hours"] = "any"
    return timing


def _alert(group: Sequence[Intent]) -> Alert:
    first = group[0].alert
    own = [i.alert for i in group if i.subject_key == first.subject_key]
    others = [i.alert for i in group if i.subject_key != first.subject_key]
    headlines = _distinct(a.headline for a in own)
    also = _distinct(f"also: {a.account_name} {a.headline}" for a in others)
    return replace(
        first,
        headline=" · ".join(headlines[:_MOST_HEADLINES]),
        definitions=_distinct(d for i in group for d in i.alert.definitions),
        titles=_distinct(t for i in group for t in i.alert.titles),
        next_step=next((a.next_step for a in own if a.next_step), ""),
        flags=_distinct((*first.flags, *also)),
    )


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
