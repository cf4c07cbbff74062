"""Blocks: who is not to be approached, since when and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from pql import store
from pql.store import blocks

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _active(engine: Engine, now: datetime) -> list[str]:
    with store.reading(engine) as conn:
        return [each.kind for each in blocks.active(conn, now).get("org:1", ())]


def test_a_snooze_ends_by_itself(ledger: Engine) -> None:
    """A block with an end is in force from its making until then."""
    with store.writing(ledger) as conn:
        blocks.block(conn, "org:1", "snooze", reason="call in May", origin="cli", now=NOW, until=NOW + DAY)
    moments = [NOW - DAY, NOW, NOW + DAY - timedelta(seconds=1), NOW + DAY]
    assert [_active(ledger, at) for at in moments] == [[], ["snooze"], ["snooze"], []]


def test_a_lifted_block_is_history(ledger: Engine) -> None:
    """SEM-D3: a lifted block is not in force, and the deciding room still sees when it ended."""
    with store.writing(ledger) as conn:
        blocks.block(conn, "org:1", "block", reason="competitor", origin="cli", now=NOW)
        assert blocks.lift(conn, "org:1", now=NOW + DAY) == 1
        assert blocks.lift(conn, "org:1", now=NOW + DAY) == 0
        (known,) = blocks.history(conn)["org:1"]
    assert _active(ledger, NOW + DAY) == []
    assert (known.kind, known.created_at, known.lifted_at) == ("block", NOW, NOW + DAY)


def test_a_kind_nobody_knows_is_refused(ledger: Engine) -> None:
    """Only snooze, not_a_fit and block are blocks."""
    with store.writing(ledger) as conn, pytest.raises(ValueError, match="snooze, not_a_fit, block"):
        blocks.block(conn, "org:1", "mute", reason="", origin="cli", now=NOW)


def test_a_long_list_of_accounts_is_answered_alike(ledger: Engine) -> None:
    """Asking for very many accounts gives the same as asking for the few that are blocked."""
    with store.writing(ledger) as conn:
        blocks.block(conn, "org:1", "block", reason="", origin="cli", now=NOW)
        many = {f"org:{number}" for number in range(2000)}
        assert blocks.active(conn, NOW, many) == blocks.active(conn, NOW, ["org:1"]) == blocks.active(conn, NOW)
