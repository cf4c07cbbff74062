"""`pql reconcile`: what stands at the destinations held against the ledger; what differs is listed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pql import pipeline, store
from pql.cli.app import app, moment_since, now, project
from pql.cli.output import Format, FormatOption, progress, show
from pql.destinations.read_back import CANNOT_BE_ASKED
from pql.store import discrepancies

COLUMNS = ["what", "delivery", "destination", "place", "since", "found_at", "detail"]


@app.command()
def reconcile(
    since: Annotated[
        str | None, typer.Option(help="How far back: 12h, 7d, or 2026-03-01; default: `reconcile_days`")
    ] = None,
    stored: Annotated[bool, typer.Option("--stored", help="Ask nobody: list what the last one found")] = False,
    form: FormatOption = Format.table,
) -> None:
    """Read back what stands at Slack and HubSpot; list every decision without exactly one effect, and the reverse.

    Every live night ends with this. Nothing is sent or put right. What could not be read is said on standard error,
    and nothing follows from it. Exit 1 if anything differs, or a destination that can be asked could not be read.
    """
    unread: list[str] = []
    with project() as opened:
        if not stored:
            begin = moment_since(since, opened) if since else None
            with progress("reading back"):
                done = pipeline.reconcile(opened, clock=now, since=begin)
            for name, why in sorted(done.unchecked.items()):
                print(f"could not be checked: {name}: {'; '.join(why)}", file=sys.stderr)
                unread += [name] if set(why) != {CANNOT_BE_ASKED} else []
        with store.reading(opened.engine) as connection:
            found = discrepancies.list_open(connection)
    rows = [
        {
            "what": each.finding.what,
            "delivery": each.finding.delivery_id,
            "destination": each.finding.destination,
            "place": each.finding.place,
            "since": each.finding.happened_at,
            "found_at": each.found_at,
            "detail": each.finding.detail,
        }
        for each in found
    ]
    agree = "nothing differs in what could be read" if unread else "ledger and destinations agree"
    show(rows, form, columns=COLUMNS, empty=agree)
    if rows or unread:
        raise typer.Exit(1)
