"""What a HubSpot task says: an alert in, its subject and its notes as HTML out; pure, all data escaped."""

from __future__ import annotations

import html

from pql.destinations import words
from pql.destinations.hubspot.objects import TEXT_LIMIT
from pql.types import Alert, Order

_SUBJECT_LIMIT = 250


def subject(order: Order) -> str:
    """The play's own words, else who and what happened; within what HubSpot takes."""
    alert = order.alert
    said = words.one_line(order.options.get("subject") or f"{alert.account_name} {alert.headline}")
    return said if len(said) <= _SUBJECT_LIMIT else said[: _SUBJECT_LIMIT - 1] + "…"


def task_body(alert: Alert, own: str = "") -> str:
    """The task's notes as HTML (HubSpot shows hs_task_body as rich text): the play's `own` words, then all reasons."""
    points, when = words.delta(alert)
    numbers = [f"Activation {alert.activation_pct} %"] if alert.activation_pct is not None else []
    numbers += [f"Score {alert.score}" + (f" ({words.signed(points)} {when})" if points else "")]
    numbers += [f"Grade {_html(alert.grade)}"] if alert.grade else []
    who = " · ".join(part for part in (words.size(alert, _html), words.trial_day(alert)) if part)
    titles = f" · {_html(' + '.join(alert.titles))}" if alert.titles else ""
    lines = [_html(line) for line in own.splitlines() if line.strip()]
    lines += [f"<strong>{_html(alert.account_name or alert.account_key)} {_html(alert.headline)}</strong>{titles}"]
    lines += [who] if who else []
    lines.append(" · ".join(numbers))
    lines += ["<strong>Why</strong>"] if alert.reasons else []
    lines += [words.reason(reason, _html) for reason in alert.reasons]
    if alert.champions:
        lines.append(f"<strong>Champions</strong> {words.champions(alert.champions, _html)}")
    if alert.next_step:
        lines.append(f"<strong>Next</strong> {_html(alert.next_step)}")
    lines += [_html(flag) for flag in words.flags(alert)]
    return "<br>".join(_within(lines, TEXT_LIMIT))


def _within(lines: list[str], limit: int) -> list[str]:
    kept: list[str] = []
    length = 0
    for line in lines:
        length += len(line) + len("<br>")
        if length > limit:
            return [*kept, "…"]
        kept.append(line)
    return kept


def _html(text: object) -> str:
    line = words.one_line(text)
    return html.escape(line if len(line) <= 500 else line[:499] + "…")
