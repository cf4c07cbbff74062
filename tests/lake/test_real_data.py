"""Two years of real log-ins (../shared/data/relax) through the lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pql.definition.model import EventMatch
from pql.usage import Need

DATA = Path(__file__).parents[3] / "shared/data/relax/takehome_user_engagement.csv"
LOGIN = Need((EventMatch(("login",)),))


@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not on this machine")
def test_two_years_of_logins(room: Any) -> None:
    """Each of the 207,917 log-ins is on its own day; all 737 days are one part file, read as they are the next time."""
    room.lake.publish_events(
        room.con,
        f"""SELECT user_id || ' ' || time_stamp AS event_id, 'login' AS event, user_id, NULL AS anonymous_id,
          NULL AS account_hint, time_stamp::TIMESTAMP AS occurred_at, occurred_at AS ingested_at, '{{}}' AS properties,
          NULL AS user_traits, NULL AS account_traits
        FROM read_csv('{DATA}', header = true,
          columns = {{'time_stamp': 'DATE', 'user_id': 'VARCHAR', 'visited': 'INT'}})""",
        source="relax",
        unit="engagement",
        start=room.at("2012-05-31"),
        end=room.at("2014-06-07"),
        exported_at=room.at("2014-06-07"),
    )
    counts = room.counts(LOGIN)
    assert (sum(counts.values()), min(counts), max(counts)) == (207_917, date(2012, 5, 31), date(2014, 6, 6))
    assert room.rows("SELECT count(*), count(DISTINCT raw_id) FROM usage") == [(207_917, 8_823)]
    parts = room.files("usage_daily")
    assert (
        len([path for path in parts if path.startswith(f"usage_daily/match={LOGIN.key}/") and "json" not in path]) == 1
    )
    assert room.counts(LOGIN) == counts
    assert room.files("usage_daily") == parts
