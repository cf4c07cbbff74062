"""What opened silently, hottest first, and its release: the message it would have been goes out after all (SEM-D3)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from pql import plays
from pql.outbox.queueing.enqueue import Queued, enqueue
from pql.outbox.queueing.rhythm import Rhythm
from pql.plays.model import Intent, load
from pql.store.decisions import Applied
from pql.store.engine import lock_ledger
from pql.store.instants import to_aware, to_naive
from pql.store.tables import episodes

SINCE = "qualified since"  # how the headline of what is released begins; it is no news of today


@dataclass(frozen=True)
class SilentOpening:
    """An open episode that nobody was told about."""

    episode_id: int
    definition: str
    subject_key: str
    account_key: str
    account_name: str
    score: int
    opened_as_of: datetime
    silent_reason: str


@dataclass(frozen=True)
class Released:
    """What a release did: the episodes now counted as announced, and the deliveries that brought."""

    episode_ids: tuple[int, ...] = ()
    queued: Queued = field(default_factory=Queued)


def list_silent(
    conn: Connection, *, definition: str | None = None, limit: int | None = None
) -> tuple[SilentOpening, ...]:
    """Return the open episodes nobody was told about, the highest score first."""
    return tuple(
        SilentOpening(
            row.id,
            row.definition,
            row.subject_key,
            row.account_key,
            (row.alert or {}).get("alert", {}).get("account_name") or row.account_key,
            row.score,
            to_aware(row.opened_as_of),
            row.silent_reason,
        )
        for row in conn.execute(_waiting(definition).limit(limit))
    )


def release_silent(
    conn: Connection,
    *,
    now: datetime,
    episode_ids: Collection[int] | None = None,
    definition: str | None = None,
    top: int | None = None,
    rhythm: Rhythm | None = None,
) -> Released:
    """Announce silent openings: those of `episode_ids`, or the `top` ones; those released before stay as they are.

    Takes the ledger-wide lock. One account still gets one message per channel, and the message is checked again
    before it goes out (SEM-W4). It says since when the account has qualified, as its figures are of then. Raises
    ValueError unless one of `episode_ids` and `top` says which.
    """
    if episode_ids is None and top is None:
        raise ValueError("say which silent openings to release: their ids, or how many from the top")
    lock_ledger(conn)
    query = _waiting(definition).limit(top)
    if episode_ids is not None:
        query = query.where(episodes.c.id.in_(sorted(episode_ids)))
    rows = conn.execute(query).all()
    if not rows:
        return Released()
    released = tuple(row.id for row in rows)
    conn.execute(update(episodes).where(episodes.c.id.in_(released)).values(released_at=to_naive(now)))
    zone = rhythm.zone if rhythm else UTC
    kept = [(row, intent) for row in rows for intent in _intents(row, zone)]
    applied = Applied(episodes={(intent.cause.definition, intent.cause.subject_key): row.id for row, intent in kept})
    merged = plays.merge([intent for _, intent in kept])
    return Released(released, enqueue(conn, merged, applied, run_id=None, now=now, rhythm=rhythm))


def _waiting(definition: str | None) -> Select[Any]:
    query = select(episodes).where(
        episodes.c.closed_as_of.is_(None), episodes.c.silent_reason.is_not(None), episodes.c.released_at.is_(None)
    )
    if definition is not None:
        query = query.where(episodes.c.definition == definition)
    return query.order_by(episodes.c.score.desc(), episodes.c.id)


def _intents(row: Row[Any], zone: tzinfo) -> list[Intent]:
    """What the episode would have said; its keys may have changed since (SEM-W3)."""
    kept = (row.alert or {}).get("intents", [])
    return [_now(load(each), row, zone) for each in kept]


def _now(intent: Intent, row: Row[Any], zone: tzinfo) -> Intent:
    at = to_aware(row.opened_as_of).astimezone(zone)
    flags = (*intent.alert.flags, f"figures of {at:%-d %b %Y, %H:%M}")
    alert = replace(intent.alert, headline=f"{SINCE} {at:%-d %b}", flags=flags)
    cause = replace(intent.cause, subject_key=row.subject_key)
    keys = {"subject_key": row.subject_key, "account_key": row.account_key}
    return replace(intent, cause=cause, alert=alert, announced=True, **keys)
