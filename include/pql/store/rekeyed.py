"""Subjects whose key changed, until each definition has decided them under the new one (SEM-W3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from pql.qualification.model import Decisions
from pql.store.instants import to_naive
from pql.store.tables import episodes, rekeyed
from pql.store.upsert import upsert


def note(conn: Connection, definitions: Collection[str], subject_keys: Collection[str], as_of: datetime) -> None:
    """Note that the keys changed with the identity of `as_of`: whatever of them opens is silent until `settle`."""
    if not definitions or not subject_keys:
        return
    statement = upsert(conn, rekeyed)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[rekeyed.c.definition, rekeyed.c.subject_key],
            set_={"carried_as_of": statement.excluded.carried_as_of},
        ),
        [
            {"definition": definition, "subject_key": key, "carried_as_of": to_naive(as_of)}
            for definition in sorted(definitions)
            for key in sorted(subject_keys)
        ],
    )


def read(conn: Connection, definition: str) -> frozenset[str]:
    """Return the subject keys that still open silently in `definition`."""
    return frozenset(conn.execute(select(rekeyed.c.subject_key).where(rekeyed.c.definition == definition)).scalars())


def settle(conn: Connection, decisions: Decisions) -> None:
    """Forget the keys of subjects decided at or after the moment they were carried at; call it with all written.

    A subject that would enter but waits for its sources to be complete (SEM-D2) is not decided yet: it stays noted.
    """
    noted = select(rekeyed.c.subject_key).where(
        rekeyed.c.definition == decisions.definition, rekeyed.c.carried_as_of <= to_naive(decisions.as_of)
    )
    wanted = frozenset(conn.execute(noted).scalars())
    candidates = [each for each in decisions.decided if each.subject_key in wanted]
    if not candidates:
        return
    staying = select(episodes.c.subject_key).where(
        episodes.c.definition == decisions.definition, episodes.c.closed_as_of.is_(None)
    )
    inside = frozenset(conn.execute(staying).scalars())
    done = [d.subject_key for d in candidates if d.subject_key in inside or not (d.qualified and d.eligible)]
    forget(conn, decisions.definition, done)


def forget(conn: Connection, definition: str, subject_keys: Sequence[str]) -> None:
    """Forget that the keys changed: they were decided, or nobody resolves to them any more."""
    if subject_keys:
        conn.execute(
            delete(rekeyed).where(rekeyed.c.definition == definition, rekeyed.c.subject_key == bindparam("key")),
            [{"key": key} for key in subject_keys],
        )
