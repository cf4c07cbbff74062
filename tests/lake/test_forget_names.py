"""Names that are not plain: addresses with accents and apostrophes, ids with colons, records with odd line ends."""

from __future__ import annotations

from typing import Any

import pytest

from pql.lake.forgetting.traces import Traces
from pql.types import Quarantined

ADDRESSES = ("jörg@x.com", "o'brien@x.com", "ann@müller.example", "r&d!lead@x.com")


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_of_any_kind_is_erased_and_withheld(room: Any, address: str) -> None:
    """It goes from others' rows, and neither a contact nor an event that is known by it alone comes back."""
    traces = Traces(emails=frozenset({address}))
    row = room.event("2024-05-01 10:00", "bob", properties={"to": address})
    room.publish(row)
    room.lake.change_forgotten(add=traces.listed)
    room.lake.erase_person(room.con, traces)
    assert room.lake.find_person(room.con, traces) == {}
    room.file("snapshot", "2024-05-03", {"id": "9", "email": f" {address.upper()}"}, object="contacts")
    assert room.rows(f"SELECT count(*) FROM '{room.root}/crm/contacts/*.parquet'") == [(0,)]
    new = room.event("2024-05-02 10:00", "another id", user_traits={"email": address})
    assert room.publish(row, new, exported="2024-06-02").rows == 1
    assert room.lake.find_person(room.con, traces) == {}


@pytest.mark.parametrize("user", ["auth0:123|4", "ann's id", "jörg"])
@pytest.mark.parametrize("record", ['{{"who": "{}", "n": 1}}', "2024-05-01,{},login"])
def test_an_unusable_record_of_a_forgotten_id_stays_out(room: Any, user: str, record: str) -> None:
    """Whatever characters the id has, in JSON and in a line of CSV."""
    room.lake.change_forgotten(add=[f"user:{user}"])
    room.lake.quarantine("app", "u", [Quarantined("f:1", "no time", record.format(user))])
    assert room.files("quarantine") == {}


def test_an_unusable_record_may_hold_any_line_end(room: Any) -> None:
    """A record with a Unicode line separator inside is one record: found, erased, and its neighbour is kept."""
    traces = Traces(users=frozenset({"ann"}))
    records = [Quarantined("f:1", "no time", 'a\u2028b\x85c "ann"'), Quarantined("f:2", "no time", "a\u2028b")]
    room.lake.quarantine("app", "u", records)
    assert room.lake.find_person(room.con, traces) == {"quarantine": 1}
    assert room.lake.erase_person(room.con, traces) == {"quarantine": 1}
    [kept] = room.files("quarantine").values()
    assert kept.decode().count("f:2") == kept.decode().count("\n") == 1
