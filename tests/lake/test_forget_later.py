"""Somebody forgotten comes again under a new id: with their address, or merged with an id of theirs."""

from __future__ import annotations

from typing import Any

import pytest

from pql.lake.forgetting.traces import Traces

ANN = Traces(users=frozenset({"ann"}), visitors=frozenset({"device-1"}), emails=frozenset({"ann@x.com"}))
TIES = {
    "with their address": {"user_traits": {"email": " ANN@x.com"}},
    "after a merge": {"anonymous_id": "ann"},
}


@pytest.mark.parametrize("tie", TIES)
def test_a_new_id_of_somebody_forgotten_is_withheld(room: Any, tie: str) -> None:
    """What they do under it stays out, in the export that ties it to them and in later ones that do not."""
    room.lake.change_forgotten(add=ANN.listed)
    plain = room.event("2024-05-01 11:00", "ann-2", user_traits={"name": "Ann Lee"})
    newer = room.event("2024-05-01 12:00", "ann-3", anonymous_id="ann-2")
    tied = room.event("2024-05-01 10:00", "ann-2", **TIES[tie])
    assert room.publish(plain, newer, tied, room.event("2024-05-01 10:00", "bob")).rows == 1
    assert room.publish(plain, newer, unit="v", source="other").rows == 0
    assert room.lake.is_forgotten(["user:ann-2", "user:ann-3", "user:bob"]) == [True, True, False]


def test_who_uses_their_device_afterwards_is_somebody_else(room: Any) -> None:
    """A colleague at the same device is kept, without the device."""
    room.lake.change_forgotten(add=ANN.listed)
    published = room.publish(room.event("2024-05-01 10:00", "bob", anonymous_id="device-1"))
    assert [key for key, _ in published.raw_ids_with_newest] == ["user:bob"]
    assert room.lake.is_forgotten(["user:bob"]) == [False]
