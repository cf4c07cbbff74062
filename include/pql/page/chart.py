"""The score's history as an inline SVG: points in, markup out with no script, no style and nothing remote in it.

pygal draws; colours come from the page's style sheet, so that the chart is readable in light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pygal
from markupsafe import Markup

from pql.insight.board.history import Point

_SVG = "{http://www.w3.org/2000/svg}"
WIDTH, HEIGHT = 720, 220
_LABELS = 6
_DROPPED = {f"{_SVG}{name}" for name in ("defs", "script", "style", "desc", "title")}
_OVERLAYS = {"text-overlay", "tooltip-overlay"}  # for pygal's own script


def chart(points: Sequence[Point], *, zone: str, staged: bool = True) -> Markup | None:
    """Score and, if the definition is `staged`, activation over time; None where two points are wanting for a line."""
    if len(points) < 2:
        return None
    moments = [point.as_of.astimezone(ZoneInfo(zone)) for point in points]
    shown = [at.replace(tzinfo=None) for at in moments]  # pygal takes times without a zone as they are
    days = shown[-1] - shown[0] >= timedelta(days=_LABELS)
    drawn = pygal.DateTimeLine(
        js=[],
        css=[],
        width=WIDTH,
        height=HEIGHT,
        show_legend=False,
        dots_size=2.5 if len(points) > 30 else 3.5,
        range=(0, max(100, *(point.score for point in points))),
        y_labels=[0, 25, 50, 75, 100],
        x_labels=_ticks(shown[0], shown[-1]),
        x_value_formatter=lambda at: f"{at:%-d %b}" if days else f"{at:%-d %b %H:%M}",
        margin=6,
        margin_right=18 if days else 44,  # the last label stands half outside
        spacing=8,
        no_prefix=True,
        disable_xml_declaration=True,
    )
    activation = [p.activation_pct if staged else None for p in points]  # kept as nothing: colours go by place
    drawn.add("activation", list(zip(shown, activation, strict=True)))
    drawn.add("score", list(zip(shown, [p.score for p in points], strict=True)))
    titles = [_words(at, point, staged) for at, point in zip(moments, points, strict=True)]
    return Markup(_plain(drawn.render(), titles))  # noqa: S704  # pygal's own markup of numbers and dates, cleaned


def _ticks(first: datetime, last: datetime) -> list[datetime]:
    """Moments to label, evenly apart: midnights, or of a few days any moments.

    >>> [f"{at:%-d.%-m.}" for at in _ticks(datetime(2026, 3, 1, 7), datetime(2026, 3, 29))]
    ['2.3.', '8.3.', '14.3.', '20.3.', '26.3.']
    """
    span = last - first
    if span < timedelta(days=_LABELS):
        return [first + span * n / (_LABELS // 2) for n in range(_LABELS // 2 + 1)]
    step = timedelta(days=ceil(span.days / (_LABELS - 1)))
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = midnight if midnight == first else midnight + timedelta(days=1)
    return [begin + n * step for n in range(_LABELS) if begin + n * step <= last]


def _words(at: datetime, point: Point, staged: bool) -> str:
    activation = f", activation {point.activation_pct} %" if staged else ""
    return f"{at:%-d %b %H:%M}: score {point.score}{activation}"


def _plain(svg: bytes, titles: Sequence[str]) -> str:
    """The SVG without scripts, styles and pygal's words about itself; each point says its values when pointed at."""
    root = ElementTree.fromstring(svg)  # noqa: S314  # pygal has just written it
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in _DROPPED or _OVERLAYS & set(child.get("class", "").split()):
                parent.remove(child)
    _title_points(root, titles)
    for name in ("width", "height", "id"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": f"Score from {titles[0]} to {titles[-1]}", "class": "chart"}
    ElementTree.register_namespace("", _SVG.strip("{}"))
    return ElementTree.tostring(root, encoding="unicode")


def _title_points(root: ElementTree.Element, titles: Sequence[str]) -> None:
    for series in root.iter(f"{_SVG}g"):
        dots: list[Any] = [g for g in series if g.tag == f"{_SVG}g" and "dots" in g.get("class", "").split()]
        for dot, title in zip(dots, titles, strict=False):
            ElementTree.SubElement(dot, f"{_SVG}title").text = title
