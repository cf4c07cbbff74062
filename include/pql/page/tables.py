"""The ranked list as CSV: board rows in, text out that a spreadsheet does not take for formulas."""

from __future__ import annotations

import csv as writer
import io
from collections.abc import Iterable

from pql.insight.board.rows import BoardRow

COLUMNS = (
    "name", "account_key", "subject_key", "domain", "definition", "state", "since", "score", "delta_night",
    "delta_week", "grade", "activation_pct", "qualified", "size", "employees", "owner", "plan", "as_of",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv(rows: Iterable[BoardRow]) -> str:
    """One line per row under a line of names."""
    out = io.StringIO()
    lines = writer.writer(out, lineterminator="\r\n")
    lines.writerow(COLUMNS)
    lines.writerows([_cell(getattr(row, name)) for name in COLUMNS] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    """Text that a spreadsheet would calculate gets a quote before it (OWASP, CSV injection); numbers stay numbers."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value
