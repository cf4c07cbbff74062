"""What a table of many messages shows, made when it is sent: of each, only what may still be said (SEM-W4).

And what it shows after some of them were taken back: the same accounts, those struck out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, Engine, or_, select

from pql.outbox.queueing.retract import is_taken_back
from pql.outbox.queueing.threads import TABLE
from pql.outbox.sending.claims import UNFINISHED, Claim, as_claim
from pql.store.engine import reading
from pql.store.tables import deliveries
from pql.types import Listing, UserError

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
    members = _members(engine, table)
    shown, against = [], []
    for asked, member in enumerate(members, start=1):
        said = check(member)
        if isinstance(said, str):
            against.append(said)
        elif said.lane == table.lane:
            shown.append(said.alert)
        if len(shown) == SHOWN or asked == ASKED:
            break
    more = len(members) - asked if members else 0
    if not shown and more:
        raise UserError(f"none of its first {ASKED} messages may be sent any more ({against[0]}); the others wait")
    if len(shown) + more < 2:
        return _too_few(len(shown), against)
    alert = replace(table.alert, headline=f"{len(shown) + more} accounts", score=shown[0].score)
    return replace(table, alert=alert, listing=Listing(tuple(shown), more))


def struck_out(conn: Connection, retraction: Claim) -> Claim:
    """Return what takes rows of a table back, with all that the table shows by now; any other retraction as it is.

    Whoever was suppressed meanwhile, for another reason, is no longer in it.
    """
    if not retraction.account_key.startswith(TABLE):
        return retraction
    columns = deliveries.c
    table = conn.execute(select(columns.id, columns.sent_at).where(columns.id == retraction.retracts)).one()
    listed = (columns.thread_of == table.id, columns.created_at <= table.sent_at)  # later ones only answer there
    gone = set(conn.execute(select(columns.id).where(*listed, is_taken_back())).scalars())
    told = select(deliveries).where(*listed, or_(columns.state != "suppressed", columns.id.in_(gone)))
    claims = [as_claim(row) for row in conn.execute(told.order_by(columns.id))]
    claims.sort(key=lambda claim: claim.id not in gone)  # of two messages about an account the one that stands counts
    members = _hottest(claims)
    taken_back = frozenset(each.alert.account_key for each in members if each.id in gone)
    shown = tuple(each.alert for each in members[:SHOWN])
    return replace(retraction, listing=Listing(shown, len(members) - len(shown), taken_back))


def _members(engine: Engine, table: Claim) -> list[Claim]:
    """Those that answer under the table and are not over."""
    query = select(deliveries).where(deliveries.c.thread_of == table.id, deliveries.c.state.in_(UNFINISHED))
    with reading(engine) as conn:
        return _hottest([as_claim(row) for row in conn.execute(query.order_by(deliveries.c.id))])


def _hottest(claims: Sequence[Claim]) -> list[Claim]:
    """The last of each account, the highest score first."""
    newest = {claim.account_key: claim for claim in claims}
    return sorted(newest.values(), key=lambda claim: (-claim.alert.score, claim.id))


def _too_few(shown: int, against: list[str]) -> str:
    if shown:
        return "a table of one: it is told of by itself"
    return f"nobody is left to list: {against[0]}" if against else "nobody is left to list"
