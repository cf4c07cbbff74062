"""Alerts per day, new against old, as an SVG picture that takes its colours from the page it stands in."""

from __future__ import annotations

import re

import pygal
from pygal.style import Style

from pql.insight.previewing.model import Preview

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_LABELS = 12  # so many days are named below the bars
_UNUSED = re.compile(r"<script\b.*?</script>|<!--.*?-->", re.DOTALL)  # pygal's settings for tooltips, its remarks


def alerts_chart(preview: Preview) -> str:
    """One bar a day and definition, as SVG text; no scripts, nothing remote; colours are `--new`, `--old`, `--ink`."""
    days = preview.days
    chart = pygal.Bar(
        style=Style(
            background="transparent",
            plot_background="transparent",
            foreground="var(--ink)",
            foreground_strong="var(--ink)",
            foreground_subtle="var(--line)",
            guide_stroke_color="var(--line)",
            major_guide_stroke_color="var(--line)",
            guide_stroke_dasharray="1,0",
            major_guide_stroke_dasharray="1,0",
            colors=("var(--new)", "var(--old)"),
            opacity="1",
            opacity_hover=".8",
            font_family=_FONT,
            label_font_size=11,
            major_label_font_size=11,
            transition="0s",
        ),
        js=[],
        width=1000,
        height=260,
        explicit_size=False,
        disable_xml_declaration=True,
        show_legend=False,
        show_minor_x_labels=False,
        truncate_label=-1,
        margin=4,
        spacing=6,
        rounded_bars=2,
        min_scale=2,
        max_scale=6,
        range=(0, max(max((d.new, d.old or 0)) for d in days) or 1),
        value_formatter=lambda value: f"{value:g}",
        y_labels=_ticks(max(max((d.new, d.old or 0)) for d in days)),
        show_y_guides=True,
        print_values=False,
        no_data_text="",
    )
    chart.x_labels = [f"{d.day:%-d %b}" for d in days]
    chart.x_labels_major = [f"{d.day:%-d %b}" for d in days[:: max(1, -(-len(days) // _LABELS))]]
    chart.add("new", [d.new for d in days])
    if preview.old is not None:
        chart.add("old", [d.old for d in days])
    return _UNUSED.sub("", str(chart.render(is_unicode=True)))


def _ticks(most: int) -> list[int]:
    """Whole numbers for the axis, about four of them.

    >>> _ticks(3), _ticks(17)
    ([0, 1, 2, 3], [0, 5, 10, 15, 20])
    """
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000) if most <= 4 * s or s == 100_000)
    return list(range(0, max(most, 1) + step, step)) if most % step or not most else list(range(0, most + 1, step))
