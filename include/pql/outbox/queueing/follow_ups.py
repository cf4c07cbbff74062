"""What happens later in a stay that was announced answers under the stay's first message, however long ago it was."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, and_, exists, or_, select, true

from pql.plays.model import Kind
from pql.store.tables import deliveries, delivery_causes, episodes, occurrences

_STANDS = ("pending", "claimed", "sending", "ambiguous", "delivered")
OVER = ("dead", "suppressed")


def first_message(
    conn: Connection,
    happened: Collection[int],
    *,
    destination: str,
    kind: Kind,
    lane: str,
    not_under: int | None = None,
) -> int | None:
    """Return the first Slack message, in that lane, of the stay in which the occurrences happened (SEM-D5).

    None where there is none: the stay was silent, was over by then, spoke elsewhere, or its message never arrived or
    was taken back. Then the follow-up stands by itself, or under what was said within 24 hours. So it does where that
    message waits to answer under `not_under`, the follow-up itself: each would wait for the other.
    """
    if kind != "slack" or not happened:
        return None
    columns, taken_back = deliveries.c, deliveries.alias("taken_back")
    stay, event = episodes.c, occurrences.c
    within = and_(
        stay.definition == event.definition,
        stay.subject_key == event.subject_key,
        stay.opened_as_of <= event.opened_as_of,
        or_(stay.closed_as_of.is_(None), stay.closed_as_of >= event.opened_as_of),
        or_(stay.silent_reason.is_(None), stay.released_at.is_not(None)),
    )
    goes_first = or_(columns.thread_of.is_(None), columns.thread_of != not_under) if not_under else true()
    is_taken_back = exists().where(taken_back.c.retracts == columns.id, taken_back.c.state.not_in(OVER))
    return conn.execute(
        select(columns.id)
        .join(delivery_causes, delivery_causes.c.delivery_id == columns.id)
        .join(episodes, stay.id == delivery_causes.c.episode_id)
        .join(occurrences, within)
        .where(
            event.id.in_(sorted(happened)),
            columns.destination == destination,
            columns.lane == lane,
            columns.kind == "slack",
            columns.state.in_(_STANDS),
            columns.gather_at.is_(None),
            ~is_taken_back,
            goes_first,
        )
        .order_by(columns.id)
        .limit(1)
    ).scalar()


def happened_behind(conn: Connection, delivery_id: int) -> Sequence[int]:
    """Return the occurrences that caused the delivery; none if it announces a stay as well: that is no follow-up."""
    causes = delivery_causes.c
    rows = conn.execute(select(causes.occurrence_id).where(causes.delivery_id == delivery_id)).scalars().all()
    return () if None in rows else [row for row in rows if row is not None]
