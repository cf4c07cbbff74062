"""Stays that were announced and go on: a definition in, those that a run may look at again out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from pql.store.instants import to_aware, to_naive
from pql.store.tables import episodes, runs


@dataclass(frozen=True)
class Announced:
    """An open stay that somebody was told about, and the kind of run that opened it ("hourly", "nightly" …)."""

    episode_id: int
    subject_key: str
    account_key: str
    opened_as_of: datetime
    run_kind: str


def announced_since(conn: Connection, definition: str, rules_hash: str, since: datetime) -> tuple[Announced, ...]:
    """The open announced stays that began by these rules at `since` or later, under the key they still have.

    Those whose key has changed since (SEM-W3), and those of which nothing was said, are left out.
    """
    stay = episodes.c
    query = (
        select(stay.id, stay.subject_key, stay.account_key, stay.opened_as_of, stay.alert, runs.c.kind)
        .join(runs, runs.c.id == stay.opened_run)
        .where(
            stay.definition == definition,
            stay.rules_hash == rules_hash,
            stay.closed_as_of.is_(None),
            stay.opened_as_of >= to_naive(since),
            or_(stay.silent_reason.is_(None), stay.released_at.is_not(None)),
        )
        .order_by(stay.id)
    )
    return tuple(
        Announced(row.id, row.subject_key, row.account_key, to_aware(row.opened_as_of), row.kind)
        for row in conn.execute(query)
        if _said_of(row.alert) == row.subject_key
    )


def _said_of(alert: object) -> str | None:
    """Whom the stay was opened for; None if no play had anything to say of it."""
    intents = alert.get("intents") if isinstance(alert, dict) else None
    return str(intents[0]["cause"]["subject_key"]) if intents else None
