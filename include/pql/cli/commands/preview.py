"""`pql preview`: what a change of a definition would have meant on history, before it goes live."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pql import insight
from pql.cli.app import app, duration, instant, now, project
from pql.cli.output import Format, FormatOption, progress, show
from pql.cli.preview_text import print_preview
from pql.insight.previewing.model import Account
from pql.insight.previewing.page import page, time_zone
from pql.pipeline.project import Project
from pql.qualification import days_before
from pql.types import UserError


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(metavar="NEW.yaml", help="The definition to try; it may lie anywhere")],
    against: Annotated[
        str | None,
        typer.Option(
            help="What to compare with: live, an id, a file, or none; default: the live one of its id, if any"
        ),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="First day; default: 30 days before the last")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day; default: the newest complete day")] = None,
    step: Annotated[
        str, typer.Option("--every", help="How often to look: 1d (as at night), 1h (as by the hour)")
    ] = "1d",
    by: Annotated[str, typer.Option(help="Segments: size, or an attribute (plan, industry …)")] = "size",
    html: Annotated[Path | None, typer.Option(help="Also write a page to look at and to pass on")] = None,
    top: Annotated[int, typer.Option(min=0, help="Accounts to print of each group; 0: all")] = 20,
    form: FormatOption = Format.table,
) -> None:
    """Try a definition on history: whom it would have announced, whom no longer, how many alerts a day.

    Both are lived through as if live, day by day, from a silent baseline on; nothing is sent, nothing is decided.
    """
    with project() as opened, progress("previewing") as advance:
        timezone = opened.settings.timezone
        new = insight.read_draft(opened, file)
        found = insight.preview(
            opened,
            new,
            insight.choose_against(opened, new, against),
            first=instant(start, opened, "--from") if start else None,
            last=_end(end, opened) if end else None,
            every=duration(step, "--every"),
            now=now(),
            by=by,
            progress=advance,
        )
    if html is not None:
        _write(html, page(found, timezone=timezone))
    if form is Format.json:
        print(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    elif form is Format.csv:
        show([_plain(account) for account in found.accounts], form, columns=list(_COLUMNS))
    else:
        print_preview(found, top, time_zone(found, timezone))
        if html is not None:
            print(f"\nthe page is in {html}")


_COLUMNS = tuple(name for name in Account.__dataclass_fields__ if name != "asked")


def _plain(account: Account) -> dict[str, Any]:
    values = {name: getattr(account, name) for name in _COLUMNS}
    return values | {"reasons": " · ".join(account.reasons), "missing": " · ".join(account.missing)}


def _end(text: str, opened: Project) -> datetime:
    """A last day ends with its last midnight; a time is meant as it is written."""
    moment = instant(text, opened, "--to")
    return days_before(moment, -1, opened.settings.timezone) if len(text.strip()) == len("2026-03-01") else moment


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--html: {file} cannot be written: {error.strerror}.") from error
