"""A signal's value in, the words a sales rep would use out: "messages on 6 of the last 7 days".

Words come from names: an event `teammate_invited` is a noun and what happened to it ("teammates invited"). A `title` in
the definition always wins; `{value}` in it is the number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pql.definition.model import Definition, Signal, Window

_IRREGULAR = {"sent", "made", "built", "seen", "shown", "run", "begun", "done", "drawn", "written", "read", "paid"}
_IRREGULAR |= {"bought", "sold", "met", "left", "won", "hit", "set", "put", "shut"}
_ONE_WITH_S = {"canvas", "alias", "atlas", "news", "series", "lens", "analytics", "sales", "settings", "species"}
_COUNTS_HAPPENINGS = ("ing", "ness", "ity")  # "pricing viewed 3 times", never "3 pricings viewed"


def humanise(name: str) -> str:
    """A name as words.

    >>> humanise("user.is_free_mail")
    'free mail'
    """
    return name.rsplit(".", 1)[-1].removeprefix("is_").removeprefix("has_").replace("_", " ").replace("-", " ").strip()


def plural(noun: str) -> str:
    """The plural of a noun phrase, by its last word; a plural stays one.

    >>> [plural(n) for n in ("message", "invite", "company", "class", "day", "messages", "pricing")]
    ['messages', 'invites', 'companies', 'classes', 'days', 'messages', 'pricing']
    """
    if noun.endswith(_COUNTS_HAPPENINGS) or (noun.endswith("s") and not noun.endswith(("ss", "us"))):
        return noun
    if noun.endswith(("ss", "us", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in ("a", "e", "o", "u"):
        return noun[:-1] + "ies"
    return noun + "s"


def singular(noun: str) -> str:
    """One of a noun phrase that may be a plural, by its last word.

    >>> [singular(n) for n in ("meetings", "companies", "classes", "open deals", "status", "sms", "canvas")]
    ['meeting', 'company', 'class', 'open deal', 'status', 'sms', 'canvas']
    """
    last = noun.rsplit(" ", 1)[-1]
    if last in _ONE_WITH_S or len(last) <= 3 or not last.endswith("s") or last.endswith(("ss", "us", "is")):
        return noun
    if last.endswith("ies") and len(last) > 4:
        return noun[:-3] + "y"
    return noun[:-2] if last.endswith(("sses", "xes", "ches", "shes")) else noun[:-1]


def number(value: float) -> str:
    """A number as people write it: no needless decimals, thousands apart.

    >>> number(2143.0), number(12.5), number(1/3)
    ('2,143', '12.5', '0.3')
    """
    if math.isfinite(value) and abs(value - round(value)) < 0.05:
        return f"{round(value):,}"
    return f"{value:,.1f}"


def times(count: float) -> str:
    """
    >>> times(1), times(2), times(5)
    ('once', 'twice', '5 times')
    """
    return {1: "once", 2: "twice"}.get(round(count), f"{number(count)} times")


def amount(count: float, noun: str) -> str:
    """
    >>> amount(1, "teammate"), amount(12, "teammate"), amount(1, "files")
    ('1 teammate', '12 teammates', '1 file')
    """
    said = number(count)
    return f"{said} {singular(noun) if said == '1' else plural(noun)}"


def after_signup(hours: float) -> str:
    """
    >>> after_signup(0.4), after_signup(30), after_signup(72)
    ('within an hour of signup', '30 hours after signup', '3 days after signup')
    """
    if hours < 1:
        return "within an hour of signup"
    return f"{amount(round(hours), 'hour') if hours < 48 else amount(hours // 24, 'day')} after signup"


def span(window: Window) -> str:
    """How far the window reaches, as the end of a sentence; empty for all history."""
    if window.kind == "all" or window.days is None:
        return ""
    if window.days == 1:
        return " today" if window.kind == "last" else " on the first day"
    return f" in the {window.kind} {window.days} days"


@dataclass(frozen=True)
class EventWords:
    """An event's noun and what happened to it; `verb` is empty where the name has none."""

    noun: str
    verb: str

    @property
    def many(self) -> str:
        """As a plural: "messages sent"."""
        return f"{plural(self.noun)} {self.verb}".strip()


def event_words(name: str) -> EventWords:
    """
    >>> event_words("teammate_invited"), event_words("api_call")
    (EventWords(noun='teammate', verb='invited'), EventWords(noun='api call', verb=''))
    """
    words = humanise(name).split()
    if len(words) > 1 and (words[-1].endswith("ed") or words[-1] in _IRREGULAR):
        return EventWords(" ".join(words[:-1]), words[-1])
    return EventWords(" ".join(words), "")


