"""`pql prune`: let go of what is older than the settings keep."""

from __future__ import annotations

from typing import Annotated

import typer

from pql import pipeline
from pql.cli.app import app, now, project
from pql.cli.output import Format, FormatOption, show
from pql.settings import Settings

WHAT = {
    "event_files": ("files of raw events", "retention_days"),
    "hourly_snapshots": ("hourly score snapshots", "hourly_scores_days"),
    "quarantine_files": ("files of quarantined records", "quarantine_days"),
    "leftovers": ("files that killed processes left", None),
    "deliveries": ("finished deliveries that say whom and why", "alerts_days"),
    "stays": ("ended stays that say whom and why", "alerts_days"),
}


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go")] = False,
    form: FormatOption = Format.table,
) -> None:
    """Remove what is older than the settings keep. Every live night ends with this; it is safe while runs read.

    Kept for ever: daily usage, nightly snapshots, CRM filings, and that something was decided and sent.
    """
    with project() as opened:
        counts = pipeline.prune(opened, now=now(), dry_run=dry_run)
        rows = [_row(name, number, opened.settings, dry_run) for name, number in counts.items()]
    show(rows, form)


def _row(name: str, number: int, settings: Settings, dry_run: bool) -> dict[str, object]:
    what, key = WHAT[name]
    kept = f"{getattr(settings, key)} days ({key})" if key else ""
    return {"what": what, "would_go" if dry_run else "removed": number, "kept": kept}
