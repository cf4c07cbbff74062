"""Names of event files and what they say: which of the stored files of a day are the ones to read.

`events/day=2024-05-01/<source>@<unit>@<exported at>@<digest>[@whole].parquet`. The name carries all that readers
and writers must agree on, so there is no index that two writers could lose each other's entries in: whoever lists
the folder sees the same truth. Of a unit's files the newest export counts; a `whole` file stands for everything its
source had exported of that day before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import quote, unquote

from pql.lake.storage import Storage

FOLDER = "events"
_EXPORTED = "%Y%m%dT%H%M%S%f"
EMPTY = "0" * 16  # digest of a file without rows


@dataclass(frozen=True)
class EventFile:
    """One file of one extraction unit and one local day."""

    day: date
    source: str
    unit: str
    exported_at: datetime  # naive UTC
    digest: str  # of the rows, whatever their order; reading times left out
    whole: bool  # stands for the source's whole day

    @property
    def path(self) -> str:
        parts = [quote(self.source, safe=""), quote(self.unit, safe=""), f"{self.exported_at:{_EXPORTED}}", self.digest]
        name = "@".join([*parts, "whole"] if self.whole else parts)
        return f"{FOLDER}/day={self.day}/{name}.parquet"

    @classmethod
    def parse(cls, path: str) -> EventFile:
        """The file that a path of the lake names.

        >>> name = "events/day=2024-05-01/mixpanel@2024-05-01@20240502T010000000000@00c0ffee00c0ffee@whole.parquet"
        >>> EventFile.parse(name).path == name
        True
        """
        _, folder, name = path.split("/")
        source, unit, exported, digest, *flag = name.removesuffix(".parquet").split("@")
        return cls(
            date.fromisoformat(folder.removeprefix("day=")),
            unquote(source),
            unquote(unit),
            datetime.strptime(exported, _EXPORTED),  # noqa: DTZ007  # stored instants are naive UTC (SEM-T1)
            digest,
            flag == ["whole"],
        )


def stored(storage: Storage) -> list[EventFile]:
    """Every event file there is, superseded ones included."""
    return [EventFile.parse(path) for path in storage.list(FOLDER) if path.endswith(".parquet")]


def live(files: Iterable[EventFile]) -> dict[date, tuple[EventFile, ...]]:
    """The files that count, by day: newest export of each unit, nothing older than a source's newest whole day."""
    groups: dict[tuple[date, str], list[EventFile]] = defaultdict(list)
    for file in files:
        groups[file.day, file.source].append(file)
    by_day: dict[date, list[EventFile]] = defaultdict(list)
    for (day, _), group in sorted(groups.items()):
        by_day[day] += _newest(group)
    return {day: tuple(kept) for day, kept in by_day.items() if any(f.digest != EMPTY for f in kept)}


def _newest(group: list[EventFile]) -> list[EventFile]:
    since = max((f.exported_at for f in group if f.whole), default=min(f.exported_at for f in group))
    units: dict[str, EventFile] = {}
    for file in sorted(group, key=lambda f: (f.exported_at, f.whole, f.digest)):
        if file.exported_at >= since:
            units[file.unit] = file
    return [units[unit] for unit in sorted(units)]
