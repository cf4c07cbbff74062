"""What the ledger itself has against sending a claimed delivery, asked at the moment of sending (SEM-W4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from pql.outbox.queueing.threads import THREAD_FOR
from pql.outbox.sending.claims import UNFINISHED, Claim
from pql.store import blocks
from pql.store.blocks import AccountBlock
from pql.store.facts import MERGED, RETRACTED
from pql.store.instants import to_naive
from pql.store.tables import deliveries, delivery_causes, episodes

_WITNESSES = 5
_ENDS_ANY = ("blocked", "excluded", "only", RETRACTED)


def objections(conn: Connection, claims: Sequence[Claim], now: datetime) -> dict[int, str]:
    """Return why deliveries must not go out any more, by id; those that the ledger has nothing against are left out.

    A write-back (crm_update) is no message: an ended stay does not stop it, a block or an exclusion does, and so
    does a later one for the same subject, which it would overwrite.
    """
    blocked = blocks.active(conn, now, {claim.account_key for claim in claims})
    closed = _closed(conn, claims)
    found: dict[int, str] = {}
    for claim in claims:
        ended = closed.get(claim.id)
        if claim.account_key in blocked:
            found[claim.id] = _blocked(blocked[claim.account_key][0])
        elif ended is not None and (claim.kind != "crm_update" or ended in _ENDS_ANY):
            found[claim.id] = f"the stay it announces has ended: {ended}"
        elif claim.kind == "crm_update" and (later := _superseded(conn, claim)) is not None:
            found[claim.id] = later
    return found


def _blocked(block: AccountBlock) -> str:
    until = f" until {block.until:%Y-%m-%d}" if block.until else ""
    return f"blocked: {block.kind}{until} ({block.reason})" if block.reason else f"blocked: {block.kind}{until}"


def nothing_to_take_back(conn: Connection, claim: Claim) -> str | None:
    """Return why there is nothing to take back, None if what a retraction is about has arrived."""
    state = conn.execute(select(deliveries.c.state).where(deliveries.c.id == claim.retracts)).scalar()
    return None if state == "delivered" else f"delivery {claim.retracts} never arrived ({state or 'gone'})"


def thread_receipt(conn: Connection, claim: Claim) -> Mapping[str, Any] | None:
    """Return the receipt of the message to answer under, None if there is none or it never arrived.

    Of a retraction, of what it takes back, with that one's `key`. With `broadcast`, a reply is shown in the channel,
    too: its play says so, and the message it answers under was said a day or more before.
    """
    if claim.retracts is not None:
        row = conn.execute(
            select(deliveries.c.receipt, deliveries.c.key).where(deliveries.c.id == claim.retracts)
        ).one()
        return {**(row.receipt or {}), "key": row.key}
    if claim.thread_of is None:
        return None
    columns = deliveries.c
    query = select(columns.receipt, columns.sent_at).where(columns.id == claim.thread_of, columns.state == "delivered")
    parent = conn.execute(query).first()
    if parent is None or parent.receipt is None:
        return None
    is_old = parent.sent_at is not None and parent.sent_at <= to_naive(claim.created_at - THREAD_FOR)
    if is_old and claim.options.get("broadcast") is True:
        return {**parent.receipt, "broadcast": True}
    receipt: Mapping[str, Any] = parent.receipt
    return receipt


def witnesses(conn: Connection, claim: Claim) -> tuple[Mapping[str, Any], ...]:
    """Return receipts of the newest messages that surely stand in the delivery's channel itself, at most five."""
    columns = deliveries.c
    query = (
        select(columns.receipt)
        .where(
            columns.destination == claim.destination,
            columns.lane == claim.lane,
            columns.kind == claim.kind,
            columns.state == "delivered",
            columns.thread_of.is_(None),
        )
        .order_by(columns.finished_at.desc())
        .limit(_WITNESSES)
    )
    return tuple(receipt for receipt in conn.execute(query).scalars() if receipt and receipt.get("ts"))


def _closed(conn: Connection, claims: Sequence[Claim]) -> dict[int, str]:
    """Return why all the stays behind a delivery have ended since; left out if one goes on or it has another cause."""
    query = (
        select(delivery_causes.c.delivery_id, episodes.c.close_reason, episodes.c.closed_as_of)
        .select_from(delivery_causes.outerjoin(episodes, episodes.c.id == delivery_causes.c.episode_id))
        .where(delivery_causes.c.delivery_id.in_([claim.id for claim in claims]))
    )
    said_at = {claim.id: to_naive(datetime.fromisoformat(claim.alert.as_of)) for claim in claims}
    reasons: dict[int, list[str | None]] = {}
    for row in conn.execute(query):
        ended = _ended(row.close_reason, row.closed_as_of, said_at[row.delivery_id])
        reasons.setdefault(row.delivery_id, []).append(ended)
    return {id: ended[0] for id, ended in reasons.items() if ended[0] is not None and all(ended)}


def _ended(reason: str | None, closed_as_of: datetime | None, said_at: datetime) -> str | None:
    if reason == RETRACTED:
        return reason
    if closed_as_of is None or closed_as_of <= said_at:  # open, or its end is what the message is about
        return None
    return None if reason == MERGED else reason


def _superseded(conn: Connection, claim: Claim) -> str | None:
    columns = deliveries.c
    newer = conn.execute(
        select(columns.id, columns.options)
        .where(
            columns.id > claim.id,
            columns.account_key == claim.account_key,
            columns.subject_key == claim.subject_key,
            columns.destination == claim.destination,
            columns.kind == claim.kind,
            columns.state.in_((*UNFINISHED, "delivered")),
        )
        .order_by(columns.id.desc())
    )
    covering = next((row.id for row in newer if _written(claim.options) <= _written(row.options)), None)
    return f"a later one writes the same: delivery {covering}" if covering is not None else None


def _written(options: Mapping[str, Any]) -> set[str]:
    return set(options.get("properties", options))
