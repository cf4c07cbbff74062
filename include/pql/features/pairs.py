"""How many different users, events or values were seen in a window: dated pairs (entity, value) in, counts out.

Each sighting of a pair stands for it until the next one, or until it drops out of the window: intervals that never
overlap, so the count at a point is the number of intervals that cover it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pql.definition.model import Window
from pql.features.clock import Clock
from pql.features.panel import Panel
from pql.features.scratch import Ints


@dataclass(frozen=True)
class Pairs:
    """Sightings sorted by pair, day and k; `pair` is unique over entities."""

    entity: Ints
    pair: Ints
    day: Ints
    k: Ints

    def __getitem__(self, index: Ints) -> Pairs:
        return Pairs(self.entity[index], self.pair[index], self.day[index], self.k[index])


def count_pairs(panel: Panel, pairs: Pairs, clock: Clock, window: Window, signup_day: Ints) -> Ints:
    """Per point the number of pairs seen within the window; `signup_day` is per point."""
    if window.kind == "first":
        assert window.days is not None
        return _since_signup(panel, pairs, window.days, signup_day)
    following = np.full(len(pairs.k), len(clock), dtype=np.int64)
    same = pairs.pair[1:] == pairs.pair[:-1]
    following[:-1][same] = pairs.k[1:][same]
    if window.kind == "last":
        assert window.days is not None
        following = np.minimum(following, clock.leaves(pairs.day, window.days))
    until = np.maximum(following, pairs.k)
    return panel.running(panel.first_at(pairs.entity, pairs.k), panel.first_at(pairs.entity, until))


def _since_signup(panel: Panel, pairs: Pairs, days: int, signup_day: Ints) -> Ints:
    """Days 1 … days after signup. Where an entity's signup is known differently later on, each version counts alone."""
    version, of_point = np.unique(np.stack([panel.entity, signup_day]), axis=1, return_inverse=True)
    of_point = of_point.reshape(-1)
    order = np.argsort(of_point, kind="stable")
    sub = Panel(of_point[order], panel.k[order], version.shape[1], panel.span)
    by_entity = np.argsort(pairs.entity, kind="stable")
    starts = np.searchsorted(pairs.entity[by_entity], version[0], side="left")
    lengths = np.searchsorted(pairs.entity[by_entity], version[0], side="right") - starts
    versioned = np.repeat(np.arange(version.shape[1]), lengths)
    offset = np.arange(len(versioned)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    seen = pairs[by_entity[np.repeat(starts, lengths) + offset]]
    signup = version[1][versioned]
    inside = (signup <= seen.day) & (seen.day < signup + days)
    versioned, seen = versioned[inside], seen[np.flatnonzero(inside)]
    new = np.ones(len(versioned), dtype=bool)
    new[1:] = (versioned[1:] != versioned[:-1]) | (seen.pair[1:] != seen.pair[:-1])
    start = sub.first_at(versioned[new], seen.k[new])
    found = np.empty(len(panel), dtype=np.int64)
    found[order] = sub.running(start, sub.ends[versioned[new]])
    return found
