"""What all the services of the sandbox share: the clock, the seed, the effects log, and the limits in force."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pql.sandbox.effects import Effect, EffectsLog


@dataclass(frozen=True)
class Refusal:
    """A request that the real service would have turned down, and was turned down here."""

    at: str
    system: str
    request: str
    reason: str


@dataclass
class World:
    """One simulated company with its services. `clock` gives timezone-aware UTC instants."""

    seed: int
    clock: Callable[[], datetime]
    effects: EffectsLog
    limits: bool = True  # vendors' rate limits are kept
    hides_bursts: bool = False  # Slack shows one message a second and channel and says ok to the others
    seconds: Callable[[], float] = time.monotonic  # what limits are measured by
    base_url: str = ""
    company_at: datetime | None = None  # the company stands still at this instant; what clients write goes on
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=200))
    lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> datetime:
        """The simulated instant, in UTC."""
        return self.clock().astimezone(UTC)

    def now_s(self) -> int:
        """The simulated instant in whole seconds since 1970."""
        return int(self.now().timestamp())

    def company_s(self) -> int:
        """Up to which second the simulated company has lived, since 1970."""
        return self.now_s() if self.company_at is None else int(self.company_at.timestamp())

    def record(self, system: str, action: str, what: Mapping[str, Any]) -> Effect:
        """Note an effect durably, at the simulated instant."""
        return self.effects.append(system, action, self.now(), what)

    def refuse(self, system: str, request: str, reason: str) -> None:
        """Remember a refusal for the page."""
        self.refusals.append(Refusal(self.now().isoformat(), system, request, reason))


class Window:
    """A sliding window: at most `count` calls in `seconds`, measured by `clock`."""

    def __init__(self, count: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.count, self.seconds, self._clock = count, seconds, clock
        self._calls: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, key: str = "") -> float:
        """0 and the call is counted; or the seconds until a call would be let in, and it is not counted."""
        with self._lock:
            now, calls = self._clock(), self._calls.setdefault(key, deque())
            while calls and calls[0] <= now - self.seconds:
                calls.popleft()
            if len(calls) < self.count:
                calls.append(now)
                return 0
            return calls[0] + self.seconds - now
