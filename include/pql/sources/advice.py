"""What to do about a record that could not be used: its reason in, a sentence for who wrote the settings out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from pql.settings import FilesSource, Source

_NO_TIME = re.compile(r"(?P<column>.+?) is not a time: (?P<value>.*)", re.DOTALL)  # as `emits` words it
_DAYS = {  # by what stands between the parts
    ".": ("%d.%m.%Y", "%d.%m.%y"),
    "/": ("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y"),
    "-": ("%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y"),
}
_HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S")


def advice(settings: Source, why: str) -> str:
    """What to change in the settings so that records with this reason can be used; "" if that is not known."""
    found = _NO_TIME.fullmatch(why)
    if not isinstance(settings, FilesSource) or not found or found["value"] == "nothing":
        return ""
    beside = f"beside `time: {found['column']}` in the settings"
    used = [emit.time_format for emit in settings.emits if emit.time == found["column"] and emit.time_format]
    formats = list(time_formats(found["value"]))
    if not formats and re.fullmatch(r"\d{5}([.,]\d+)?", found["value"]):
        return "That is Excel's number of a day: let the column show dates, then export again."
    if used and not formats:
        return f'It does not fit `time_format: "{used[0]}"` {beside}.'
    if not formats:
        return f'Say how times are written: `time_format`, {beside}, for example "%d.%m.%Y %H:%M" for 31.12.2026 18:30.'
    which = " or ".join(f'`time_format: "{format}"`{_order(format, formats)}' for format in formats)
    return f"Set {which} {beside}."


def time_formats(value: str) -> Iterator[str]:
    """The values of `time_format` that read this text, at most two: where day and month may be either way round.

    >>> list(time_formats("31.12.2026 18:30")), list(time_formats("3/4/2026")), list(time_formats("1772359200"))
    (['%d.%m.%Y %H:%M'], ['%d/%m/%Y', '%m/%d/%Y'], ['s'])
    """
    if re.fullmatch(r"\d{10}|\d{13}", value):
        yield "s" if len(value) == 10 else "ms"
        return
    between = re.match(r"\d{1,2}([./-])\d{1,2}\1(\d{4}|\d\d)\b", value)
    for day in _DAYS[between[1]] if between else ():
        for hour in _HOURS:
            if _reads(day + hour, value):
                yield day + hour


def _reads(format: str, value: str) -> bool:
    try:
        datetime.strptime(value, format)  # noqa: DTZ007  # only whether it can be read
    except ValueError:
        return False
    return True


def _order(format: str, formats: list[str]) -> str:
    if len(formats) == 1:
        return ""
    return " (day first)" if format.startswith("%d") else " (month first)"
