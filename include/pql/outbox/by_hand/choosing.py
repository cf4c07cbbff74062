"""Which deliveries a person means (by number, or by state and destination), and what an act would do to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from pql.outbox.by_hand import acts as by_hand
from pql.outbox.by_hand.acts import AT_REST, RETRYABLE, Delivery

Action = Literal["retry", "suppress"]
MAY_BE: Mapping[Action, tuple[str, ...]] = {"retry": RETRYABLE, "suppress": AT_REST}


@dataclass(frozen=True)
class Choice:
    """What is meant: these numbers, or all that match everything else given."""

    ids: tuple[int, ...] = ()
    state: str = ""
    destination: str = ""
    account_key: str = ""
    since: datetime | None = None

    @property
    def says_which(self) -> bool:
        """Whether anything was said: an act on everything is none that anybody means."""
        return bool(self.ids or self.state)


def meant(conn: Connection, action: Action, choice: Choice) -> tuple[Delivery, ...]:
    """Return the deliveries the act would change, the newest first; those on their way or over are none of them.

    A table is suppressed with what waits to stand in its thread, which comes before it here.

    Raises ValueError if the choice says neither numbers nor a state, or a state the act does not change.
    """
    if not choice.says_which:
        raise ValueError("say which deliveries: their numbers, or a state")
    if choice.state and choice.state not in MAY_BE[action]:
        raise ValueError(f"state `{choice.state}`: {action} is for those that are {', '.join(MAY_BE[action])}")
    found = by_hand.list_deliveries(
        conn,
        states=(choice.state,) if choice.state else MAY_BE[action],
        destination=choice.destination or None,
        account_key=choice.account_key or None,
        since=choice.since,
        ids=choice.ids or None,
    )
    known = {each.id for each in found}
    listed = {*by_hand.listed_under(conn, known)} - known if action == "suppress" else set()
    return (*by_hand.list_deliveries(conn, ids=listed), *found) if listed else found


def act(conn: Connection, action: Action, choice: Choice, *, reason: str, by: str, now: datetime) -> int:
    """Retry or suppress what is meant and return how many; doing it again changes nothing more.

    `by`, who did it, is kept with the reason of a suppression. What may have been sent is looked for before it is sent
    again. Raises ValueError for a choice `meant` refuses, and for a suppression without a reason.
    """
    if action == "suppress" and not reason.strip():
        raise ValueError("say why: the reason is kept with the delivery")
    ids = [each.id for each in meant(conn, action, choice)]
    if action == "retry":
        return by_hand.retry(conn, ids, now=now)
    kept = f"{reason.strip()} (by {by})" if by else reason.strip()
    return by_hand.suppress(conn, ids, reason=kept, now=now)
