"""Moments of which nothing is known yet: a period wholly before history is refused, of any other moment it is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time

from pql.pipeline import Project, history_start
from pql.pipeline.history import refuse_before


def refuse_before_history(opened: Project, last: datetime) -> None:
    """Raise UserError if a period that ends with `last` ends before history begins (an empty lake has no history)."""
    started = history_start(opened)
    if started is not None:
        refuse_before(opened, started, last)


def before_history(opened: Project, moments: Sequence[datetime]) -> Iterator[str]:
    """What there is to say where the one moment, or the first of many, lies before history begins."""
    started = history_start(opened)
    if started is None or not moments:
        return
    begins, first = datetime.combine(started, time(), opened.zone), moments[0]
    if len(moments) == 1 and first <= begins:
        local = first.astimezone(opened.zone)
        yield f"{local:%Y-%m-%d %H:%M} lies before history begins on {started}: nothing is known of it."
    elif first < begins:
        yield f"History begins on {started}: the moments before are empty. Begin with it: --from {started}."
