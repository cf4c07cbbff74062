"""What the ledger knows about the subjects of one definition, as the deciding room wants it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from pql.qualification.model import Facts, LastClosed, OpenEpisode, OpenOccurrence, SubjectFacts
from pql.store import rekeyed
from pql.store.blocks import history
from pql.store.instants import to_aware
from pql.store.tables import decided, episodes, occurrences

MERGED = "merged"  # closed because two accounts became one: no stay that ended, so no cooldown of its own
RETRACTED = "retracted"  # by late or corrected data the stay had never begun
_FEW = 2000  # up to so many subjects are asked for by name; beyond, reading the definition whole is cheaper


def read_facts(
    conn: Connection,
    definition: str,
    subject_keys: Collection[str] | None = None,
) -> Facts:
    """Return the facts of `definition`'s subjects (all, or those of `subject_keys`) and all blocks.

    What is decided on it is read inside `deciding`, after `identity.carry`.
    """
    wanted = None if subject_keys is None else frozenset(subject_keys)
    subjects: dict[str, SubjectFacts] = {}
    for row in _rows(conn, decided, definition, wanted):
        subjects[row.subject_key] = SubjectFacts(decided_as_of=to_aware(row.decided_as_of))
    for row in _rows(conn, episodes, definition, wanted):
        subjects[row.subject_key] = _with_episode(subjects.get(row.subject_key, SubjectFacts()), row)
    for row in _rows(conn, occurrences, definition, wanted):
        subjects[row.subject_key] = _with_occurrence(subjects.get(row.subject_key, SubjectFacts()), row)
    return Facts(subjects=subjects, blocks=history(conn), rekeyed=rekeyed.read(conn, definition))


def newest_decision(conn: Connection, definition: str) -> datetime | None:
    """Return the newest as-of the definition decided anybody at, None if it never did."""
    newest = select(func.max(decided.c.decided_as_of)).where(decided.c.definition == definition)
    return to_aware(conn.execute(newest).scalar())


def _rows(conn: Connection, table: Table, definition: str, wanted: frozenset[str] | None) -> Iterator[Row[Any]]:
    query = select(table).where(table.c.definition == definition)
    if wanted is not None and len(wanted) <= _FEW:
        query = query.where(table.c.subject_key.in_(sorted(wanted)))
    if "closed_as_of" in table.c:
        query = query.order_by(table.c.opened_as_of, table.c.id)
    for row in conn.execute(query):
        if wanted is None or row.subject_key in wanted:
            yield row


def _with_episode(facts: SubjectFacts, row: Row[Any]) -> SubjectFacts:
    if row.closed_as_of is None:
        episode = OpenEpisode(
            row.id,
            row.subject_key,
            row.account_key,
            to_aware(row.opened_as_of),
            to_aware(row.unqualified_since),
            None if row.released_at is not None else row.silent_reason,
        )
        return replace(facts, open=episode)
    closed_as_of = to_aware(row.closed_as_of)
    earlier = facts.last_closed
    if row.close_reason == MERGED or (earlier is not None and earlier.closed_as_of > closed_as_of):
        return facts
    return replace(facts, last_closed=LastClosed(closed_as_of, row.close_reason, to_aware(row.returns_after)))


def _with_occurrence(facts: SubjectFacts, row: Row[Any]) -> SubjectFacts:
    opened_as_of = to_aware(row.opened_as_of)
    if row.silent_reason is None:
        earlier = facts.last_announced.get(row.play, opened_as_of)
        facts = replace(facts, last_announced={**facts.last_announced, row.play: max(earlier, opened_as_of)})
    if row.closed_as_of is not None:
        return facts
    made = OpenOccurrence(row.id, row.play, row.subject_key, opened_as_of, to_aware(row.false_since))
    return replace(facts, occurrences=(*facts.occurrences, made))
