"""Real data that nobody on this project wrote reads through the file source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data sets are not at {DATA}")


def test_sparkify_is_eight_thousand_events_of_ninety_seven_users_and_logged_out_rows(reader: Any) -> None:
    """30 days of NDJSON: every row is read, those logged out name nobody, and the plan is the user's at that moment."""
    emit = {
        "event": "page", "time": "ts", "time_format": "ms", "user": "userId",
        "user_traits": {"plan": "level", "name": "firstName", "registered_at": "registration"},
    }  # fmt: skip
    done = reader.read({"kind": "files", "path": str(DATA / "sparkify" / "*.json"), "emits": [emit]}, mode="nightly")
    assert (done.report.read, done.report.published, done.report.quarantined) == (8056, 7770, 0)
    assert "286 rows" in done.report.note
    assert len(done.marks) == 97
    assert reader.events("count(*), min(occurred_at)::VARCHAR, max(occurred_at)::VARCHAR") == [
        (7770, "2018-11-01 20:57:10.796", "2018-11-30 19:54:24.796")
    ]
    assert reader.events("DISTINCT user_traits ->> '$.plan'") == [("free",), ("paid",)]


def test_relax_users_are_sign_ups_and_invitations_of_their_organisations(reader: Any) -> None:
    """Latin-1, two kinds of events from one row, and an own time format."""
    when = {"time": "creation_time", "time_format": "%d-%m-%Y %H:%M", "account": "org_id"}
    emits = [
        {"name": "Signed Up", "user": "object_id", "user_traits": {"email": "email", "name": "name"}, **when},
        {"name": "Invited", "user": "invited_by_user_id", "where": {"invited_by_user_id": {"exists": True}}, **when},
    ]
    path = str(DATA / "relax" / "takehome_users.csv")
    done = reader.read({"kind": "files", "path": path, "encoding": "latin-1", "emits": emits}, mode="nightly")
    assert (done.report.published, done.report.quarantined) == (12000 + 6417, 0)
    assert reader.events("count(DISTINCT account_hint)") == [(417,)]


def test_relax_logins_are_one_event_a_row(reader: Any) -> None:
    """207,917 logins of 8,823 users."""
    emit = {"name": "Logged In", "time": "time_stamp", "user": "user_id"}
    path = str(DATA / "relax" / "takehome_user_engagement.csv")
    done = reader.read({"kind": "files", "path": path, "emits": [emit]}, mode="nightly")
    assert (done.report.published, len(done.marks)) == (207_917, 8_823)
