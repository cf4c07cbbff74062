"""A person taken out of the lake: nothing of them is left, nothing of others is lost, and they do not come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pql.lake.forgetting.traces import Traces
from pql.types import Quarantined

ANN = Traces(
    users=frozenset({"ann"}),
    visitors=frozenset({"device-1"}),
    contacts=frozenset({"77"}),
    emails=frozenset({"ann@x.com"}),
)


def texts(root: Path) -> str:
    """Every value of every file of the lake, and the files' bytes, in small letters."""
    said = []
    for path in root.rglob("*.*"):
        if path.suffix == ".parquet":
            said.append(json.dumps(pq.read_table(path).to_pylist(), default=str))
        if path.is_file():
            said.append(path.read_bytes().decode(errors="replace"))
    return "\n".join(said).lower()


@pytest.fixture
def filled(room: Any) -> Any:
    """Ann and Joann, events, CRM and quarantine; Joann writes to Ann."""
    publish(room)
    room.prepare()
    return room


def publish(room: Any, exported: str = "2024-06-01") -> Any:
    mail = {"email": "ann@x.com"}
    return room.publish(
        room.event("2024-05-01 10:00", "ann", user_traits=mail, properties={"url": "/?mail=ann%40x.com"}),
        room.event("2024-05-01 09:00", None, anonymous_id="device-1"),
        room.event("2024-05-01 09:30", "ann", anonymous_id="device-1"),
        room.event("2024-05-02 10:00", "joann", user_traits={"email": "joann@x.com"}),
        room.event("2024-05-02 11:00", "joann", anonymous_id="device-1", properties={"to": "ANN@x.com,ann@x.com"}),
        exported=exported,
    )


def test_everything_of_a_person_goes(filled: Any) -> None:
    """Rows of theirs are gone from every table; what others did stays, without their address."""
    filled.file(
        "snapshot",
        "2024-05-03",
        {"id": "77", "email": "Ann@x.com"},
        {"id": "78", "email": "joann@x.com"},
        object="contacts",
    )
    filled.file("snapshot", "2024-05-03", {"id": "m", "contact_id": "77"}, object="meetings")
    filled.lake.quarantine(
        "app", "u", [Quarantined("f:1", "no time", '{"who": "ann"}'), Quarantined("f:2", "no time", '{"who": "joann"}')]
    )
    assert filled.lake.erase_person(filled.con, ANN)["events"] == 3
    assert filled.lake.find_person(filled.con, ANN) == {}
    said = texts(filled.root)
    assert "ann@x.com" not in said.replace("joann@x.com", "")
    assert "device-1" not in said
    assert '"ann"' not in said
    filled.prepare()
    assert filled.rows("SELECT raw_id, sum(events) FROM presence GROUP BY 1") == [("joann", 2)]
    assert filled.rows("FROM links") == []
    assert filled.rows("SELECT id, email FROM crm_contacts") == [("78", "joann@x.com")] * 2
    assert filled.rows("SELECT DISTINCT id, contact_id FROM crm_meetings") == [("m", None)]


def test_a_person_does_not_come_back(filled: Any) -> None:
    """The same export read again, or a newer one, brings what others did and nothing of theirs (nor marks for them)."""
    filled.lake.change_forgotten(add=ANN.listed)
    filled.lake.erase_person(filled.con, ANN)
    for exported in ("2024-06-01", "2024-06-02"):
        published = publish(filled, exported)
        assert (published.rows, {key for key, _ in published.raw_ids_with_newest}) == (2, {"user:joann"})
        assert filled.lake.find_person(filled.con, ANN) == {}
    filled.file(
        "changes",
        "2024-06-02",
        {"id": "77", "email": "other@x.com"},
        {"id": "78", "email": "ann@x.com", "name": "Ann"},
        object="contacts",
    )
    assert filled.rows(f"SELECT count(*) FROM '{filled.root}/crm/contacts/*.parquet'") == [(0,)]
    filled.lake.quarantine("app", "u", [Quarantined("f:1", "no time", '{"who":"ann"}')])
    assert filled.files("quarantine") == {}
    assert "ann@x.com" not in texts(filled.root).replace("joann@x.com", "")
    assert "user:ann" not in (filled.root / "forgotten.json").read_text()


def test_somebody_may_come_back_when_allowed(filled: Any) -> None:
    """Taken off the list, their records are read again."""
    filled.lake.change_forgotten(add=ANN.listed)
    filled.lake.erase_person(filled.con, ANN)
    filled.lake.change_forgotten(drop=ANN.listed)
    assert publish(filled, "2024-06-02").rows == 5