def phrase(definition: Definition, signal: Signal, value: float) -> str:
    """The signal's numeric value in words."""
    if signal.title:
        return titled(signal.title, value, f"{signal.title}: {number(value)}{span(signal.window)}")
    if signal.per_user is not None:
        return _per_user(signal, value)
    match signal.measure:
        case "count":
            return _count(signal, value) + span(signal.window)
        case "active_days":
            return f"{_doing(signal)} on {_of_days(value, signal.window)}"
        case "users":
            return _people(signal, value) + span(signal.window)
        case "distinct":
            return _distinct(signal, value) + span(signal.window)
        case "sum" | "average":
            return _total(definition, signal, value) + span(signal.window)
        case _:
            return _derived(signal, value)


def titled(title: str, value: float, otherwise: str) -> str:
    """The title with its `{value}` filled in; without one, `otherwise`."""
    return title.replace("{value}", number(value)) if "{value}" in title else otherwise


def _what(signal: Signal) -> EventWords | None:
    """The words of the one event measured; None where several are."""
    return event_words(signal.events[0]) if len(signal.events) == 1 and not signal.any_event else None


def _doing(signal: Signal) -> str:
    what = _what(signal)
    if what is not None:
        return plural(what.noun)
    return "active" if signal.any_event else humanise(signal.name)


def _of_days(value: float, window: Window, or_more: bool = False) -> str:
    more = " or more" if or_more else ""
    if window.kind == "all" or window.days is None:
        return f"{number(value)}{more} day" + ("s" if value != 1 or or_more else "")
    return f"{number(value)}{more} of the {window.kind} {window.days} days"


def _count(signal: Signal, value: float) -> str:
    what = _what(signal)
    if what is None:
        return amount(value, "action") if signal.any_event else f"{humanise(signal.name)}: {number(value)}"
    if what.noun.endswith(_COUNTS_HAPPENINGS):
        return f"{what.many} {times(value)}"
    return f"{amount(value, what.noun)} {what.verb}".strip()


def _people(signal: Signal, value: float) -> str:
    who, what = ("1 person" if value == 1 else f"{number(value)} people"), _what(signal)
    if what is None:
        return f"{who} active" if signal.any_event else f"{who} ({humanise(signal.name)})"
    return f"{who} {what.verb} {plural(what.noun)}" if what.verb else f"{who} with {plural(what.noun)}"


def _per_user(signal: Signal, value: float) -> str:
    assert signal.per_user is not None
    who, least = ("1 person" if value == 1 else f"{number(value)} people"), signal.per_user.min
    what = _what(signal)
    doing = "active" if signal.any_event else f"with {plural(what.noun) if what else humanise(signal.name)}"
    if least is None:
        return f"{who} {doing}{span(signal.window)} ({humanise(signal.name)})"
    if signal.measure == "active_days":
        return f"{who} {doing} on {_of_days(least, signal.window, or_more=True)}"
    many = what.many if what else "actions" if signal.any_event else humanise(signal.name)
    return f"{who} with {number(least)} or more {many}{span(signal.window)}"


def _distinct(signal: Signal, value: float) -> str:
    if signal.property is not None:
        return amount(value, f"different {humanise(signal.property)}")
    return f"{number(value)} of {len(signal.events)} {humanise(signal.name)}"


def _total(definition: Definition, signal: Signal, value: float) -> str:
    fields = {definition.event(name).match.value for name in signal.events}
    field = fields.pop() if len(fields) == 1 else None
    unit, what = humanise(field or "value"), _what(signal)
    noun = plural(what.noun) if what else humanise(signal.name)
    if signal.measure == "average":
        return f"{number(value)} {unit} per {what.noun if what else 'action'}"
    return f"{number(value)} {singular(unit) if number(value) == '1' else unit} ({noun})"


def _derived(signal: Signal, value: float) -> str:
    what = _what(signal)
    match signal.measure:
        case "days_since":
            doing = what.many if what else "activity" if signal.any_event else humanise(signal.name)
            return f"last {doing} today" if value < 1 else f"no {doing} for {amount(value, 'day')}"
        case "time_to":
            target = f"“{signal.stage}” reached" if signal.stage else f"first {_first(signal, what)}"
            return f"{target} {after_signup(value)}"
        case "change":
            doing = what.many if what else "activity" if signal.any_event else humanise(signal.name)
            return f"{doing} {'up' if value >= 0 else 'down'} {number(abs(value))} % on the {_before(signal)}"
        case "share":
            return f"{number(value)} % of {humanise(signal.denominator or signal.name)} used"
        case "minutes":
            return f"{amount(value, 'minute')} of use{span(signal.window)}"
        case "sessions":
            return f"{amount(value, 'session')}{span(signal.window)}"
        case _:
            noun = humanise(signal.name)
            return amount(value, noun) if noun.endswith("s") else f"{noun}: {number(value)}"


def _first(signal: Signal, what: EventWords | None) -> str:
    return f"{what.noun} {what.verb}".strip() if what else "action" if signal.any_event else humanise(signal.name)


def _before(signal: Signal) -> str:
    return f"{signal.window.days} days before" if signal.window.days else "time before"
