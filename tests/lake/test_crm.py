"""CRM as of a moment (SEM-C1): what was filed when, and what was therefore true for T."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pql.lake import crm_intervals


def as_of(room: Any, moment: str, object: str = "accounts") -> list[tuple[Any, ...]]:
    """(id, what is asked) of every version that is true for T."""
    asked = {
        "accounts": "id, employees, lifecycle_stage",
        "contacts": "id, account_id, lifecycle_stage",
        "deals": "id, is_closed, is_won, stage",
        "owners": "id, name",
        "meetings": "id, account_id",
    }[object]
    when = f"TIMESTAMP '{moment}'"
    query = f"SELECT {asked} FROM crm_{object} WHERE valid_from <= {when} AND {when} < valid_to ORDER BY id"
    found: list[tuple[Any, ...]] = room.rows(query)
    return found


def company(id: str, employees: int = 10, **columns: Any) -> dict[str, Any]:
    return {"id": id, "employees": employees, "lifecycle_stage": "lead", "created_at": "2023-01-01", **columns}


def test_a_filing_is_never_replaced_by_a_rerun(room: Any) -> None:
    """Filing the same moment again writes nothing and says so; what the first run saw stays (SEM-C1)."""
    assert room.file("snapshot", "2024-05-01", company("A", 10)) == 1
    assert room.file("snapshot", "2024-05-01", company("A", 99)) == 0
    room.prepare()
    assert as_of(room, "2024-05-01") == [("A", 10, "lead")]


def test_a_filing_is_replaced_where_that_is_asked_for(room: Any) -> None:
    """`replace` files over what was there."""
    room.file("snapshot", "2024-05-01", company("A", 10))
    assert room.file("snapshot", "2024-05-01", company("A", 99), replace=True) == 1
    room.prepare()
    assert as_of(room, "2024-05-01") == [("A", 99, "lead")]


def test_the_latest_snapshot_with_later_changes_laid_over_it(room: Any) -> None:
    """As of T: the latest snapshot filed at or before T, later changes up to T over it (SEM-C1)."""
    room.file("snapshot", "2024-05-01", company("A", 10), company("B", 20))
    room.file("changes", "2024-05-01 10:00", company("A", 11), company("C", 30))
    room.file("changes", "2024-05-01 12:00", company("A", 12))
    room.file("snapshot", "2024-05-02", company("A", 13), company("B", 20), company("C", 30))
    room.prepare()
    assert as_of(room, "2024-05-01") == [("A", 10, "lead"), ("B", 20, "lead")]
    assert as_of(room, "2024-05-01 11:00") == [("A", 11, "lead"), ("B", 20, "lead"), ("C", 30, "lead")]
    assert as_of(room, "2024-05-01 12:00") == [("A", 12, "lead"), ("B", 20, "lead"), ("C", 30, "lead")]
    assert as_of(room, "2024-05-09") == [("A", 13, "lead"), ("B", 20, "lead"), ("C", 30, "lead")]


def test_what_is_gone_ends(room: Any) -> None:
    """A record that the next snapshot does not show, or that is archived, ends there; it may come back (SEM-C1)."""
    room.file("snapshot", "2024-05-01", company("A"), company("B"))
    room.file("changes", "2024-05-01 10:00", company("B", archived="true"))
    room.file("snapshot", "2024-05-02")
    room.file("snapshot", "2024-05-03", company("A"))
    room.prepare()
    assert [row[0] for row in as_of(room, "2024-05-01 09:00")] == ["A", "B"]
    assert [row[0] for row in as_of(room, "2024-05-01 10:00")] == ["A"]
    assert as_of(room, "2024-05-02 12:00") == []
    assert [row[0] for row in as_of(room, "2024-05-03")] == ["A"]


def test_an_unchanged_record_is_one_version(room: Any) -> None:
    """Nights that say the same thing make one version, so that identity does not seem to change every night."""
    for day in range(1, 8):
        room.file("snapshot", f"2024-05-0{day}", company("A", updated_at=f"2024-05-0{day}"))
    room.prepare()
    assert room.rows("SELECT id FROM crm_accounts WHERE NOT backdated") == [("A",)]


def test_before_the_first_snapshot_outcomes_are_unknown(room: Any) -> None:
    """Before the CRM was first looked at, attributes are its earliest, flagged, and outcomes are unknown (SEM-C1)."""
    properties = json.dumps({"plan": "pro", "deal_stage": "won", "plan_seats": 5, "industry": "law"})
    room.file(
        "snapshot", "2024-05-01", company("A", lifecycle_stage="opportunity", not_a_fit="true", properties=properties)
    )
    room.file("snapshot", "2024-05-02", company("A", 99, lifecycle_stage="opportunity", properties=properties))
    room.prepare()
    assert as_of(room, "2022-12-31") == []
    assert as_of(room, "2024-04-01") == [("A", 10, None)]
    early = room.rows("SELECT properties, not_a_fit, became_customer_at FROM crm_accounts WHERE backdated")
    assert [(json.loads(p), *rest) for p, *rest in early] == [({"plan_seats": 5, "industry": "law"}, None, None)]


def test_dated_facts_count_from_their_own_date(room: Any) -> None:
    """A customer since March is one as of April, not as of February, though the CRM was first read in May (SEM-C1)."""
    room.file("snapshot", "2024-05-01", company("A", lifecycle_stage="evangelist", became_customer_at="2024-03-01"))
    room.prepare()
    assert as_of(room, "2024-02-01") == [("A", 10, None)]
    assert as_of(room, "2024-04-01") == [("A", 10, "customer")]
    assert as_of(room, "2024-05-01") == [("A", 10, "evangelist")]


@pytest.mark.parametrize(
    ("deal", "february", "april"),
    [
        ({"is_closed": "true", "is_won": "true", "closed_at": "2024-03-01"}, (False, False), (True, True)),
        ({"is_closed": "true", "is_won": "false", "closed_at": "2024-03-01"}, (False, False), (True, False)),
        ({"is_closed": "false", "is_won": "false", "closed_at": "2024-09-01"}, (False, False), (False, False)),
        ({"is_closed": "true", "is_won": "true"}, (None, False), (None, False)),
    ],
    ids=["won", "lost", "still open", "closed, nobody knows when"],
)
def test_deals_open_and_close_on_their_dates(room: Any, deal: Any, february: Any, april: Any) -> None:
    """Before the first snapshot a deal is open from its creation and closed from its closing, its stage unknown."""
    row = {"id": "d", "account_id": "A", "stage": "s", "created_at": "2024-01-15", **deal}
    room.file("snapshot", "2024-05-01", row, object="deals")
    room.prepare()
    assert as_of(room, "2024-01-01", "deals") == []
    assert as_of(room, "2024-02-01", "deals") == [("d", *february, None)]
    assert as_of(room, "2024-04-01", "deals") == [("d", *april, None)]
    assert as_of(room, "2024-05-01", "deals")[0][3] == "s"


def test_a_record_seen_first_later_was_not_there_before(room: Any) -> None:
    """Only the first snapshot stands in for the time before; a later arrival was not there before it (SEM-C1)."""
    room.file("snapshot", "2024-05-01", company("A"))
    room.file("snapshot", "2024-05-02", company("A"), company("B"))
    room.prepare()
    assert [row[0] for row in as_of(room, "2024-05-01")] == ["A"]


def test_what_was_archived_when_first_seen_never_was(room: Any) -> None:
    """An archived record of the first snapshot is true at no moment: nobody knows until when it was."""
    room.file("snapshot", "2024-05-01", company("A", archived="true"))
    room.prepare()
    assert room.rows("SELECT * FROM crm_accounts") == []


def test_a_change_filed_with_a_snapshot_comes_after_it(room: Any) -> None:
    """An hourly and a nightly read of the same T: the change is laid over the snapshot (SEM-C1)."""
    changed = company("B", 21, updated_at="2024-04-01")
    room.file("changes", "2024-05-01", changed)
    room.file("snapshot", "2024-05-01", company("A"), company("B", 20, updated_at="2024-04-30"))
    room.prepare()
    assert as_of(room, "2024-05-01") == [("A", 10, "lead"), ("B", 21, "lead")]


def test_the_other_objects(room: Any) -> None:
    """Contacts hide their stage before the first snapshot, owners were always there, meetings from their creation."""
    contact = {"id": "c", "account_id": "A", "lifecycle_stage": "customer", "created_at": "2024-04-01"}
    room.file("snapshot", "2024-05-01", contact, object="contacts")
    room.file("snapshot", "2024-05-01", {"id": "o", "name": "Dana"}, object="owners")
    room.file("snapshot", "2024-05-01", {"id": "m", "account_id": "A", "created_at": "2024-04-20"}, object="meetings")
    room.prepare()
    assert as_of(room, "2024-04-10", "contacts") == [("c", "A", None)]
    assert as_of(room, "2024-04-10", "owners") == [("o", "Dana")]
    assert (as_of(room, "2024-04-10", "meetings"), as_of(room, "2024-04-21", "meetings")) == ([], [("m", "A")])


def test_a_year_of_nights_is_folded_and_says_the_same(
    room: Any, make_room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folding old filings step by step changes no version, and a filing that comes in late among them counts."""
    never_folded = make_room("never folded")
    nights = [f"2024-05-{day:02}" for day in range(1, 29)]
    for number, night in enumerate(nights):
        rows = [company(c, number // step) for c, step in (("A", 3), ("B", 50), ("C", 1)) if c != "C" or number % 5]
        for each in (room, never_folded):
            each.file("snapshot", night, *rows)
            each.file("changes", f"{night} 12:00", company("B", number // 4), company("D", archived=str(number == 9)))
        if number % 9 == 8:
            room.prepare()
    assert room.files("crm_folded")
    late = company("A", 77)
    for each in (room, never_folded):
        each.file("changes", "2024-05-03 18:00", late)
    room.prepare()
    monkeypatch.setattr(crm_intervals, "FOLD_AT", 1000)
    never_folded.prepare()
    assert not never_folded.files("crm_folded")
    everything = "SELECT * FROM crm_accounts ORDER BY ALL"
    assert room.rows(everything) == never_folded.rows(everything)
    assert as_of(room, "2024-05-03 20:00")[0] == ("A", 77, "lead")
