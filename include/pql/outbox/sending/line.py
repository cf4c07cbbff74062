"""What one drain has in hand of one destination, lane by lane: checked deliveries in, whose turn it is out."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zlib import crc32

from pql.outbox.sending.checking import Checked
from pql.outbox.sending.claims import Claim
from pql.types import BatchDestination, Destination

BATCH = 50  # claimed at once where nothing but the receiver's speed limits it
STOCK = 3  # of a lane that has a pace: so many are checked ahead of their turn
RUN = 10  # carried out by one thread before it is seen what else there is to do
SIDE_BY_SIDE = 4  # requests to one destination that are on their way at the same time

_FAILED = ("retry", "ambiguous")
_TOO_MANY = 5  # failures in a row after which a destination is taken to be down


@dataclass
class Line:
    """One destination in one drain. Its rows of one lane go out one after the other, lanes side by side."""

    name: str
    destination: Destination
    waiting: dict[str, deque[Checked]] = field(default_factory=dict)  # lane → checked, the first to go first
    turns: dict[str, datetime] = field(default_factory=dict)  # lane → the moment that was taken for its first
    left_at: dict[str, datetime] = field(default_factory=dict)  # lane → when something last left for it
    running: Counter[str] = field(default_factory=Counter)  # lane → how many are being sent
    checking: Counter[str] = field(default_factory=Counter)  # lane → how many are being checked
    counts: Counter[str] = field(default_factory=Counter)  # how attempts ended
    dry: bool = False  # nothing more was due when it was last asked
    moved: bool = False  # something ended since it was last asked
    tripped: bool = False
    is_batch: bool = field(init=False)  # many go out in one request
    by_lane: bool = field(init=False)  # each lane has a pace of its own
    limit: int = field(init=False)  # how many to claim at once
    _failing: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        pace, destination = self.destination.pace, self.destination
        self.is_batch = isinstance(destination, BatchDestination)
        self.by_lane = pace is not None and pace.by == "lane" and not self.is_batch
        self.limit = BATCH if pace is None or self.by_lane else STOCK
        if isinstance(destination, BatchDestination):
            self.limit = destination.batch_size

    def lane_of(self, claim: Claim) -> str:
        """What goes out one after the other: its lane, or everything where one request or one pace is for all."""
        if self.is_batch or (self.destination.pace is not None and not self.by_lane):
            return ""
        if self.destination.pace is None:  # nothing orders these but the account they are about
            return str(crc32(claim.account_key.encode()) % SIDE_BY_SIDE)
        return claim.lane

    def in_hand(self, lane: str | None = None) -> int:
        """How many are claimed and not finished, in one lane or in all."""
        if lane is not None:
            return len(self.waiting.get(lane, ())) + self.running[lane] + self.checking[lane]
        return sum(len(each) for each in self.waiting.values()) + self.running.total() + self.checking.total()

    def stocked(self) -> set[str]:
        """The lanes that have a pace and enough in hand to keep it."""
        lanes = {*self.waiting, *self.running, *self.checking} if self.by_lane else ()
        return {lane for lane in lanes if self.in_hand(lane) >= STOCK - 1}

    @property
    def wants_more(self) -> bool:
        """Whether it is time to claim."""
        return not self.dry and self.has_room

    @property
    def has_room(self) -> bool:
        """Whether more may be taken in hand, if there is more."""
        if self.tripped:
            return False
        in_hand = self.in_hand()
        if self.is_batch or in_hand == 0:
            return in_hand == 0
        if self.by_lane:
            lanes = {*self.waiting, *+self.running, *+self.checking}
            return in_hand < BATCH and len(self.stocked() & lanes) < len(lanes)
        return in_hand <= self.limit // 2

    def add(self, checked: Iterable[Checked]) -> None:
        """Take checked deliveries in hand."""
        for each in checked:
            self.waiting.setdefault(self.lane_of(each.claim), deque()).append(each)

    def without_turn(self) -> list[str]:
        """The lanes with a pace whose first may be given a moment: nothing else is on its way there."""
        if self.destination.pace is None or self.tripped:
            return []
        return [lane for lane in self.waiting if lane not in self.turns and not self.running[lane]]

    def may_go(self, now: datetime) -> list[str]:
        """The lanes whose first may leave at `now`, as many as there is room for beside those on their way."""
        free = [
            lane
            for lane in self.waiting
            if not self.running[lane] and (self.destination.pace is None or self.turns.get(lane, now) <= now)
        ]
        return free[: max(0, SIDE_BY_SIDE - len(+self.running))] if not self.tripped else []

    def take(self, lane: str) -> list[Checked]:
        """What goes out of the lane in one go."""
        row = self.waiting[lane]
        most = self.limit if self.is_batch else RUN if self.destination.pace is None else 1
        taken = [row.popleft() for _ in range(min(most, len(row)))]
        if not row:
            del self.waiting[lane]
        self.turns.pop(lane, None)
        self.running[lane] = len(taken)
        return taken

    def returned(self, lane: str, rest: Sequence[Checked], at: datetime) -> None:
        """What was not reached waits again."""
        del self.running[lane]
        self.left_at[lane] = at
        self.moved = True
        self.dry = self.dry and not self.by_lane  # of the others it claimed all that was due
        if rest:
            self.waiting.setdefault(lane, deque()).extendleft(reversed(rest))

    def drop(self, lane: str | None = None) -> list[Claim]:
        """Let go of what waits, in one lane or in all."""
        lanes = list(self.waiting) if lane is None else [lane]
        for each in lanes:
            self.turns.pop(each, None)
        return [checked.claim for each in lanes for checked in self.waiting.pop(each)]

    def look_again(self) -> bool:
        """Ask again what is due if anything ended since, for which a reply may have waited; whether there is reason."""
        again, self.moved = self.moved and not self.tripped, False
        self.dry = self.dry and not again
        return again

    def turns_come(self, until: datetime) -> None:
        """The moment has come, whatever the clock says: somebody slept until it."""
        self.turns = {lane: at for lane, at in self.turns.items() if at > until} | {
            lane: datetime.min.replace(tzinfo=at.tzinfo) for lane, at in self.turns.items() if at <= until
        }

    def not_sooner(self, lane: str, now: datetime) -> datetime:
        """From when on the lane may be given a moment: a gap after the last really left, which may have been late."""
        pace, left = self.destination.pace, self.left_at.get(lane)
        if pace is None or left is None:
            return now
        gap = timedelta(seconds=pace.gap_s)
        return max(now, left + gap) if left <= now else now  # later than now: by a clock that was put back since

    def note(self, states: Sequence[str]) -> None:
        """Count how attempts ended; one that fails several times in a row is down, not the rows."""
        with self._guard:
            self.counts.update(states)
            for state in states:
                self._failing = self._failing + 1 if state in _FAILED else 0
                self.tripped = self.tripped or self._failing >= _TOO_MANY
