"""Rows out, as a table for people, JSON or CSV for programs; progress on standard error."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBars
from rich.table import Table
from rich.text import Text

from pql.types import Progress


class Format(StrEnum):
    table = "table"
    json = "json"
    csv = "csv"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print rows")]
Row = Mapping[str, Any]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # owasp.org, CSV injection


def show(rows: Sequence[Row], form: Format, *, columns: Sequence[str] | None = None, empty: str = "nothing") -> None:
    """Print `rows`; `columns` chooses and orders (default: those of the first row). An empty table says `empty`."""
    names = list(columns or (rows[0].keys() if rows else ()))
    if form is Format.json:
        print(json.dumps([{n: _plain(r.get(n)) for n in names} for r in rows], indent=2, ensure_ascii=False))
    elif form is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([[_inert(r.get(n)) for n in names] for r in rows])
    elif not rows:
        print(empty)
    else:
        _table(rows, names)


def _table(rows: Sequence[Row], names: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        numeric = all(isinstance(r.get(name), int | float | None) for r in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(n))) for n in names))  # Text: what comes from data is no markup
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False).print(table)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and value != value:
        return None
    return value


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else str(value)


def _inert(value: Any) -> str:
    """The cell as CSV: text that a spreadsheet would take for a formula begins with an apostrophe.

    >>> _inert("=HYPERLINK(1)"), _inert(-5), _inert("Acme")
    ("'=HYPERLINK(1)", '-5', 'Acme')
    """
    cell = _cell(value)
    return f"'{cell}" if isinstance(value, str) and cell.startswith(_FORMULA) else cell


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """A progress bar on standard error while work lasts; silent where standard error is no terminal."""
    console = Console(stderr=True)
    with ProgressBars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task(title, total=1.0)
        yield lambda what, share: bars.update(task, completed=share, description=f"{title} {what}".strip())
