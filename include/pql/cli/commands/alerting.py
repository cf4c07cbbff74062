"""`pql deliver`, `release`, `block`: from the outbox to people, and what people may do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, TextIO

import typer
from sqlalchemy import Connection

from pql import insight, outbox, pipeline, store
from pql.cli.app import app, duration, now, project
from pql.cli.commands.storms import user
from pql.cli.not_sent import before, why_not_sent
from pql.cli.output import Format, FormatOption, progress, show
from pql.destinations.words import count
from pql.outbox.by_hand import storm
from pql.store import blocks, marks
from pql.types import UserError

Ids = Annotated[list[int] | None, typer.Option("--id", help="Only this delivery (may be repeated)")]


@app.command()
def deliver(
    ids: Ids = None,
    max_seconds: Annotated[float, typer.Option(help="Stop claiming new ones after so long")] = 600,
    form: FormatOption = Format.table,
) -> None:
    """Send what is due; say on standard error why something could not go. Exit 1 if anything was given up (dead)."""
    with project() as opened, progress("delivering"):
        pipeline.check_clock(opened, now=now())
        then = before(opened, now())
        report = pipeline.deliver(opened, clock=now, only=ids, max_seconds=max_seconds)
        unsent = list(why_not_sent(opened, then, report["destinations"]))
    rows = [
        {"destination": name, "state": state, "deliveries": number}
        for name, states in sorted(report["destinations"].items())
        for state, number in sorted(states.items())
    ]
    show(rows, form, columns=["destination", "state", "deliveries"], empty="nothing was due")
    for each in unsent:
        print(f"pql: {each}", file=sys.stderr)
    if report["states"].get("dead"):
        raise typer.Exit(1)


@app.command()
def release(
    definition: Annotated[str | None, typer.Argument(help="Only of this definition")] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Announce so many silent openings, hottest first: shows them and asks")
    ] = None,
    episode: Annotated[list[int] | None, typer.Option(help="Announce this one (may be repeated)")] = None,
    held: Annotated[bool, typer.Option("--held", help="What the storm cap held, instead of silent openings")] = False,
    run: Annotated[int | None, typer.Option(help="With --held: only of this run")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --top: announce unasked. With --held: let them go")] = False,
    limit: Annotated[int, typer.Option(help="How many to list")] = 20,
    form: FormatOption = Format.table,
) -> None:
    """List what opened silently (baseline, old news), hottest first, and announce the best of it."""
    with project() as opened:
        if held:
            _held(opened, run, yes, form)
        elif top is not None:
            _announce_top(opened, definition, top, episode or (), yes, form)
        elif episode:
            _announce(opened, definition, episode, sys.stdout)
        else:
            with store.reading(opened.engine) as connection:
                _list_silent(outbox.list_silent(connection, definition=definition, limit=limit), form)


def _list_silent(found: Sequence[outbox.SilentOpening], form: Format) -> None:
    rows = [
        {
            "episode": s.episode_id,
            "account": s.account_name,
            "subject": s.subject_key,
            "score": s.score,
            "definition": s.definition,
            "since": s.opened_as_of,
            "why_silent": s.silent_reason,
        }
        for s in found
    ]
    columns = ["episode", "account", "subject", "score", "definition", "since", "why_silent"]
    show(rows, form, columns=columns, empty="nothing opened silently")


def _announce_top(
    opened: pipeline.Project, definition: str | None, top: int, among: Sequence[int], yes: bool, form: Format
) -> None:
    """Show the hottest (of the episodes `among`, if any), and announce just those once somebody said yes to them."""
    with store.reading(opened.engine) as connection:
        found = outbox.list_silent(connection, definition=definition, limit=None if among else top)
    chosen = [each for each in found if not among or each.episode_id in among][:top]
    _list_silent(chosen, form)
    if not chosen:
        return
    if not yes:
        _ask(_openings(len(chosen)))
    _announce(opened, definition, [s.episode_id for s in chosen], sys.stdout if form is Format.table else sys.stderr)


def _ask(openings: str) -> None:
    """Go on only if a person at a terminal says so: elsewhere --top means to list more."""
    if not sys.stdin.isatty():
        raise UserError(f"Nothing was announced. Add --yes to announce {openings}; --limit lists more of them.")
    if not typer.confirm(f"Announce {openings}?", err=True):
        print("nothing was announced", file=sys.stderr)
        raise typer.Exit(1)


def _announce(opened: pipeline.Project, definition: str | None, ids: Sequence[int], to: TextIO) -> None:
    with store.writing(opened.engine) as connection:
        done = outbox.release_silent(
            connection, now=now(), episode_ids=ids, definition=definition, rhythm=outbox.rhythm(opened.settings)
        )
    due = count(done.queued.pending, "delivery")
    print(f"released {_openings(len(done.episode_ids))}: {due} due (pql deliver)", file=to)
    if left := sorted({*ids} - {*done.episode_ids}):
        print(f"not released, as no stay of that number is open and silent: {', '.join(map(str, left))}", file=to)


def _openings(number: int) -> str:
    return f"{number:,} opening{'s' * (number != 1)}"


def _held(opened: pipeline.Project, run: int | None, yes: bool, form: Format) -> None:
    with store.writing(opened.engine) as connection:
        if yes:
            due = _let_go(connection, run)
            print(f"{count(due, 'delivery')} {'is' if due == 1 else 'are'} due now (pql deliver)")
            return
        found = outbox.list_held(connection, run_id=run)
    rows = [
        {"id": d.id, "run": d.run_id, "account": d.alert.account_name, "score": d.alert.score, "what": d.lane}
        for d in found
    ]
    show(rows, form, columns=["id", "run", "account", "score", "what"], empty="the storm cap holds nothing")


def _let_go(connection: Connection, run: int | None) -> int:
    """Approve the storms that wait, so that it is kept who let them go; then whatever else is held."""
    said: dict[str, Any] = {"who": user(), "why": "pql release --held --yes", "origin": "cli", "now": now()}
    waiting = [each.run_id for each in storm.storms(connection) if run in (None, each.run_id)]
    answers = [storm.approve(connection, each, **said).answer for each in waiting]
    return sum(each.deliveries for each in answers if each) + outbox.release_held(connection, now=now(), run_id=run)


@app.command()
def block(
    account: Annotated[str | None, typer.Argument(help="Account key, name or domain; none: list the blocks")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="How long: 30d, 2w; none: until lifted")] = None,
    kind: Annotated[str, typer.Option(help="snooze, not_a_fit or block")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept and shown")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="End the account's blocks")] = False,
    form: FormatOption = Format.table,
) -> None:
    """Keep an account quiet: no pings, no tasks, for a while or until lifted."""
    with project() as opened:
        if account is None:
            _list_blocks(opened, form)
            return
        key = insight.account_key(opened, account, now=now())
        with store.writing(opened.engine) as connection:
            marks.mark_account(connection, [d.id for d in opened.definitions if d.status != "retired"], key, now())
            if lift:
                print(f"{count(blocks.lift(connection, key, now=now()), 'block')} of {key} ended")
                return
            if not reason:
                raise UserError("--reason is needed: whoever wonders why the account is silent will read it.")
            until = now() + duration(for_, "--for") if for_ else None
            chosen = kind or ("snooze" if until else "block")
            try:
                blocks.block(connection, key, chosen, reason=reason, origin="cli", now=now(), until=until)
            except ValueError as error:
                raise UserError(f"--kind: {error}") from None
    print(f"{key} is blocked ({chosen}) " + (f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until lifted"))


def _list_blocks(opened: pipeline.Project, form: Format) -> None:
    with store.reading(opened.engine) as connection:
        found = blocks.active(connection, now())
    rows = [
        {"account": b.account_key, "kind": b.kind, "until": b.until, "reason": b.reason, "origin": b.origin}
        for each in found.values()
        for b in each
    ]
    show(rows, form, columns=["account", "kind", "until", "reason", "origin"], empty="no account is blocked")
