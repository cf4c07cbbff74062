"""Score snapshots come back as they were written, sorted, one per definition, kind and moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

T = datetime(2024, 5, 1, 14, tzinfo=UTC)


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject_key": ["user:2", "org:ä/1"],
            "as_of": pd.to_datetime([T.replace(tzinfo=None)] * 2).astype("datetime64[us]"),
            "score": [12, 99],
            "signal.messages": [1.5, float("nan")],
            "criterion.fit": pd.array([True, None], dtype="boolean"),
            "stage_at.0": pd.to_datetime([None, "2024-04-01 10:00"]).astype("datetime64[us]"),
            "attr.plan": ["pro", None],
            "attr.seats": pd.Series([5, "unlimited"], dtype=object),
            "alive": [True, False],
        }
    )


def test_a_snapshot_comes_back_as_it_was_written(room: Any, frame: pd.DataFrame) -> None:
    """Values and kinds of values survive, also nullable truth values and attributes of mixed types."""
    room.lake.write_scores("new-business", "nightly", T, frame)
    read = room.lake.read_scores("new-business", "nightly", T)
    expected = frame.sort_values("subject_key").reset_index(drop=True)
    assert_frame_equal(read, expected)
    assert list(read["attr.seats"]) == ["unlimited", 5]


def test_the_same_frame_gives_the_same_file(room: Any, frame: pd.DataFrame) -> None:
    """A rerun leaves the very same bytes, whatever order its rows came in (PRODUCT-Q1)."""
    room.lake.write_scores("a", "hourly", T, frame)
    before = room.files("scores")
    room.lake.write_scores("a", "hourly", T, frame.iloc[::-1])
    assert room.files("scores") == before


def test_an_empty_snapshot_is_a_snapshot(room: Any, frame: pd.DataFrame) -> None:
    """A moment at which there was nobody reads as an empty frame, one never computed as None."""
    room.lake.write_scores("a", "nightly", T, frame.iloc[:0])
    assert len(room.lake.read_scores("a", "nightly", T)) == 0
    assert room.lake.read_scores("a", "nightly", T + timedelta(days=1)) is None


def test_moments_are_listed_in_order(room: Any, frame: pd.DataFrame) -> None:
    """The list has the moments of that definition and kind only, ascending and aware."""
    for hours in (2, 0, 1):
        room.lake.write_scores("a", "hourly", T + timedelta(hours=hours), frame)
    room.lake.write_scores("a", "nightly", T, frame)
    room.lake.write_scores("b", "hourly", T, frame)
    assert room.lake.list_scores("a", "hourly") == [T, T + timedelta(hours=1), T + timedelta(hours=2)]
    assert room.lake.list_scores("c", "hourly") == []


def test_of_nobody_there_are_no_rows(room: Any) -> None:
    """Asked for no subjects, the snapshot answers with its columns and no rows."""
    room.lake.write_scores("habit", "nightly", room.at("2024-05-01"), pd.DataFrame({"subject_key": ["a"], "score": 1}))
    found = room.lake.read_some_scores("habit", "nightly", room.at("2024-05-01"), [])
    assert (len(found), list(found.columns)) == (0, ["subject_key", "score"])
