"""The score's history is drawn over time, not over the number of its points."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pql.insight.board.history import Point
from pql.page.chart import chart

T0 = datetime(2026, 11, 6, tzinfo=UTC)


def drawn(*days: float, staged: bool = True) -> str:
    """The chart of a point on each of these days."""
    points = [Point(T0 + timedelta(days=day), 20 + n, 10 * n, False) for n, day in enumerate(days)]
    return str(chart(points, zone="UTC", staged=staged))


def places(svg: str, series: int) -> list[float]:
    """Where the points of a series stand, from left to right."""
    [group] = re.findall(rf'<g class="series serie-{series} [^"]*">(<g class="dots">.*?)</g></g>', svg)
    return [float(x) for x in re.findall(r'<circle cx="([0-9.]+)"', group)]


def test_two_weeks_without_a_score_are_as_wide_as_two_weeks() -> None:
    """A gap is seen as one; a moment in the morning stands close to its night."""
    nights = places(drawn(0, 1, 15, 15.25), 1)
    day, gap, morning = (b - a for a, b in pairwise(nights))
    assert (round(gap / day, 1), round(morning / day, 2)) == (14, 0.25)


def test_labels_are_dates_of_weeks_and_hours_of_a_day() -> None:
    """Midnights where there are many; a history of hours says the hours."""

    def labels(svg: str) -> list[str]:
        return [text for text in re.findall(r"<text[^>]*>([^<]+)</text>", svg) if not text.isdigit()]

    assert labels(drawn(0, 30)) == ["6 Nov", "12 Nov", "18 Nov", "24 Nov", "30 Nov", "6 Dec"]
    assert labels(drawn(0, 0.5)) == ["6 Nov 00:00", "6 Nov 04:00", "6 Nov 08:00", "6 Nov 12:00"]


def test_without_stages_there_is_a_score_alone() -> None:
    """And it keeps its own colour."""
    svg = drawn(0, 1, staged=False)
    assert len(places(svg, 1)) == 2
    assert svg.count("<circle") == 2
