"""The room on real views: events published to a lake, prepared, and built."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from tests.features.conftest import FREE, read

from pql.features import build, champions, resolve_marks
from pql.lake import Lake
from pql.usage import needs_of

DEFINITION = read(
    """
events:
  signed_up: {event: Signed Up, passive: true}
  msg: Message
  tool: Tool
signals:
  anything: {count: msg}
  today: {active_days: msg, last: 1d}
  tools: {distinct: tool.kind}
  stays: {sessions: any_event}
activation: [{stage: Hello, when: {anything: {min: 2}}}]
"""
)
EVENTS = """
SELECT 'e' || row_number() OVER () AS event_id, * FROM (VALUES
    ('Page', NULL, 'd', NULL, TIMESTAMP '2024-03-01 08:00', '{}', NULL),
    ('Signed Up', 'a', 'd', NULL, TIMESTAMP '2024-03-01 09:00', '{}', '{"email": "mia@acme.test", "name": "Mia"}'),
    ('Message', 'a', NULL, NULL, TIMESTAMP '2024-03-01 10:00', '{}', NULL),
    ('Tool', 'a', NULL, NULL, TIMESTAMP '2024-03-01 10:10', '{"kind": "saw"}', NULL),
    ('Message', 'a', NULL, NULL, TIMESTAMP '2024-03-02 10:00', '{}', NULL),
    ('Message', 'a', NULL, NULL, TIMESTAMP '2024-03-02 16:00', '{}', NULL)
) t(event, user_id, anonymous_id, account_hint, occurred_at, properties, user_traits)
"""


def test_an_hourly_and_a_nightly_moment_through_the_lake(tmp_path: Path) -> None:
    """SEM-T2, T3: from the same lake, noon sees the day so far, and midnight the whole of it."""
    lake = Lake(str(tmp_path))
    con = lake.connect()
    columns = "event_id, event, user_id, anonymous_id, account_hint, occurred_at"
    lake.publish_events(
        con,
        f"""SELECT {columns}, occurred_at AS ingested_at, properties, user_traits, NULL::VARCHAR AS account_traits
            FROM ({EVENTS})""",
        source="files",
        unit="all",
        start=datetime(2024, 3, 1, tzinfo=UTC),
        end=datetime(2024, 3, 3, tzinfo=UTC),
        exported_at=datetime(2024, 3, 3, tzinfo=UTC),
    )
    moments = [datetime(2024, 3, 2, 12, tzinfo=UTC), datetime(2024, 3, 3, tzinfo=UTC)]
    lake.prepare(con, needs_of(DEFINITION), moments)
    frame = build(con, DEFINITION, moments, timezone="UTC", free_mail_domains=FREE)
    assert frame["subject_key"].tolist() == ["domain:acme.test"] * 2
    assert frame["first_seen_at"].tolist() == [pd.Timestamp(2024, 3, 1, 8)] * 2
    assert frame["signup_at"].tolist() == [pd.Timestamp(2024, 3, 1, 9)] * 2
    assert frame[["signal.anything", "signal.today", "signal.tools", "signal.stays"]].to_numpy().tolist() == [
        [2, 1, 1, 2],
        [3, 1, 1, 3],
    ]
    assert frame["stage_at.0"].tolist() == [pd.Timestamp(2024, 3, 2, 10)] * 2
    marked = resolve_marks(con, moments[1], ["user:a", "anon:d"], free_mail_domains=FREE)
    assert marked == {"user:a": {"domain:acme.test"}, "anon:d": {"domain:acme.test"}}
    best = champions(con, moments[1], ["domain:acme.test"], DEFINITION, free_mail_domains=FREE)
    assert best[["name", "actions", "days"]].to_numpy().tolist() == [["Mia", 4, 2]]
