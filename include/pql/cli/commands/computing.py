"""`pql init`, `ingest`, `score`, `decide`, `run`, `replay`: sources in, scores and decisions out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from pql import pipeline
from pql.cli.app import app, duration, instant, now, paths, project
from pql.cli.before_history import before_history, refuse_before_history
from pql.cli.output import Format, FormatOption, progress, show
from pql.destinations.words import count
from pql.insight.whom import called
from pql.pipeline.ingest import Kind
from pql.pipeline.moments import every, local_midnight
from pql.pipeline.project import Project
from pql.pipeline.unusable import is_all_unusable
from pql.types import UserError

AsOf = Annotated[str | None, typer.Option("--as-of", help="The moment: 2026-03-01, 2026-03-01T14:00, …Z")]
KindOption = Annotated[str, typer.Option("--kind", help="hourly (dirty accounts) or nightly (everybody)")]
Definitions = Annotated[list[str] | None, typer.Argument(help="Definition ids; none: all that are not retired")]


@app.command()
def init() -> None:
    """Create or upgrade the ledger. Safe to run again."""
    pipeline.init(paths())
    print("the ledger is ready")


@app.command()
def ingest(
    sources: Annotated[list[str] | None, typer.Argument(help="Source names; none: all")] = None,
    as_of: AsOf = None,
    kind: KindOption = "nightly",
    form: FormatOption = Format.table,
) -> None:
    """Read sources into the lake; reading the same again changes nothing.

    Says what could not be used, and why. Exit code 1 if a source had records and none of them could be used.
    """
    told: list[str] = []
    with project() as opened, progress("reading") as advance:
        clock = now()
        moment = instant(as_of, opened) if as_of else clock
        rows = [
            pipeline.ingest(opened, name, as_of=moment, now=clock, kind=_kind(kind), progress=advance, tell=told.append)
            for name in sources or sorted(opened.settings.sources)
        ]
    show(rows, form, empty="no sources are configured")
    _say(told)
    _fail_if_nothing_was_usable(rows)


@app.command()
def score(
    definitions: Definitions = None,
    as_of: AsOf = None,
    start: Annotated[str | None, typer.Option("--from", help="First moment of a panel")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last moment of a panel (inclusive)")] = None,
    step: Annotated[str, typer.Option("--every", help="Step of a panel: 1h, 1d, 1w")] = "1d",
    out: Annotated[Path | None, typer.Option(help="Write all rows and columns to this .parquet or .csv")] = None,
    top: Annotated[int, typer.Option(help="Rows to print, highest score first; 0: all")] = 20,
    form: FormatOption = Format.table,
) -> None:
    """Score every subject at one moment, or at many (--from, --to, --every): one row per subject and moment.

    Decides nothing, sends nothing, writes nothing but --out. Default moment: the last local midnight.
    """
    if (start is None) != (end is None):
        raise UserError("--from and --to go together: they are the first and the last moment of a panel.")
    with project() as opened, progress("scoring") as advance:
        clock = now()
        if start and end:
            first, last = instant(start, opened, "--from"), instant(end, opened, "--to")
            moments = list(every(first, last, duration(step, "--every"), opened.zone))
            refuse_before_history(opened, last)
        else:
            moments = [instant(as_of, opened) if as_of else local_midnight(clock, opened.zone)]
        frame = pipeline.score_panel(opened, definitions or (), moments, now=clock, progress=advance)
        told = list(before_history(opened, moments))
    if out is not None:
        _write(frame, out)
        print(f"{count(len(frame), 'row')} ({count(len(moments), 'moment')}) written to {out}")
    else:
        _show_scores(frame, form, top)
    _say(told)
    _tell_left_out(opened)


def _show_scores(frame: pd.DataFrame, form: Format, top: int) -> None:
    columns = ["definition", "as_of", "subject_key", "name", "activation_pct", "score", "grade", "size", "qualified"]
    shown = frame.assign(name=called(frame))[columns]
    if len(shown) and form is Format.table:
        shown = shown.sort_values(["qualified", "score", "subject_key"], ascending=[False, False, True])
    cut = shown if top == 0 or form is not Format.table else shown.head(top)
    rows = cut.astype(object).where(cut.notna(), None).to_dict("records")
    show([{str(k): v for k, v in row.items()} for row in rows], form, columns=columns, empty="no subjects")
    if len(cut) < len(shown):
        print(f"… and {len(shown) - len(cut)} more (--top 0 prints all, --out FILE writes all columns)")


def _write(frame: pd.DataFrame, out: Path) -> None:
    if out.suffix == ".parquet":
        frame.to_parquet(out, index=False)
    elif out.suffix == ".csv":
        frame.to_csv(out, index=False)
    else:
        raise UserError(f"--out: {out.name} must end in .parquet or .csv")


@app.command()
def decide(
    definitions: Definitions = None,
    as_of: AsOf = None,
    kind: KindOption = "nightly",
    form: FormatOption = Format.table,
) -> None:
    """Evaluate and decide one run without reading sources: episodes and deliveries go into the ledger."""
    _run(definitions, as_of, kind, form, read=False)


@app.command()
def run(
    definitions: Definitions = None,
    as_of: AsOf = None,
    kind: KindOption = "nightly",
    form: FormatOption = Format.table,
) -> None:
    """What a DAG run does: read every source, evaluate, decide. Nothing is sent before `pql deliver`.

    Exit 1 if nothing of a source could be used or a definition has errors: the others were decided all the same.
    """
    _run(definitions, as_of, kind, form, read=True)


def _run(definitions: list[str] | None, as_of: str | None, kind: str, form: Format, *, read: bool) -> None:
    told: list[str] = []
    with project() as opened, progress("deciding") as advance:
        clock = now()
        moment = instant(as_of, opened) if as_of else _default(opened, _kind(kind))
        summary = pipeline.run(
            opened,
            _kind(kind),
            as_of=moment,
            now=clock,
            only=definitions or (),
            read=read,
            progress=advance,
            tell=told.append,
        )
        told += before_history(opened, [moment])
    names = ["kind", "as_of", "live", "read", "evaluated", "newly_qualified", "announced", "silent", "held"]
    is_told = form is not Format.table or not summary["live"]  # beside what was announced it would read as held back
    show([summary], form, columns=[*names, *["would_have_announced"] * is_told, "queued"])
    _say(told)
    _tell_left_out(opened)
    _fail_if_nothing_was_usable([each for each in summary["sources"] if "read" in each])


@app.command()
def replay(
    definitions: Definitions = None,
    start: Annotated[str, typer.Option("--from", help="First moment: the silent baseline")] = "",
    end: Annotated[str | None, typer.Option("--to", help="Last moment; default: the newest event, rounded up")] = None,
    step: Annotated[str, typer.Option("--every", help="Step: 1h, 1d")] = "1h",
    send: Annotated[
        bool | None,
        typer.Option(
            "--send/--no-send",
            help="Also deliver what was decided. Default: yes, but where a destination is no sandbox on this machine "
            "you have to say which",
            show_default=False,
        ),
    ] = None,
    form: FormatOption = Format.table,
) -> None:
    """Live through history on a fresh ledger, each moment taken as now: what would have been sent, is sent.

    The first moment is the baseline (silent). Refuses a ledger in which a definition decided later already; and,
    without a word about sending, destinations that are not on this machine: history would go out as news.
    """
    if not start:
        raise UserError("--from is needed: the first moment of the replay, for example --from 2018-11-01.")
    with project() as opened, progress("replaying") as advance:
        if send is None and (real := pipeline.beyond_this_machine(opened)):
            raise UserError(
                f"A replay would send history as news to {', '.join(real)}. Say --no-send to only decide, or --send if "
                "that is what you want."
            )
        rows = pipeline.replay(
            opened,
            definitions or (),
            first=instant(start, opened, "--from"),
            last=instant(end, opened, "--to") if end else None,
            step=duration(step, "--every"),
            now=now(),
            send=send is not False,
            progress=advance,
        )
    names = ["as_of", "evaluated", "newly_qualified", "announced", "silent", "held", "queued", "delivered"]
    busy = rows if form is not Format.table else [row for row in rows if row["newly_qualified"] or row["queued"]]
    show(busy, form, columns=names, empty="nobody newly qualified")
    if form is Format.table:
        print(f"{count(len(rows), 'moment')}, {sum(row['announced'] for row in rows)} announced")
    _tell_left_out(opened)


def _say(told: Sequence[str]) -> None:
    """What could not be used, or is not known, below what could and is."""
    for each in told:
        print(f"pql: {each}", file=sys.stderr)


def _fail_if_nothing_was_usable(read: Sequence[Mapping[str, Any]]) -> None:
    """A source that is wholly unusable did not stop the others: exit code 1."""
    if any(is_all_unusable(each["read"], each["quarantined"], each["left_out"]) for each in read):
        raise typer.Exit(1)


def _tell_left_out(opened: Project) -> None:
    """A definition with errors did not stop the others, and is not passed over in silence: exit code 1."""
    for problem in opened.errors:
        print(f"pql: left out: {problem}", file=sys.stderr)
    if opened.errors:
        raise typer.Exit(1)


def _kind(text: str) -> Kind:
    if text not in ("hourly", "nightly"):
        raise UserError(f"--kind is hourly or nightly, not `{text}`.")
    return text  # type: ignore[return-value]  # checked above


def _default(opened: Project, kind: Kind) -> datetime:
    clock = now()
    if kind == "nightly":
        return local_midnight(clock, opened.zone)
    return clock.replace(minute=0, second=0, microsecond=0)
