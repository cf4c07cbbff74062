"""What a storm holds, as one wants to see it before answering: where it would go, why, and the hottest accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from pql.outbox.queueing import threads
from pql.plays.model import load_alert
from pql.store.tables import deliveries, delivery_causes
from pql.types import Alert

TOP = 10
_DIRECT = "slack:dm:"
_WORDS = {
    "slack": "Slack {channel}",
    "crm_task": "tasks in {destination}",
    "crm_update": "properties in {destination}",
    "slack_retract": "Slack {channel}, taken back",
    "crm_task_close": "tasks in {destination}, closed",
    "webhook_retract": "webhook {destination}, taken back",
}


@dataclass(frozen=True)
class Place:
    """So many deliveries to one channel, or one kind of record."""

    name: str  # "Slack #pql-mid", "tasks in hubspot"
    deliveries: int


@dataclass(frozen=True)
class Cause:
    """So many accounts because of one play of one definition."""

    definition: str
    play: str
    accounts: int


@dataclass(frozen=True)
class Contents:
    """Everything held of one run, counted; and the accounts with the highest scores as they would be announced."""

    places: tuple[Place, ...]
    causes: tuple[Cause, ...]
    top: tuple[Alert, ...]


def contents(conn: Connection, run_id: int, *, top: int = TOP) -> Contents:
    """Return what the run still holds: places and causes with the most first, the `top` hottest accounts."""
    is_held = (deliveries.c.run_id == run_id) & (deliveries.c.state == "held")
    return Contents(_places(conn, is_held), _causes(conn, is_held), _hottest(conn, is_held, top))


def _places(conn: Connection, is_held: ColumnElement[bool]) -> tuple[Place, ...]:
    columns = deliveries.c
    rows = conn.execute(
        select(columns.kind, columns.destination, columns.lane, func.count())
        .where(is_held)
        .group_by(columns.kind, columns.destination, columns.lane)
    )
    counted: dict[str, int] = {}
    for kind, destination, lane, number in rows:
        name = _place(kind, destination, lane)
        counted[name] = counted.get(name, 0) + number
    return tuple(Place(name, number) for name, number in sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _place(kind: str, destination: str, lane: str) -> str:
    channel = "direct messages" if lane.startswith(_DIRECT) else lane.removeprefix("slack:")
    return _WORDS.get(kind, "{kind} {destination}").format(kind=kind, destination=destination, channel=channel)


def _causes(conn: Connection, is_held: ColumnElement[bool]) -> tuple[Cause, ...]:
    columns, accounts = delivery_causes.c, func.count(deliveries.c.account_key.distinct())
    rows = conn.execute(
        select(columns.definition, columns.play, accounts)
        .join(deliveries, deliveries.c.id == columns.delivery_id)
        .where(is_held)
        .group_by(columns.definition, columns.play)
        .order_by(accounts.desc(), columns.definition, columns.play)
    )
    return tuple(Cause(*row) for row in rows)


def _hottest(conn: Connection, is_held: ColumnElement[bool], top: int) -> tuple[Alert, ...]:
    """One alert an account, read for the hottest only: a storm may hold thousands."""
    columns = deliveries.c
    score: Any = columns.alert["score"].as_integer()
    keys = conn.execute(
        select(columns.account_key)
        .where(is_held, ~threads.is_table(deliveries))
        .group_by(columns.account_key)
        .order_by(func.max(score).desc(), columns.account_key)
        .limit(top)
    ).scalars()
    found: list[Alert] = []
    for key in keys.all():
        of_account = select(columns.alert).where(is_held, columns.account_key == key)
        found.append(load_alert(conn.execute(of_account.order_by(score.desc(), columns.id).limit(1)).scalar_one()))
    return tuple(found)
