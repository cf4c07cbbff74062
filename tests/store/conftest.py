"""Short ways to say what was decided, for tests of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from pql import store
from pql.qualification.model import Decided, Decisions, Facts, OccurrenceOpened, Opened
from pql.store import decisions, facts, runs

T0 = datetime(2026, 3, 2, tzinfo=UTC)


class Story:
    """A ledger in which one says what was decided, and asks what is known."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def decide(self, *, at: datetime = T0, definition: str = "d", **parts: Any) -> decisions.Applied:
        made = Decisions(definition, "hash", at, live=True, **parts)
        with store.deciding(self.engine) as conn:
            run_id = runs.start_run(conn, kind="nightly", as_of=at, now=at, live=True)
            return decisions.apply(conn, made, run_id=run_id)

    def opens(
        self,
        subject: str,
        *,
        at: datetime = T0,
        definition: str = "d",
        account: str | None = None,
        silent: Any = None,
        plays: tuple[str, ...] = (),
    ) -> decisions.Applied:
        """An episode opens, and an occurrence of each of `plays`; the subject counts as decided."""
        account = account or subject
        return self.decide(
            at=at,
            definition=definition,
            opened=(Opened(subject, account, at, silent is None, silent, 80),),
            occurrences_opened=tuple(OccurrenceOpened(play, subject, account, at, True, None) for play in plays),
            decided=(Decided(subject, account, at, qualified=True, eligible=True),),
        )

    def facts(self, definition: str = "d", subjects: Any = None) -> Facts:
        with store.reading(self.engine) as conn:
            return facts.read_facts(conn, definition, subjects)


@pytest.fixture
def story(ledger: Engine) -> Story:
    return Story(ledger)
