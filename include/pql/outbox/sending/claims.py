"""Claims: which rows a worker may work on, and the writes that only their present owner can make.

A claim raises the row's fence. Whatever the owner writes names that fence; once the lease has lapsed and somebody
else has claimed the row, the old owner's write meets another fence and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    update,
)

from pql.outbox.sending.backoff import LAST_ATTEMPT
from pql.outbox.sending.owners import is_alive
from pql.plays.model import Kind, load_alert
from pql.store.instants import to_aware, to_naive
from pql.store.tables import deliveries
from pql.types import Alert, Listing, Order

LEASE = timedelta(minutes=5)  # longer than any one request may take
STUCK = timedelta(days=1)  # so long after its lease a worker that still runs is taken for stuck
UNFINISHED = ("pending", "claimed", "sending", "ambiguous")


@dataclass(frozen=True)
class Claim:
    """One delivery in the hands of one worker; what a recheck is asked about."""

    id: int
    key: str
    fence: int
    attempt: int  # this one's number, from 1
    destination: str
    kind: Kind
    account_key: str
    subject_key: str
    lane: str
    options: Mapping[str, Any]
    alert: Alert
    thread_of: int | None
    sent_at: datetime | None  # when an earlier attempt left that may have had its effect: find before sending
    created_at: datetime
    retracts: int | None = None  # the delivery it takes back
    says_anew: bool = False  # something else, or to somebody else, than the row says
    reason: str | None = None  # why the attempt before it, if any, was not the last
    listing: Listing | None = None  # what it shows if it is a table of others; made anew for each attempt
    shows: tuple[tuple[int, ...], ...] = ()  # of such a table, row by row, the deliveries that the row stands for

    @property
    def maybe_sent(self) -> bool:
        """Whether an earlier attempt may have had its effect."""
        return self.sent_at is not None

    def order(self, thread: Mapping[str, Any] | None, witnesses: tuple[Mapping[str, Any], ...] = ()) -> Order:
        """Return the delivery as its destination sees it, to be answered under `thread` if there is one."""
        return Order(
            self.id, self.key, self.kind, self.options, self.alert, thread, self.attempt, witnesses, self.listing
        )


def claim(
    conn: Connection,
    destination: str,
    *,
    owner: str,
    now: datetime,
    limit: int,
    only: Collection[int] | None = None,
    per_lane: int | None = None,
    not_lanes: Collection[str] = (),
) -> tuple[Claim, ...]:
    """Claim up to `limit` due rows of `destination` (among the ids `only`, if given), oldest first.

    Due are: pending and ambiguous rows whose time has come, and rows whose owner's lease has lapsed, unless the owner
    is seen to be at work. A reply waits until the message it answers under is finished. At most `per_lane` are of one
    lane and none of `not_lanes`, so that one busy channel does not stand before the others. No two workers get the
    same row: PostgreSQL locks and skips, SQLite's write transactions exclude each other.
    """
    wanted = [deliveries.c.destination == destination, is_due(now), ~waits_for_thread(), ~_in_hand(conn, now)]
    if only is not None:
        wanted.append(deliveries.c.id.in_(sorted(only)))
    if not_lanes:
        wanted.append(deliveries.c.lane.not_in(sorted(not_lanes)))
    if per_lane is not None:
        wanted.append(deliveries.c.id.in_(_first_of_lanes(wanted, per_lane)))
    query = select(deliveries).where(*wanted).order_by(deliveries.c.id).limit(limit)
    rows = conn.execute(query.with_for_update(skip_locked=True)).all()
    if rows:
        conn.execute(
            update(deliveries)
            .where(deliveries.c.id.in_([row.id for row in rows]))
            .values(
                state="claimed",
                fence=deliveries.c.fence + 1,
                attempt=deliveries.c.attempt + 1,
                lease_owner=owner,
                lease_until=to_naive(now + LEASE),
            )
        )
    return tuple(as_claim(row) for row in rows)


def is_due(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a row may be worked on at `now`."""
    at = to_naive(now)
    gathered = deliveries.c.gather_at.is_(None)
    ready = and_(deliveries.c.state.in_(("pending", "ambiguous")), deliveries.c.not_before <= at, gathered)
    lapsed = and_(deliveries.c.state.in_(("claimed", "sending")), deliveries.c.lease_until <= at)
    return or_(ready, lapsed)


def _first_of_lanes(wanted: Sequence[ColumnElement[bool]], per_lane: int) -> Select[tuple[int]]:
    place = func.row_number().over(partition_by=deliveries.c.lane, order_by=deliveries.c.id).label("place")
    ranked = select(deliveries.c.id, place).where(*wanted).subquery()
    return select(ranked.c.id).where(ranked.c.place <= per_lane)


