"""What is to go wrong with which requests: armed faults and a request's path in, the fault that strikes it out."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

How = Literal[
    "lost", "late", "error", "unavailable", "fatal_error", "internal_error",
    "rate_limited", "unauthorised", "partial", "slow", "slow_body", "down",
]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with requests whose path contains `path`.

    - `lost`: the service acts, then the connection breaks. `late`: it breaks first, the service acts `delay_s` later.
    - `error` (500), `unavailable` (503), `fatal_error` and `internal_error` (Slack's 200 with `ok: false`): instead of
      acting, or, with `acts`, after it.
    - `rate_limited`: 429 with `retry_after` as its header, none if that is None. `unauthorised`: 401.
    - `partial`: a HubSpot batch of which `rows` (a share) are refused with the
      `categories` in turn, the others done: 207.
    - `slow`: the answer comes after `delay_s`; `slow_body`: its body drips for so long.
    - `down`: 503 for `delay_s` of the sandbox's clock from when it was armed; nothing acts.

    `times`: how many requests it strikes, None for all. `share`: of the requests that match, drawn with `seed`.
    """

    path: str
    how: How
    times: int | None = 1
    share: float = 1.0
    seed: int = 0
    acts: bool = False
    retry_after: str | None = "1"
    delay_s: float = 2.0
    rows: float = 0.5
    categories: Sequence[str] = ("VALIDATION_ERROR",)

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            raise ValueError(f"how: `{self.how}` is none of {', '.join(get_args(How))}")
        if not 0 <= self.share <= 1 or not 0 <= self.rows <= 1:
            raise ValueError("share and rows are between 0 and 1")


@dataclass
class _Armed:
    fault: Fault
    until: datetime | None
    dice: random.Random = field(default_factory=random.Random)

    def strikes(self, path: str, now: datetime) -> bool:
        """Whether it strikes this request; if so, one time is used up."""
        fault = self.fault
        if fault.path not in path or fault.times == 0 or (self.until is not None and now >= self.until):
            return False
        if fault.share < 1 and self.dice.random() >= fault.share:
            return False
        if fault.times is not None:
            self.fault = replace(fault, times=fault.times - 1)
        return True


class Faults:
    """The armed faults of one sandbox; the first that matches strikes. Seeded: the same requests, the same faults."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._armed: list[_Armed] = []
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> None:
        """Let it strike from now on."""
        until = self._clock() + timedelta(seconds=fault.delay_s) if fault.how == "down" else None
        with self._lock:
            self._armed.append(_Armed(fault, until, random.Random(fault.seed)))  # noqa: S311  # repeatable on purpose

    def clear(self) -> None:
        """Let nothing strike any more; what acts late still will."""
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[dict[str, Any]]:
        """What may still strike."""
        with self._lock:
            return [asdict(each.fault) for each in self._armed if each.fault.times != 0]

    def striking(self, path: str) -> Fault | None:
        """The fault that strikes a request of this path."""
        with self._lock:
            now = self._clock()
            return next((each.fault for each in self._armed if each.strikes(path, now)), None)
