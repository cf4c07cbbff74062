"""`pql deliveries`: what was sent, to whom, and what became of it; show one, retry or suppress some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from pql import insight, outbox, pipeline, store
from pql.cli.app import app, moment_since, now, project
from pql.cli.output import Format, FormatOption, show
from pql.insight.board.links import links
from pql.outbox.by_hand.choosing import Action, Choice, act, meant
from pql.outbox.by_hand.shown import Shown, shown
from pql.types import UserError

acts = typer.Typer(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(acts, name="deliveries")

State = Annotated[
    list[str] | None, typer.Option(help="pending, held, ambiguous, delivered, dead, suppressed … (may be repeated)")
]
Account = Annotated[str | None, typer.Option(help="Only of this account: key, name or domain")]
Where = Annotated[str | None, typer.Option("--destination", help="Only to this destination")]
Since = Annotated[str | None, typer.Option(help="Queued since: 30m, 12h, 2d, or 2026-03-01")]
Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of deliveries", show_default=False)]
OneState = Annotated[str, typer.Option("--state", help="Instead of numbers: all that are in this state")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list which ones")]
COLUMNS = ["id", "state", "destination", "what", "account", "account_key", "attempt", "created_at"]


@acts.callback(invoke_without_command=True)
def deliveries(
    ctx: typer.Context,
    state: State = None,
    account: Account = None,
    destination: Where = None,
    since: Since = None,
    search: Annotated[
        str | None, typer.Option(help="Part of the account, headline, owner, channel, reason or key")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first")] = 50,
    retry: Annotated[list[int] | None, typer.Option(help="`pql deliveries retry`", hidden=True)] = None,
    suppress: Annotated[list[int] | None, typer.Option(help="`pql deliveries suppress`", hidden=True)] = None,
    reason: Annotated[str, typer.Option(help="With --suppress", hidden=True)] = "",
    form: FormatOption = Format.table,
) -> None:
    """List deliveries with receipt or reason; show one whole, retry or suppress some."""
    if ctx.invoked_subcommand is not None:
        return
    with project() as opened:
        if retry:
            _act(opened, "retry", Choice(tuple(retry)), "", dry_run=False)
        if suppress:
            _act(opened, "suppress", Choice(tuple(suppress)), reason, dry_run=False)
        key = insight.account_key(opened, account, now=now()) if account else None
        with store.reading(opened.engine) as connection:
            found = outbox.list_deliveries(
                connection,
                states=state or (),
                account_key=key,
                destination=destination,
                since=moment_since(since, opened) if since else None,
                search=search,
                limit=limit,
            )
    show(_rows(found), form, columns=[*COLUMNS, "receipt_or_reason"], empty="no deliveries")


@acts.command("show")
def show_one(
    id: Annotated[int, typer.Argument(help="Number of the delivery")], form: FormatOption = Format.table
) -> None:
    """Everything about one: state, attempts, lease, reason, causes, what it says, receipt with link, history."""
    with project() as opened:
        with store.reading(opened.engine) as connection:
            found = shown(connection, id)
        if found is None:
            raise UserError(f"There is no delivery {id}; `pql deliveries` lists them.")
        link = links(opened)(found.delivery.destination, found.delivery.receipt)
    if form is Format.table:
        print("\n".join(_told(found, link)))
    else:
        show([_everything(found, link)], form)


@acts.command("retry")
def retry_some(
    ids: Ids = None,
    state: OneState = "",
    destination: Where = None,
    since: Since = None,
    dry_run: DryRun = False,
) -> None:
    """Make dead, suppressed or waiting ones due now, with all attempts before them again.

    What may have arrived is looked for before anything is sent a second time.
    """
    with project() as opened:
        choice = Choice(
            tuple(ids or ()), state, destination or "", since=moment_since(since, opened) if since else None
        )
        _act(opened, "retry", choice, "", dry_run=dry_run)


@acts.command("suppress")
def suppress_some(
    ids: Ids = None,
    reason: Annotated[str, typer.Option(help="Why: it is kept with the delivery")] = "",
    state: OneState = "",
    destination: Where = None,
    since: Since = None,
    dry_run: DryRun = False,
) -> None:
    """Stop some for good. Those on their way, delivered or suppressed already are left alone."""
    with project() as opened:
        choice = Choice(
            tuple(ids or ()), state, destination or "", since=moment_since(since, opened) if since else None
        )
        _act(opened, "suppress", choice, reason, dry_run=dry_run)


def _act(opened: pipeline.Project, action: Action, choice: Choice, reason: str, *, dry_run: bool) -> None:
    done = "made due again" if action == "retry" else "suppressed"
    try:
        with store.writing(opened.engine) as connection:
            if dry_run:
                show(_rows(meant(connection, action, choice)), Format.table, columns=COLUMNS, empty="none")
                return
            number = act(connection, action, choice, reason=reason, by="", now=now())
    except ValueError as error:
        raise UserError(f"{action}: {error}.") from None
    print(f"{number} {done}")


def _rows(found: tuple[outbox.Delivery, ...]) -> list[dict[str, Any]]:
    return [
        {
            "id": d.id,
            "state": d.state,
            "destination": d.destination,
            "what": d.lane,
            "account": d.alert.account_name,
            "account_key": d.account_key,
            "attempt": d.attempt,
            "created_at": d.created_at,
            "receipt_or_reason": d.reason or d.receipt,
        }
        for d in found
    ]


def _told(one: Shown, link: tuple[str, str] | None) -> Iterator[str]:
    d = one.delivery
    yield f"Delivery {d.id} · {d.state} · {d.kind} to {d.destination} ({d.lane})"
    yield f"About     {d.alert.account_name} ({d.account_key}): {d.alert.headline}"
    yield f"Key       {d.key}"
    yield f"Attempts  {d.attempt}"
    if one.lease:
        until = f"{one.lease.until:%Y-%m-%d %H:%M:%S} UTC" if one.lease.until else "?"
        yield f"Lease     {one.lease.owner} until {until}{' (at work)' * one.lease.is_at_work}, fence {one.lease.fence}"
    if d.reason:
        yield f"Reason    {d.reason}"
    if d.receipt:
        yield "Receipt   " + ", ".join(f"{name} {value}" for name, value in d.receipt.items())
    if link:
        yield f"          {link[0]}: {link[1]}"
    if d.thread_of:
        yield f"Under     delivery {d.thread_of}"
    if one.answers:
        yield f"Answers   deliveries {', '.join(map(str, one.answers))}"
    yield "Causes" + ("" if one.causes else "    none kept: it lists others, or takes one back")
    for why in one.causes:
        ended = f", ended {why.closed_as_of:%Y-%m-%d %H:%M} ({why.close_reason})" if why.closed_as_of else ""
        since = f"since {why.opened_as_of:%Y-%m-%d %H:%M}"
        yield f"  {why.cause}  {why.definition}, play {why.play}, action {why.action}: {why.subject_key} {since}{ended}"
    yield "Says" if d.state == "delivered" else "Would say"
    yield from (f"  {line}" for line in one.said.splitlines())
    yield "History (UTC)"
    yield from (f"  {at:%Y-%m-%d %H:%M:%S}  {what}" for at, what in one.history)


def _everything(one: Shown, link: tuple[str, str] | None) -> dict[str, Any]:
    d = one.delivery
    plain = ("id", "state", "destination", "kind", "lane", "account_key", "subject_key", "key", "run_id", "attempt")
    return {name: getattr(d, name) for name in plain} | {
        "account": d.alert.account_name,
        "headline": d.alert.headline,
        "reason": d.reason,
        "receipt": d.receipt,
        "link": link[1] if link else None,
        "options": dict(one.options),
        "thread_of": d.thread_of,
        "answers": list(one.answers),
        "lease": {"owner": one.lease.owner, "until": one.lease.until and one.lease.until.isoformat()}
        if one.lease
        else None,
        "causes": [{name: str(value) for name, value in vars(why).items() if value is not None} for why in one.causes],
        "says": one.said,
        "history": [{"at": at.isoformat(), "what": what} for at, what in one.history],
    }
