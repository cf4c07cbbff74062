"""Decisions in, ledger rows out: episodes and occurrences opened and closed, what was decided when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from pql.plays.model import Cause, Intent, dump
from pql.qualification.model import Decisions, OccurrenceFalse, Opened, Unqualified
from pql.store import rekeyed
from pql.store.instants import to_naive
from pql.store.runs import set_baseline
from pql.store.tables import decided, episodes, occurrences
from pql.store.upsert import upsert


@dataclass(frozen=True)
class Applied:
    """The ledger's ids of what one or more decisions opened or closed; `|` joins those of several definitions."""

    episodes: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (definition, subject key) → id
    occurrences: Mapping[tuple[str, str, str], int] = field(default_factory=dict)  # (definition, play, subject key)

    def __or__(self, other: Applied) -> Applied:
        """Return the ids of both."""
        return Applied({**self.episodes, **other.episodes}, {**self.occurrences, **other.occurrences})

    def id_of(self, cause: Cause) -> int:
        """Return the id of the episode or occurrence behind `cause`; LookupError if this run did not touch it."""
        found = (
            self.episodes.get((cause.definition, cause.subject_key))
            if cause.of == "episode"
            else self.occurrences.get((cause.definition, cause.play, cause.subject_key))
        )
        if found is None:
            raise LookupError(f"{cause.definition}: no {cause.of} of {cause.subject_key} opened or closed in this run")
        return found


def apply(conn: Connection, decisions: Decisions, *, run_id: int) -> Applied:
    """Write what `decisions` say, inside the deciding transaction; return the ids of what opened or closed.

    Unique keys stand behind it: a second open episode of one (definition, subject), or a second open occurrence
    of one (play, subject), raises IntegrityError and the whole run is rolled back.
    """
    _close(conn, decisions)
    _note_falseness(conn, episodes, "unqualified_since", [(each.episode_id, each) for each in decisions.unqualified])
    _note_falseness(
        conn, occurrences, "false_since", [(each.occurrence_id, each) for each in decisions.occurrences_false]
    )
    opened = Applied(_open_episodes(conn, decisions, run_id), _open_occurrences(conn, decisions, run_id))
    _write_decided(conn, decisions)
    rekeyed.settle(conn, decisions)
    if decisions.is_baseline:
        set_baseline(conn, decisions.definition, as_of=decisions.as_of, run_id=run_id)
    closed = Applied(
        {(decisions.definition, each.subject_key): each.episode_id for each in decisions.closed},
        {
            (decisions.definition, each.play, each.subject_key): each.occurrence_id
            for each in decisions.occurrences_closed
        },
    )
    return closed | opened


def keep_intents(conn: Connection, intents: Iterable[Intent], applied: Applied) -> None:
    """Store with each episode what it says or, if it opened silently, would say: `pql release` sends just that."""
    said: dict[int, list[Intent]] = {}
    for intent in intents:
        if intent.cause.of == "episode":
            said.setdefault(applied.id_of(intent.cause), []).append(intent)
    for episode_id, each in said.items():
        material = [dump(intent) for intent in each]
        conn.execute(
            update(episodes)
            .where(episodes.c.id == episode_id, episodes.c.closed_as_of.is_(None))
            .values(alert={"alert": material[0]["alert"], "intents": material})
        )


def _close(conn: Connection, decisions: Decisions) -> None:
    for each in decisions.closed:
        conn.execute(
            update(episodes)
            .where(episodes.c.id == each.episode_id, episodes.c.closed_as_of.is_(None))
            .values(
                closed_as_of=to_naive(each.as_of),
                close_reason=each.reason,
                returns_after=to_naive(each.returns_after),
            )
        )
    for done in decisions.occurrences_closed:
        conn.execute(
            update(occurrences)
            .where(occurrences.c.id == done.occurrence_id, occurrences.c.closed_as_of.is_(None))
            .values(closed_as_of=to_naive(done.as_of))
        )


def _note_falseness(
    conn: Connection, table: Table, column: str, changes: Iterable[tuple[int, Unqualified | OccurrenceFalse]]
) -> None:
    for row_id, change in changes:
        conn.execute(update(table).where(table.c.id == row_id).values({column: to_naive(change.since)}))


def _open_episodes(conn: Connection, decisions: Decisions, run_id: int) -> dict[tuple[str, str], int]:
    rows = [_episode(decisions, each, run_id) for each in decisions.opened]
    if not rows:
        return {}
    conn.execute(insert(episodes), rows)
    return _ids(conn, episodes, decisions, run_id, ("definition", "subject_key"))


def _open_occurrences(conn: Connection, decisions: Decisions, run_id: int) -> dict[tuple[str, str, str], int]:
    rows = [
        {
            "definition": decisions.definition,
            "play": each.play,
            "subject_key": each.subject_key,
            "account_key": each.account_key,
            "opened_as_of": to_naive(each.as_of),
            "opened_run": run_id,
            "silent_reason": each.silent_reason,
        }
        for each in decisions.occurrences_opened
    ]
    if not rows:
        return {}
    conn.execute(insert(occurrences), rows)
    return _ids(conn, occurrences, decisions, run_id, ("definition", "play", "subject_key"))


def _ids(conn: Connection, table: Table, decisions: Decisions, run_id: int, key: tuple[str, ...]) -> dict[Any, int]:
    query = select(table.c.id, *(table.c[name] for name in key)).where(
        table.c.definition == decisions.definition, table.c.opened_run == run_id, table.c.closed_as_of.is_(None)
    )
    return {tuple(row)[1:]: row.id for row in conn.execute(query)}


def _episode(decisions: Decisions, opened: Opened, run_id: int) -> dict[str, Any]:
    return {
        "definition": decisions.definition,
        "subject_key": opened.subject_key,
        "account_key": opened.account_key,
        "opened_as_of": to_naive(opened.as_of),
        "opened_run": run_id,
        "rules_hash": decisions.rules_hash,
        "score": opened.score,
        "silent_reason": opened.silent_reason,
    }


def _write_decided(conn: Connection, decisions: Decisions) -> None:
    rows = [
        {
            "definition": decisions.definition,
            "subject_key": each.subject_key,
            "account_key": each.account_key,
            "decided_as_of": to_naive(each.as_of),
            "qualified": each.qualified,
            "eligible": each.eligible,
        }
        for each in decisions.decided
    ]
    if not rows:
        return
    statement = upsert(conn, decided)
    fresh = statement.excluded
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[decided.c.definition, decided.c.subject_key],
            set_={name: fresh[name] for name in ("account_key", "decided_as_of", "qualified", "eligible")},
            where=decided.c.decided_as_of <= fresh.decided_as_of,  # an older T never overturns a newer (SEM-D2)
        ),
        rows,
    )
