"""`pql storms`: runs that were stopped before anything was sent, what they hold, and the answer to each."""

from __future__ import annotations

import getpass
import os
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from pql import store
from pql.cli.app import app, now, project
from pql.cli.output import Format, FormatOption, show
from pql.destinations.words import count
from pql.outbox.by_hand import storm as stopped
from pql.outbox.by_hand.storm import Answered, Storm
from pql.outbox.by_hand.storm_contents import Contents, contents
from pql.types import UserError


class Verb(StrEnum):
    show = "show"
    approve = "approve"
    reject = "reject"
    digest = "digest"


ANSWERS = {Verb.approve: stopped.approve, Verb.reject: stopped.reject, Verb.digest: stopped.as_digest}
DONE = {
    "approved": "approved, they are due now (pql deliver)",
    "digest": "due now, their messages under one a channel (pql deliver)",
    "rejected": "rejected, they are suppressed",
}
COLUMNS = ("run", "kind", "as_of", "accounts", "deliveries", "because", "answer", "who", "why", "answered_at")


@app.command()
def storms(
    verb: Annotated[Verb | None, typer.Argument(help="What to do with one; none: list those that wait")] = None,
    run: Annotated[int | None, typer.Argument(help="Which: the number of the stopped run")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the answer. Needed to answer")] = "",
    by: Annotated[str, typer.Option(help="Who answers; kept with the answer (else the system's user)")] = "",
    answered: Annotated[int, typer.Option(help="List also those answered in the last so many days")] = 0,
    form: FormatOption = Format.table,
) -> None:
    """List the runs that were stopped because they wanted to tell too many at once, or a source brings too little or
    too much; look into one, approve or reject it, or send it as one digest.

    The first answer counts, whether it is given here, in Airflow or on the page.
    """
    with project() as opened:
        if verb is None:
            since = now() - timedelta(days=answered) if answered else None
            with store.reading(opened.engine) as ledger:
                found = stopped.storms(ledger, answered_since=since)
            show([_row(each) for each in found], form, columns=COLUMNS, empty="no run waits for an answer")
            return
        if run is None:
            raise UserError(f"Say which: pql storms {verb} RUN. `pql storms` lists those that wait.")
        if verb is Verb.show:
            with store.reading(opened.engine) as ledger:
                _look(stopped.storm(ledger, run), contents(ledger, run), form)
            return
        if not reason.strip():
            raise UserError(f"--reason is needed to {verb} a storm: it is kept with who answered.")
        with store.writing(opened.engine) as ledger:
            done = ANSWERS[verb](ledger, run, who=by.strip() or user(), why=reason.strip(), origin="cli", now=now())
    print(f"run {run}: {_said(done)}")


def user() -> str:
    """Who types: the system's user, or its number where it has no name (a container)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _said(done: Answered) -> str:
    given = done.answer
    if given is None:
        return "nothing of it is held any more, nothing was changed"
    if not done.is_new:
        return (
            f"{given.verdict} already, by {given.who} on {given.answered_at:%Y-%m-%d %H:%M} UTC ({given.why}); "
            "nothing was changed"
        )
    return f"{given.deliveries} deliveries {DONE[given.verdict]}"


def _look(found: Storm, inside: Contents, form: Format) -> None:
    """The hottest accounts as rows; for people, before them, why it was stopped and where it would go."""
    if form is Format.table:
        print(f"run {found.run_id} ({found.kind}, {found.as_of:%Y-%m-%d %H:%M} UTC): {'; '.join(found.because)}")
        for place in inside.places:
            print(f"  {count(place.deliveries, 'delivery')}: {place.name}")
        for cause in inside.causes:
            print(f"  {count(cause.accounts, 'account')}: `{cause.play}` of {cause.definition}")
    rows = [
        {
            "account": each.account_name,
            "account_key": each.account_key,
            "score": each.score,
            "grade": each.grade,
            "what": each.headline,
        }
        for each in inside.top
    ]
    columns = ["account", "account_key", "score", "grade", "what"]
    show(rows, form, columns=columns, empty="nothing of it is held any more")


def _row(each: Storm) -> dict[str, object]:
    given = each.answer
    return {
        "run": each.run_id,
        "kind": each.kind,
        "as_of": each.as_of,
        "accounts": each.accounts,
        "deliveries": each.deliveries if given is None else given.deliveries,
        "because": "; ".join(each.because),
        "answer": given.verdict if given else "waits",
        "who": given.who if given else None,
        "why": given.why if given else None,
        "answered_at": given.answered_at if given else None,
    }
