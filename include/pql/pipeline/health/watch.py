"""What ops should know of by now: the ledger's state in, one condition a thing out, with the words for it.

A condition is a state, not an event: whoever tells it remembers what was told (`pql.store.ops`), so each change is told
once, however often this is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from pql import store
from pql.outbox.by_hand.storm import answer_of, storms
from pql.outbox.sending.backoff import LAST_ATTEMPT
from pql.pipeline.health.freshness import Freshness, freshness
from pql.pipeline.project import Project
from pql.store.instants import to_naive
from pql.store.ops import State, told
from pql.store.tables import deliveries

DEAD_FOR = timedelta(days=7)  # a delivery given up longer ago is no news any more
_DAY = timedelta(days=1).total_seconds()
ENOUGH = 20  # records; of fewer one bad one says nothing


@dataclass(frozen=True)
class Condition:
    """One thing that ops are told of when its state changes: its name in `ops_states`, its state, the words."""

    name: str
    state: State
    text: str


def conditions(project: Project, *, now: datetime) -> list[Condition]:
    """Sources late or quarantined, destinations with deliveries given up, definition files with errors, deliveries
    held or unclear; what is well, too."""
    with store.reading(project.engine) as connection:
        fresh = freshness(connection, project.settings, now=now)
        found = [_late(each) for each in fresh if each.late_after is not None and each.age is not None]
        found += [_quarantined(each, project.settings.quarantine_pct) for each in fresh if each.read >= ENOUGH]
        found += _given_up(connection, list(project.settings.destinations), now)
        found += _unusable_files(connection, project)
        return [*found, *_storms(connection), _unclear(connection)]


def volumes(summary: Mapping[str, Any]) -> list[Condition]:
    """Of each source whether it brings far less or far more than usual, by a run's result.

    Of one that is late, or of which nothing came for a day, that cannot be said: what was told of it still holds.
    """
    low, high = summary["drops"], summary["surges"]
    known = [s["source"] for s in summary["sources"] if not s["late"] and s["age_s"] is not None and s["age_s"] < _DAY]
    return [_volume(name, low.get(name), high.get(name)) for name in sorted({*low, *high, *known})]


def _late(each: Freshness) -> Condition:
    assert each.age is not None
    assert each.late_after is not None
    reached = each.complete_to or each.newest_at
    assert reached is not None
    what = "complete to" if each.complete_to else "newest event of"
    at = f"{what} {reached:%Y-%m-%d %H:%M} UTC"
    name = f"source:{each.source}"
    if not each.is_late:
        return Condition(name, "ok", f":white_check_mark: `{each.source}` is up to date again: {at}.")
    error = f" Its last read failed: {each.error.splitlines()[0][:300]}" if each.error else ""
    text = (
        f":hourglass_flowing_sand: `{each.source}` is late: {at}, {_hours(each.age)} ago "
        f"(late after {_hours(each.late_after)}).{error}\nWhat rests on absence waits until it is there."
    )
    return Condition(name, "late", text)


def _quarantined(each: Freshness, limit: float) -> Condition:
    name = f"quarantine:{each.source}"
    if each.quarantined_pct <= limit:
        return Condition(name, "ok", f":white_check_mark: `{each.source}` can be read again: {_share(each)} unusable.")
    text = (
        f":warning: `{each.source}`: {_share(each)} of its last read could not be used (told above {limit:g} %). "
        f"They lie in `quarantine/{each.source}/` of the lake, each with its reason."
    )
    return Condition(name, "failed", text)


def _given_up(conn: Connection, destinations: list[str], now: datetime) -> Iterator[Condition]:
    columns = deliveries.c
    query = (
        select(columns.destination, func.count(), func.max(columns.id))
        .where(columns.state == "dead", columns.finished_at > to_naive(now - DEAD_FOR))
        .group_by(columns.destination)
    )
    dead = {row[0]: (int(row[1]), int(row[2])) for row in conn.execute(query)}
    for name in sorted({*destinations, *dead}):
        if name not in dead:
            text = f":white_check_mark: `{name}`: no delivery of the last {DEAD_FOR.days} days is given up any more."
            yield Condition(f"destination:{name}", "ok", text)
            continue
        number, newest = dead[name]
        reason = conn.execute(select(columns.reason).where(columns.id == newest)).scalar() or "no reason kept"
        text = (
            f":warning: `{name}`: {number} given up, the newest (delivery {newest}) because: {reason[:300]}\n"
            "Repair what it names, then `pql deliveries --state dead` and `pql deliveries retry`."
        )
        yield Condition(f"destination:{name}", "failed", text)


def _unusable_files(conn: Connection, project: Project) -> Iterator[Condition]:
    """Each definition file that every run leaves out; and once more each of which ops still think so."""
    errors = {f"definition:{file}": error for file, error in project.unusable_files.items()}
    for name, error in errors.items():
        file = name.removeprefix("definition:")
        text = (
            f":warning: `{file}` has errors, so what it defines is left out of every run: {error[:300]}\n"
            "`pql check` lists all of them. The first run after it is put right decides what happened meanwhile."
        )
        yield Condition(name, "failed", text)
    for name, state in told(conn).items():
        if name.startswith("definition:") and state == "failed" and name not in errors:
            file = name.removeprefix("definition:")
            yield Condition(name, "ok", f":white_check_mark: `{file}` has no errors any more.")


def _storms(conn: Connection) -> Iterator[Condition]:
    """Each stopped run that waits for somebody; and once more each of which ops still think that it waits."""
    waiting = {f"storm:{each.run_id}": each for each in storms(conn) if each.is_open}
    for name, each in waiting.items():
        text = (
            f":raised_hand: Run {each.run_id} was stopped before anything was sent: {'; '.join(each.because)}.\n"
            f"{each.deliveries} deliveries about {each.accounts} accounts wait for an answer: under Required Actions "
            "in Airflow, on the page, or by `pql storms`."
        )
        yield Condition(name, "held", text)
    for name, state in told(conn).items():
        if name.startswith("storm:") and state == "held" and name not in waiting:
            yield Condition(name, "ok", f":white_check_mark: Run {_end_of(conn, int(name.removeprefix('storm:')))}")


def _end_of(conn: Connection, run_id: int) -> str:
    given = answer_of(conn, run_id)
    if given is None:
        return f"{run_id}: nothing of it is held any more."
    done = {"approved": "approved", "rejected": "rejected", "digest": "sent as a digest"}[given.verdict]
    return f"{run_id} was {done} by {given.who}, deliveries: {given.deliveries}. Why: {given.why[:300]}"


def _unclear(conn: Connection) -> Condition:
    columns = deliveries.c
    query = select(columns.id).where(columns.state == "ambiguous", columns.attempt > LAST_ATTEMPT).order_by(columns.id)
    ids = [str(each) for each in conn.execute(query).scalars()]
    if not ids:
        return Condition("outbox:unclear", "ok", ":white_check_mark: Of every delivery it is known whether it arrived.")
    shown = ", ".join(ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
    text = (
        f":grey_question: Nobody can tell whether deliveries {shown} arrived; they are not sent again. "
        "`pql deliveries --state ambiguous` says why. Look at the destination, then `pql deliveries retry` or "
        "`suppress` them."
    )
    return Condition("outbox:unclear", "unclear", text)


def _volume(source: str, drop: str | None, surge: str | None) -> Condition:
    name = f"volume:{source}"
    if drop is not None:
        text = f":chart_with_downwards_trend: {drop}. Alerts are held, and nothing that rests on absence is decided."
        return Condition(name, "low", text)
    if surge is not None:
        return Condition(
            name, "high", f":chart_with_upwards_trend: {surge}. Alerts are held until somebody has looked."
        )
    return Condition(name, "ok", f":white_check_mark: `{source}` brings as much as usual again.")


def _share(each: Freshness) -> str:
    return f"{each.quarantined} of {each.read} records ({each.quarantined_pct:.1f} %)"


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} h".replace(".0 h", " h")
