"""An alert in, the Slack message a rep understands in ten seconds out (PRODUCT-A2); pure, all data escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pql.destinations import words
from pql.destinations.slack.text import (
    FALLBACK_LIMIT,
    HEADER_LIMIT,
    PHRASE_LIMIT,
    bold,
    cut,
    mrkdwn,
    plain,
    safe,
    section,
)
from pql.types import LIMIT, Alert, Reason

Block = dict[str, object]

_BAR_CELLS = 8
_POSITIVES_SHOWN = 3
_NEGATIVES_SHOWN = 2
_UNKNOWN_SHOWN = 2
_HEADLINE_LIMIT = 70
_TITLES_LIMIT = 40
_URL_LIMIT = 3000

# How the headlines of the triggers begin (plays name them), and their signs.
_SIGNS = (
    ("just qualified", "🎯"),
    ("qualified since", "🎯"),
    ("score up", "📈"),
    ("score down", "📉"),
    ("reached", "🏁"),
    ("is near a limit", "⏳"),
    ("has gone quiet", "🌙"),
    ("is stuck", "🧭"),
    ("no longer", "👋"),
)


def full(alert: Alert, owner: str, *, record_url: str = "") -> list[Block]:
    """The blocks of a first message. `owner` is mrkdwn made by `owner_name` or a mention."""
    blocks: list[Block] = [{"type": "header", "text": plain(headline(alert), HEADER_LIMIT)}]
    blocks.append(section("\n".join(line for line in (_who(alert, owner), _numbers(alert)) if line)))
    champions = words.champions(alert.champions, safe)
    for label, text in (("Why", why(alert.reasons, strong=bold)), ("Champions", champions)):
        if text:
            blocks.append(section(f"{bold(label)}  {text}"))
    if alert.next_step:
        blocks.append(section(f"{bold('Next')}  {safe(alert.next_step, 1000)}"))
    flags = " · ".join(safe(flag, PHRASE_LIMIT) for flag in words.flags(alert))
    if flags:
        blocks.append({"type": "context", "elements": [mrkdwn(f"⚠️ {flags}")]})
    if record_url and len(record_url) <= _URL_LIMIT:
        blocks.append(_link(record_url))
    return blocks


def follow_up(alert: Alert) -> list[Block]:
    """The one block of a further message in a thread: what is new, in two or three lines."""
    lines = [bold(headline(alert)), " · ".join(_in_short(alert))]
    top = why(alert.reasons, positives=2, negatives=0, others=False, strong=bold)
    if top:
        lines.append(f"{bold('Why')}  {top}")
    if alert.next_step:
        lines.append(f"{bold('Next')}  {safe(alert.next_step, 300)}")
    return [section("\n".join(lines))]


def fallback(alert: Alert) -> str:
    """The text of the notification and of clients that show no blocks."""
    parts = [headline(alert), *_in_short(alert)]
    top = why(alert.reasons, positives=2, negatives=0, others=False)
    return cut(" · ".join([*parts, *([top] if top else [])]), FALLBACK_LIMIT)


def headline(alert: Alert) -> str:
    """ "🎯 Acme Inc just qualified · New business"; names every definition (SEM-D5)."""
    said = alert.headline.lower()
    sign = next((sign for beginning, sign in _SIGNS if said.startswith(beginning)), "🔔")
    titles = " + ".join(alert.titles)
    end = f" · {safe(titles, _TITLES_LIMIT)}" if titles else ""
    middle = f" {safe(alert.headline, _HEADLINE_LIMIT)}"
    room = HEADER_LIMIT - len(sign) - 1 - len(middle) - len(end)
    name = safe(alert.account_name, room) or safe(alert.account_key, room) or "An account"
    return f"{sign} {name}{middle}{end}"


def owner_name(alert: Alert) -> str:
    """The owner in words, for a person who is not in this Slack."""
    return safe(alert.owner_name or alert.owner_email or "nobody yet")


def bar(pct: int, cells: int = _BAR_CELLS) -> str:
    """Activation as a bar; full only at 100 %, empty only at 0 %.

    >>> bar(75), bar(0), bar(1), bar(99), bar(100)
    ('▰▰▰▰▰▰▱▱', '▱▱▱▱▱▱▱▱', '▰▱▱▱▱▱▱▱', '▰▰▰▰▰▰▰▱', '▰▰▰▰▰▰▰▰')
    """
    held = min(100, max(0, pct))
    full_cells = round(held * cells / 100)
    if 0 < held < 100:
        full_cells = min(cells - 1, max(1, full_cells))
    return "▰" * full_cells + "▱" * (cells - full_cells)


def why(
    reasons: Sequence[Reason],
    *,
    positives: int = _POSITIVES_SHOWN,
    negatives: int = _NEGATIVES_SHOWN,
    others: bool = True,
    strong: Callable[[str], str] = str,
) -> str:
    """The strongest reasons; what is left out is one sum, so that the line still adds up to the score (SEM-S1).

    Points that do not count, because a group or the scale has a limit, are always in that sum. `strong` sets the points
    apart from a number that the reason begins with ("+15 12 teammates invited").

    >>> why([Reason(25, "billing"), Reason(20, "habit"), Reason(15, "seats"), Reason(7, "calls"), Reason(-5, "quiet")])
    '+25 billing · +20 habit · +15 seats · … and +7 from 1 other · −5 quiet'
    """
    up = [reason for reason in reasons if reason.points > 0 and reason.group != LIMIT]
    limits = [reason for reason in reasons if reason.group == LIMIT]
    down = [reason for reason in reasons if reason.points < 0 and reason.group != LIMIT]
    rest = up[positives:] + down[negatives:]
    parts = [_said(reason, strong) for reason in up[:positives]]
    if others and (rest or limits):
        points = strong(words.signed(sum(reason.points for reason in [*rest, *limits])))
        of = [words.count(len(some), noun) for some, noun in ((rest, "other"), (limits, "limit")) if some]
        parts.append(f"… and {points} from {' and '.join(of)}")
    parts += [_said(reason, strong) for reason in down[:negatives]]
    if others:
        unknown = [reason for reason in reasons if reason.points == 0 and "unknown" in reason.text.lower()]
        parts += [_said(reason, strong) for reason in unknown[:_UNKNOWN_SHOWN]]
    return " · ".join(parts)


def _who(alert: Alert, owner: str) -> str:
    parts = (words.size(alert, safe), words.trial_day(alert), f"owner {owner}")
    return " · ".join(part for part in parts if part)


def _numbers(alert: Alert) -> str:
    points, when = words.delta(alert)
    pct = alert.activation_pct
    parts = [] if pct is None else [f"Activation {bar(pct)} {pct} %"]
    parts.append(f"Score {bold(str(alert.score))}" + (f"  {_arrow(points)} {when}" if points else ""))
    if alert.grade:
        parts.append(f"Grade {safe(alert.grade)}")
    return "    ".join(parts)


def _in_short(alert: Alert) -> list[str]:
    points, _ = words.delta(alert)
    score = f"Score {alert.score}" + (f" {_arrow(points)}" if points else "")
    return [score] if alert.activation_pct is None else [score, f"{alert.activation_pct} % activated"]


def _arrow(points: int) -> str:
    return f"{'▲' if points > 0 else '▼'}{abs(points)}"


def _said(reason: Reason, strong: Callable[[str], str]) -> str:
    return f"{strong(words.signed(reason.points))} {safe(reason.text, PHRASE_LIMIT)}"


def _link(url: str) -> Block:
    button = {"type": "button", "text": plain("Open in HubSpot", 75), "url": url, "action_id": "open_in_hubspot"}
    return {"type": "actions", "elements": [button]}
