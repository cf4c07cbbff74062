"""`pql forget`: take a person out of lake and ledger, and keep them out."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pql.cli.app import app, now, project
from pql.cli.output import Format, FormatOption, show
from pql.lake.forgetting.traces import Traces
from pql.pipeline.forgetting import forget as forgetting
from pql.pipeline.forgetting.forget import Forgetting
from pql.types import UserError


@app.command()
def forget(
    who: Annotated[str, typer.Argument(help="User id, e-mail address, or anon:<visitor id>")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only show what there is")] = False,
    allow_again: Annotated[
        bool, typer.Option("--allow-again", help="Take this name off the list of those who are kept out")
    ] = False,
    form: FormatOption = Format.table,
) -> None:
    """Remove a person's data from lake and ledger, and keep sources from bringing it back. First without --yes.

    Pause the DAGs before --yes: a run that has read them could write them down again. Exit 1 if anything is left.
    """
    if yes and allow_again:
        raise UserError("--yes forgets and --allow-again allows: say one of them.")
    with project() as opened:
        if allow_again:
            forgetting.allow_again(opened, who)
            print(f"{who} is read again from now on; a source's old records come with its next full read")
            return
        done = forgetting.forget(opened, who, now=now()) if yes else forgetting.find(opened, who, now=now())
    column = "removed_or_changed" if yes else "rows"
    rows = [{"where": f"lake: {part}", column: number} for part, number in done.lake.items()]
    rows += [{"where": f"ledger: {table}", column: number} for table, number in done.ledger.items()]
    if form is not Format.table:
        show(rows, form, columns=["where", column])
    else:
        print("\n".join(_known_by(done.traces)))
        show(rows, form, columns=["where", column], empty="Nothing of them is in the lake or the ledger.")
        print("\n".join(_elsewhere(done)))
        print(_end(done, yes))
    if done.left:
        raise typer.Exit(1)


def _known_by(traces: Traces) -> list[str]:
    known = {
        "users": traces.users,
        "visitors": traces.visitors,
        "CRM contacts": traces.contacts,
        "addresses": traces.emails,
        "names": traces.names,
    }
    return ["Known by", *(f"  {what}: {', '.join(sorted(names))}" for what, names in known.items() if names)]


def _elsewhere(done: Forgetting) -> list[str]:
    lines = ["Out of reach, to be done where it is:"]
    lines += [f"  {s.destination} ({s.kind}): {json.dumps(dict(s.receipt))}" for s in done.sent]
    lines += [f"  CRM contact {contact}" for contact in sorted(done.traces.contacts)]
    return [
        *lines,
        "  the sources themselves (product analytics, CRM, export files), which will not be read for them again",
        "  Airflow's logs and task results of up to now, backups, and what webhooks' receivers have kept",
    ]


def _end(done: Forgetting, yes: bool) -> str:
    if not yes:
        return "Nothing was changed: pause the DAGs, then repeat with --yes."
    if done.left:
        return f"Still there, so something ran meanwhile: {done.left}. Pause the DAGs and do it again."
    return "Looked again through lake and ledger: nothing is left. Their records are withheld from now on."