def _in_hand(conn: Connection, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a row's lease seems over by this clock and its owner is at work all the same."""
    held = deliveries.c.state.in_(("claimed", "sending"))
    lapsed = and_(held, deliveries.c.lease_until <= to_naive(now), deliveries.c.lease_until > to_naive(now - STUCK))
    owners = conn.execute(select(deliveries.c.lease_owner).where(lapsed).distinct()).scalars()
    alive = [name for name in owners if is_alive(name)]
    return and_(lapsed, deliveries.c.lease_owner.in_(alive)) if alive else false()


@lru_cache  # every claim asks, and making the aliases costs more than asking the ledger
def waits_for_thread() -> ColumnElement[bool]:
    """Return the condition that what a row follows is not finished yet: the message it answers under or takes back.

    A message that is unclear for good is not waited for by what answers under it, but by what would take it back. Of
    several edits of one table one that may be on its way goes first, then the older one: none undoes another.
    """
    parent, original, edit = (deliveries.alias(name) for name in ("parent", "original", "earlier_edit"))

    def is_open(rows: FromClause) -> ColumnElement[bool]:
        unclear = and_(rows.c.state == "ambiguous", rows.c.attempt > LAST_ATTEMPT)
        return and_(rows.c.state.in_(UNFINISHED), ~unclear)

    def may_be_under_way(rows: FromClause) -> ColumnElement[bool]:
        return or_(rows.c.sent_at.is_not(None), rows.c.state.in_(("claimed", "sending")))

    theirs, ours = may_be_under_way(edit), may_be_under_way(deliveries)
    goes_first = or_(and_(theirs, ~ours), and_(or_(theirs, ~ours), edit.c.id < deliveries.c.id))
    return or_(
        exists().where(parent.c.id == deliveries.c.thread_of, is_open(parent)),
        exists().where(original.c.id == deliveries.c.retracts, original.c.state.in_(UNFINISHED)),
        exists().where(edit.c.retracts == deliveries.c.retracts, goes_first, is_open(edit)),
    )


def begin_sending(conn: Connection, claim: Claim, *, now: datetime, threaded: bool) -> bool:
    """Mark the row before the request leaves; False if it is no longer ours and nothing may be sent.

    The row keeps what is said now and to whom, so that a lost answer is looked for where it was sent.
    """
    values: dict[str, Any] = {
        "state": "sending",
        "sent_at": to_naive(now),
        "lease_until": to_naive(now + LEASE),
    }
    if claim.says_anew:
        values |= {"alert": asdict(claim.alert), "lane": claim.lane}
    if claim.shows and claim.listing is not None:  # what is later taken back is struck out of what was shown
        values["options"] = {**claim.options, "shows": [list(row) for row in claim.shows], "more": claim.listing.more}
    if not threaded and (claim.says_anew or claim.thread_of is not None):
        values["thread_of"] = None  # it stands in the channel itself: later ones may answer under it
    return _write(conn, claim, values)


def finish(
    conn: Connection,
    claim: Claim,
    state: str,
    *,
    now: datetime,
    reason: str | None = None,
    receipt: Mapping[str, Any] | None = None,
    maybe_sent: bool = False,
) -> bool:
    """Write how the delivery ended (delivered, dead or suppressed); False if it is no longer ours.

    `maybe_sent` keeps the note that the effect may exist, so that a retry by hand looks first.
    """
    values: dict[str, Any] = {"state": state, "finished_at": to_naive(now), "reason": reason, **_NO_LEASE}
    if receipt is not None:
        values["receipt"] = dict(receipt)
    if state != "delivered" and not maybe_sent:
        values["sent_at"] = to_naive(claim.sent_at)  # this attempt had no effect; what an earlier one did stays noted
    return _write(conn, claim, values)


def put_back(
    conn: Connection,
    claim: Claim,
    *,
    not_before: datetime,
    reason: str | None,
    maybe_sent: bool,
    keeps_note: bool = False,
    counts: bool = True,
    gather_at: datetime | None = None,
) -> bool:
    """Give the row back to be tried again at `not_before`; with `counts` False the attempt was none.

    `maybe_sent` and `keeps_note` leave the note that something of it may be there.
    With `gather_at` it is then gathered with the others of its lane before anybody claims it.
    """
    values: dict[str, Any] = {
        "state": "ambiguous" if maybe_sent else "pending",
        "not_before": to_naive(not_before),
        "gather_at": to_naive(gather_at),
        "reason": reason,
        **_NO_LEASE,
    }
    if not (maybe_sent or keeps_note):
        values["sent_at"] = to_naive(claim.sent_at)
    if not counts:
        values["attempt"] = claim.attempt - 1
    return _write(conn, claim, values)


_NO_LEASE: Mapping[str, None] = {"lease_owner": None, "lease_until": None}


def _write(conn: Connection, claim: Claim, values: Mapping[str, Any]) -> bool:
    given = {f"to_{name}": value for name, value in values.items()}
    written = conn.execute(_writing(tuple(values)), {"of_id": claim.id, "of_fence": claim.fence, **given})
    return written.rowcount == 1


@lru_cache
def _writing(names: tuple[str, ...]) -> Update:
    """The statement that gives these columns to a row that is still ours; kept, as building it is the costly part."""
    held = or_(deliveries.c.state == "claimed", deliveries.c.state == "sending")
    ours = and_(deliveries.c.id == bindparam("of_id"), deliveries.c.fence == bindparam("of_fence"), held)
    return update(deliveries).where(ours).values({name: bindparam(f"to_{name}") for name in names})


def as_claim(row: Row[Any]) -> Claim:
    """Return the row as it is in the hands of whoever claims it next."""
    return Claim(
        id=row.id,
        key=row.key,
        fence=row.fence + 1,
        attempt=row.attempt + 1,
        destination=row.destination,
        kind=row.kind,
        account_key=row.account_key,
        subject_key=row.subject_key,
        lane=row.lane,
        options=row.options,
        alert=load_alert(row.alert),
        thread_of=row.thread_of,
        retracts=row.retracts,
        sent_at=to_aware(row.sent_at),
        created_at=to_aware(row.created_at),
        reason=row.reason,
    )
