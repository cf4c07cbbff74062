"""What somebody is told to change when the times of a file cannot be read: his own spelling in, a format out."""

from __future__ import annotations

from typing import Any

import pytest

from pql import sources
from pql.settings import FilesSource, MixpanelSource
from pql.sources.advice import time_formats


def settings(**emit: Any) -> FilesSource:
    return FilesSource.model_validate(
        {"kind": "files", "path": "x.csv", "emits": [{"event": "what", "time": "at", "user": "who", **emit}]}
    )


@pytest.mark.parametrize(
    ("value", "format"),
    [
        ("31.12.2026 18:30", "%d.%m.%Y %H:%M"),
        ("1.2.26", "%d.%m.%y"),
        ("12/31/2026 6:30 PM", "%m/%d/%Y %I:%M %p"),
        ("1772359200", "s"),
        ("1772359200000", "ms"),
    ],
)
def test_a_format_that_is_proposed_reads_the_file(reader: Any, write: Any, value: str, format: str) -> None:
    """German and American dates, and seconds since 1970: what is told to be set makes the very record usable."""
    assert list(time_formats(value)) == [format]
    write("log.csv", f"what,at,who\nLogin,{value},ann\n")
    plain = {"kind": "files", "path": "log.csv", "emits": [{"event": "what", "time": "at", "user": "who"}]}
    assert reader.read(plain).report.quarantined == 1
    plain["emits"] = [{"event": "what", "time": "at", "user": "who", "time_format": format}]
    assert reader.read(plain).report.published == 1


def test_where_day_and_month_may_be_either_way_round_both_are_named() -> None:
    """Nobody guesses silently what 03/04 means."""
    told = sources.advice(settings(), "at is not a time: 03/04/2026")
    assert '`time_format: "%d/%m/%Y"` (day first) or `time_format: "%m/%d/%Y"` (month first)' in told


def test_what_is_no_date_is_answered_with_an_example_or_with_nothing() -> None:
    """A number of Excel's, a format that does not fit, a word; an empty cell and other systems have no advice."""
    assert "Excel" in sources.advice(settings(), "at is not a time: 45352,41")
    assert 'does not fit `time_format: "%Y"`' in sources.advice(settings(time_format="%Y"), "at is not a time: soon")
    assert "31.12.2026" in sources.advice(settings(), "at is not a time: soon")
    assert sources.advice(settings(), "at is not a time: nothing") == ""
    assert sources.advice(settings(), "not a JSON object") == ""
    mixpanel = MixpanelSource.model_validate({"kind": "mixpanel", "connection": "m"})
    assert sources.advice(mixpanel, "at is not a time: soon") == ""
