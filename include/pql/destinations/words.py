"""An alert in people's words, without anybody's markup; `say` makes foreign text fit for where it is shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from pql.scoring.wording import plural
from pql.types import Alert, Champion, Reason

Say = Callable[[object], str]

_CHAMPIONS_SHOWN = 3
# Explicit embeddings, overrides and isolates would reorder the rest of the line; joiners inside emoji are kept.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: object) -> str:
    """Foreign text on one line, without control characters and without marks that turn the writing direction.

    >>> one_line("a\\r\\nb\\tc \\u202egnp.exe")
    'a b c gnp.exe'
    """
    return " ".join("".join(_kept(character) for character in str(text)).split())


def size(alert: Alert, say: Say) -> str:
    """ "Mid-size (240 employees)"; says so when the size is a guess (SEM-Q2)."""
    if alert.size_unknown:
        return f"Size unknown, treated as {say(alert.size)}" if alert.size else "Size unknown"
    people = count(alert.employees, "employee") if alert.employees is not None else ""
    if not alert.size:
        return people
    name = "Mid-size" if alert.size == "mid" else say(alert.size[:1].upper() + alert.size[1:])
    return f"{name} ({people})" if people else name


def trial_day(alert: Alert) -> str:
    """ "trial day 9", or nothing; on a plan that is no trial "day 9 since signup"."""
    if alert.trial_day is None:
        return ""
    in_trial = not alert.plan or "trial" in alert.plan.lower()
    return f"trial day {alert.trial_day}" if in_trial else f"day {alert.trial_day} since signup"


def delta(alert: Alert) -> tuple[int, str]:
    """The change worth telling and since when: last night's, else the week's; (0, "") if nothing moved or is known."""
    for points, when in ((alert.score_delta_night, "since last night"), (alert.score_delta_week, "in 7 days")):
        if points:
            return points, when
    return 0, ""


def champions(people: Sequence[Champion], say: Say) -> str:
    """ "Mia Chen (412 actions on 7 days) · Tom Ruiz (160 on 5)"."""
    parts = []
    for index, person in enumerate(people[:_CHAMPIONS_SHOWN]):
        actions = f"{person.actions:,}" if index else count(person.actions, "action")
        days = str(person.days) if index else count(person.days, "day")
        parts.append(f"{say(person.name or person.email or 'unnamed')} ({actions} on {days})")
    return " · ".join(parts)


def flags(alert: Alert) -> list[str]:
    """The alert's flags that its size does not say already."""
    return [flag for flag in alert.flags if not (alert.size_unknown and "size unknown" in flag.lower())]


def reason(line: Reason, say: Say) -> str:
    """ "+25 turned on self-serve billing"."""
    return f"{signed(line.points)} {say(line.text)}"


def signed(points: int) -> str:
    """Points with their sign.

    >>> signed(5), signed(-5), signed(0)
    ('+5', '−5', '0')
    """
    return f"+{points}" if points > 0 else f"−{-points}" if points < 0 else "0"


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "day"), count(1200, "day"), count(2, "delivery")
    ('1 day', '1,200 days', '2 deliveries')
    """
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def _kept(character: str) -> str:
    if character in _BIDI_CONTROLS or unicodedata.category(character) == "Cs":
        return ""
    return " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
