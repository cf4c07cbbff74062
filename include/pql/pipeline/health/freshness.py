"""How fresh each source is at a moment: what the ledger knows of its reads in, complete to when and late or not out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from pql.settings import Settings, Source
from pql.store import sources
from pql.store.sources import SourceStatus


@dataclass(frozen=True)
class Freshness:
    """One source; counts are of its last read that went well."""

    source: str
    complete_to: datetime | None  # None: never read, or it cannot tell
    newest_at: datetime | None  # its newest event
    age: timedelta | None  # since it was complete; of one that cannot tell, since its newest event
    late_after: timedelta | None  # None: it is never late
    read: int
    added: int
    duplicates: int
    quarantined: int
    error: str | None

    @property
    def is_late(self) -> bool:
        """Whether it is older than its setting allows."""
        return self.age is not None and self.late_after is not None and self.age > self.late_after

    @property
    def quarantined_pct(self) -> float:
        """The share of the last read's records that could not be used, 0–100."""
        return 100 * self.quarantined / self.read if self.read else 0.0

    def summary(self) -> dict[str, Any]:
        """As a run's result shows it."""
        return {
            "source": self.source,
            "complete_to": self.complete_to.isoformat() if self.complete_to else None,
            "newest_event_at": self.newest_at.isoformat() if self.newest_at else None,
            "age_s": round(self.age.total_seconds()) if self.age is not None else None,
            "late": self.is_late,
            "read": self.read,
            "new": self.added,
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
        }


def freshness(conn: Connection, settings: Settings, *, now: datetime) -> tuple[Freshness, ...]:
    """Each configured source at `now`, by name; one that was never read has no age."""
    known = sources.status(conn)
    return tuple(_of(name, source, known, now) for name, source in sorted(settings.sources.items()))


def _of(name: str, settings: Source, known: Mapping[str, SourceStatus], now: datetime) -> Freshness:
    status = known.get(name) or SourceStatus(name, None, None, None, 0, 0, None)
    reached = status.complete_to or status.newest_at
    hours = getattr(settings, "late_after_hours", None)  # not every kind of source can be late
    settles = getattr(settings, "settles_after_hours", 0)
    return Freshness(
        source=name,
        complete_to=status.complete_to,
        newest_at=status.newest_at,
        age=max(now - reached, timedelta(0)) if reached else None,
        late_after=None if hours is None else timedelta(hours=hours + settles),
        read=status.read,
        added=status.added,
        duplicates=status.duplicates,
        quarantined=status.quarantined,
        error=status.error,
    )
