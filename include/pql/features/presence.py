"""When subjects were first seen and how fresh what we know of them is: the view `presence` in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pql.features.scratch import Ints, Scratch


@dataclass(frozen=True)
class Presence:
    """Per stay, ascending moments with the newest ingestion time (µs) and the first event (µs) known there."""

    stay: Ints
    moment: Ints
    newest_ingested: Ints
    first_seen: Ints

    def at(self, stay: Ints, moment: Ints) -> tuple[Ints, Ints]:
        """(first event, newest ingestion) of stays at moments after their first event."""
        span = int(max(moment.max(initial=0), self.moment.max(initial=0))) + 1
        row = np.searchsorted(self.stay * span + self.moment, stay * span + moment, side="right") - 1
        return self.first_seen[row], self.newest_ingested[row]


def read_presence(scratch: Scratch, *, by_hint: bool) -> Presence:
    """Presence of the members in `f_part`, from `f_seen`."""
    hint = "AND p.account_hint IS NOT DISTINCT FROM u.account_hint" if by_hint else ""
    found = scratch.fetch(
        f"""WITH seen AS (
                SELECT p.stay, u.m, max(epoch_us(u.newest_ingested_at)) AS newest, min(epoch_us(u.first_at)) AS first
                FROM f_seen u JOIN f_part p ON p.raw_id = u.raw_id {hint}
                GROUP BY p.stay, u.m)
            SELECT stay::BIGINT AS stay, m::BIGINT AS m, max(newest) OVER so_far AS newest,
                   min(first) OVER so_far AS first
            FROM seen WINDOW so_far AS (PARTITION BY stay ORDER BY m) ORDER BY stay, m"""
    )
    return Presence(found["stay"], found["m"], found["newest"], found["first"])


def history_start(scratch: Scratch) -> int | None:
    """The first local day (since 1970) that the lake holds; None if it holds nothing (SEM-T5)."""
    first = scratch.fetch("SELECT (min(day) - DATE '1970-01-01')::BIGINT AS day FROM presence HAVING count(*) > 0")
    return int(first["day"][0]) if len(first["day"]) else None
