"""A preview as a page of its own: one file without anything remote, to look at and to pass on."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pql.destinations.words import count
from pql.insight.previewing.chart import alerts_chart
from pql.insight.previewing.model import Account, Preview
from pql.insight.previewing.sentence import bought, rate

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def _code(text: str) -> Markup:
    """Text in which what stands between backticks is code.

    >>> _code("see `pql release` <now>")
    Markup('see <code>pql release</code> &lt;now&gt;')
    """
    parts = (
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(text.split("`"))
    )
    return Markup("").join(parts)


def _points(reason: str) -> Markup:
    """A reason whose points stand apart from the number it may begin with.

    >>> _points("+15 3,993 employees")
    Markup('<b>+15</b> 3,993 employees')
    """
    points, _, said = reason.partition(" ")
    return Markup("<b>{}</b> {}").format(points, said)


_TEMPLATES.filters.update(rate=rate, bought=bought, code=_code, points=_points)
MOST = 300  # accounts of a group on the page


def page(preview: Preview, *, timezone: str = "UTC") -> str:
    """The page as HTML; everything that comes from data is escaped. Times are shown in the project's time zone."""
    zone = time_zone(preview, timezone)

    def when(day: date | None, at: datetime | None, silent: str) -> str:
        return found_at(day, at, silent, zone)

    return _TEMPLATES.get_template("page.html.jinja").render(
        p=preview,
        chart=Markup(alerts_chart(preview)),  # noqa: S704  # our own picture: numbers and dates, no text from data
        when=when,
        counted=count,
        became=became,
        groups=groups(preview),
        most=MOST,
    )


def time_zone(preview: Preview, timezone: str) -> ZoneInfo | None:
    """The zone in which times are shown; None where one looks once a day and the day says it all."""
    return None if preview.every.endswith("d") else ZoneInfo(timezone)


def groups(preview: Preview) -> list[tuple[str, str, list[Account]]]:
    """(group, title, accounts) of what differs; of the kept only those whose day differs."""
    moved = f"Kept, on another day: {preview.sooner} sooner, {preview.later} later"
    titles = {"added": "Added" if preview.old else "Announced", "removed": "Removed", "kept": moved}
    found = []
    for group, title in titles.items():
        accounts = [a for a in preview.accounts if a.group == group and (group != "kept" or is_moved(a))]
        if accounts:
            found.append((group, title, accounts))
    return found


def is_moved(account: Account) -> bool:
    """Whether the two definitions announce it on different days, or only one of them."""
    return bool(account.days_sooner or account.new_silent or account.old_silent)


def found_at(day: date | None, at: datetime | None, silent: str, zone: ZoneInfo | None) -> str:
    """When a definition found an account: its day (and local time, with a zone), "before" the period, or silently."""
    if day is None or at is None:
        return "–"
    if silent == "baseline":
        return "before"
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if zone and not silent else f"{day}{silent and ', silent'}"


def became(account: Account) -> str:
    """What became of it after the alert, and how long it had."""
    if account.became == "bought":
        return f"bought after {count(account.days_had or 0, 'day')}"
    if account.became == "not yet":
        return f"not in {count(account.days_had or 0, 'day')}"
    return account.became
