"""What a table of many messages shows, made when it is sent: of each, only what may still be said (SEM-W4).

And what it shows after some of them were taken back: the same rows, those struck out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, Engine, select

from pql.outbox.queueing.retract import ROWS
from pql.outbox.queueing.threads import TABLE
from pql.outbox.sending.claims import UNFINISHED, Claim, as_claim
from pql.plays.model import load_alert
from pql.store.engine import reading
from pql.store.tables import deliveries
from pql.types import Alert, Listing, UserError

SHOWN = 20
ASKED = 200  # members checked in one attempt at most: its lease has to last

Check = Callable[[Claim], str | Claim]
"""Why a member must not be told any more, or the member with what it would say now."""


def listed(engine: Engine, table: Claim, check: Check) -> str | Claim:
    """Return the table with what it shows now: at most 20 accounts, the highest scores first.

    Every one shown was checked; the others are counted, and each is checked when its own message is sent. Or returns
    why there is nothing to send: nobody is left, or one alone, who is told of without a table. Raises UserError when
    200 in a row must not be told: not all can be asked about in one attempt.
    """
    accounts = _accounts(engine, table)
    shown, shows, against = list[Alert](), list[tuple[int, ...]](), list[str]()
    for asked, messages in enumerate(accounts, start=1):
        said = check(messages[0])
        if isinstance(said, str):
            against.append(said)
        elif said.lane == table.lane:
            shown.append(said.alert)
            shows.append(tuple(each.id for each in messages))
        if len(shown) == SHOWN or asked == ASKED:
            break
    more = len(accounts) - asked if accounts else 0
    if not shown and more:
        raise UserError(f"none of its first {ASKED} messages may be sent any more ({against[0]}); the others wait")
    if len(shown) + more < 2:
        return _too_few(len(shown), against)
    alert = replace(table.alert, headline=f"{len(shown) + more} accounts", score=shown[0].score)
    return replace(table, alert=alert, listing=Listing(tuple(shown), more), shows=tuple(shows))


def struck_out(conn: Connection, retraction: Claim) -> Claim | str:
    """Return what takes rows of a table back, with all that the table shows then; any other retraction as it is.

    Or why there is nothing to edit: the table does not show them. A row is struck out when what it says was taken back,
    by this edit or another one that nobody holds or refused, and nothing else about its account was said.
    """
    if not retraction.account_key.startswith(TABLE):
        return retraction
    if ROWS not in retraction.options:
        return "it is not kept any more which rows were taken back"
    columns = deliveries.c
    table = conn.execute(select(columns.alert, columns.options).where(columns.id == retraction.retracts)).one()
    shows: list[list[int]] = table.options.get("shows", [])
    mine = set(retraction.options[ROWS])
    if not any(mine.intersection(row) for row in shows):
        return "the table does not show what is taken back"
    edits = columns.retracts == retraction.retracts, columns.state.not_in(("held", "suppressed"))
    gone = mine.union(*(said.get(ROWS, ()) for said in conn.execute(select(columns.options).where(*edits)).scalars()))
    shown = columns.id.in_([id for row in shows for id in row])
    known = {row.id: row for row in conn.execute(select(columns.id, columns.alert, columns.state).where(shown))}

    def stands(row: list[int]) -> int | None:
        return next((id for id in row if id not in gone and (id == row[0] or known[id].state == "delivered")), None)

    standing = [stands(row) for row in shows]
    alerts = (known[row[0] if id is None else id].alert for row, id in zip(shows, standing, strict=True))
    taken_back = frozenset(place for place, id in enumerate(standing) if id is None)
    listing = Listing(tuple(map(load_alert, alerts)), table.options.get("more", 0), taken_back)
    return replace(retraction, alert=load_alert(table.alert), listing=listing)


def _accounts(engine: Engine, table: Claim) -> list[tuple[Claim, ...]]:
    """Per account what answers under the table and is not over, the newest first; the highest score first."""
    query = select(deliveries).where(deliveries.c.thread_of == table.id, deliveries.c.state.in_(UNFINISHED))
    by_account: dict[str, list[Claim]] = {}
    with reading(engine) as conn:
        for row in conn.execute(query.order_by(deliveries.c.id.desc())):
            by_account.setdefault(row.account_key, []).append(as_claim(row))
    return sorted(map(tuple, by_account.values()), key=lambda messages: (-messages[0].alert.score, messages[0].id))


def _too_few(shown: int, against: list[str]) -> str:
    if shown:
        return "a table of one: it is told of by itself"
    return f"nobody is left to list: {against[0]}" if against else "nobody is left to list"
