"""What a soak will do, all of it from one seed: the work, the faults by the hour, and how each worker's lives end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal

from pql.outbox.sending.settling import BOUNDARIES
from pql.plays.model import Kind, direct_lane
from pql.sandbox.faults import Fault
from pql.sandbox.names import OWNERS
from pql.sandbox.slack_state import CHANNELS

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)  # when the simulated clock begins
WAVE_S = 300.0  # between two deciding runs
CALM_S = 3600.0  # after the last of them nothing goes wrong any more
NAMES = {"slack": "slack", "crm_task": "crm", "webhook": "zapier_nudge"}
ROOMS = tuple(f"#{name}" for name, member, archived in CHANNELS if member and not archived)
PEOPLE = tuple(owner[3] for owner in OWNERS if owner[4])


@dataclass(frozen=True)
class Decision:
    """One account that newly qualifies for one definition, and the one action that follows."""

    definition: str
    account_key: str
    subject_key: str
    kind: Kind
    lane: str
    options: Mapping[str, Any] = field(hash=False)

    @property
    def destination(self) -> str:
        """Its name in the settings."""
        return NAMES[self.kind]


@dataclass(frozen=True)
class Wave:
    """What one run decides: it dies in its transaction `crashes` times first, and is repeated `reruns` times."""

    at_s: float
    decisions: tuple[Decision, ...]
    crashes: int
    reruns: int


@dataclass(frozen=True)
class Weather:
    """What goes wrong from a moment on, until the next weather."""

    from_s: float
    name: str
    faults: tuple[Fault, ...] = ()
    hides_bursts: bool = True  # Slack shows one message a second and channel and says ok to the others


@dataclass(frozen=True)
class Life:
    """One life of one worker, and how it ends."""

    machine: Literal["this", "another"]  # another one's workers cannot be seen: their leases end by the clock alone
    dies: Literal["", "boundary", "instant"]
    boundary: str  # where it dies, or
    passings: int  # the how-many-eth time; for an instant: after so many wakings
    instant_s: float  # real seconds after that waking
    frozen_at: str  # the boundary at which it freezes once, "" if it does not
    frozen_s: float
    restart_s: float  # until another takes its place


@dataclass(frozen=True)
class Plan:
    """A whole soak."""

    seed: int
    deliveries: int
    workers: int
    waves: tuple[Wave, ...]
    weather: tuple[Weather, ...]

    @property
    def calm_from_s(self) -> float:
        """From when on nothing goes wrong and nobody is killed."""
        return self.weather[-1].from_s

    def life(self, worker: int, number: int) -> Life:
        """The life `number` of that worker."""
        dice = _dice(self.seed, "life", worker, number)
        machine: Literal["this", "another"] = dice.choice(("this", "another"))
        longest = 1800.0 if machine == "this" else 200.0  # longer would be two machines and a frozen one: a known limit
        frozen = dice.random() < 0.3
        return Life(
            machine,
            dice.choice(("boundary", "boundary", "instant")),
            dice.choice(BOUNDARIES),
            dice.randint(1, max(40, self.deliveries // 40)),
            dice.uniform(0, 0.04),
            dice.choice(("claimed", "marked sending", "sent", "after")) if frozen else "",
            dice.uniform(10, longest),
            dice.choice((0.0, dice.uniform(1, 60), dice.uniform(60, 900))),
        )


def make(seed: int, deliveries: int, workers: int = 4) -> Plan:
    """The plan of that seed; another number of deliveries is another plan."""
    waves = tuple(_waves(seed, deliveries))
    return Plan(seed, deliveries, workers, waves, tuple(_weathers(seed, waves[-1].at_s + WAVE_S)))


def _waves(seed: int, deliveries: int) -> Iterator[Wave]:
    dice = _dice(seed, "work")
    size = max(20, deliveries // 40)
    said: list[Decision] = []  # in Slack, in earlier waves: what may be answered within the day
    for number, first in enumerate(range(0, deliveries, size)):
        decided = tuple(_decision(dice, each, said) for each in range(first, min(first + size, deliveries)))
        said = [*said, *(each for each in decided if each.kind == "slack")][-500:]
        yield Wave(number * WAVE_S, decided, int(dice.random() < 0.3), dice.choice((0, 0, 1, 2)))


def _decision(dice: Random, number: int, said: list[Decision]) -> Decision:
    subject = f"org:{number}"
    kind: Kind = dice.choices(("slack", "crm_task", "webhook"), (0.5, 0.3, 0.2))[0]
    if kind == "slack" and said and dice.random() < 0.15:  # a second definition finds an account: a reply
        first = dice.choice(said)
        return Decision("upsell", first.account_key, subject, kind, first.lane, first.options)
    if kind == "crm_task":
        return Decision("new-business", subject, subject, kind, "crm_task", {"due": "1 business day"})
    if kind == "webhook":
        return Decision("new-business", subject, subject, kind, "webhook:zapier_nudge", {})
    if dice.random() < 0.3:
        person = dice.choice(PEOPLE)
        return Decision("new-business", subject, subject, kind, direct_lane(person), {"dm": person})
    room = dice.choice(ROOMS)
    return Decision("new-business", subject, subject, kind, f"slack:{room}", {"channel": room})


def _weathers(seed: int, until_s: float) -> Iterator[Weather]:
    dice = _dice(seed, "weather")
    at_s = 0.0
    while at_s < until_s:
        yield _weather(dice, at_s)
        at_s += dice.uniform(120, 600)
    yield Weather(max(at_s, until_s) + CALM_S, "calm for good")


def _weather(dice: Random, at_s: float) -> Weather:
    kinds = [dice.choice(tuple(_FAULTS)) for _ in range(dice.choice((1, 1, 2, 3)))]
    faults = tuple(Fault(**_FAULTS[kind](dice), seed=dice.getrandbits(32)) for kind in kinds)
    # What is held up on the way lands beside what leaves at pace: no sender can prevent that Slack hides one of them.
    return Weather(at_s, " and ".join(kinds), faults, hides_bursts="answers late" not in kinds)


POST, TASKS, HOOK = "chat.postMessage", "tasks/batch/upsert", "/webhook/"
ANY = ("/slack/", "/hubspot/", HOOK)
SHAPES = ("1", "7", "0", "-5", "90", "soon", "Sat, 01 Jan 2028 00:00:00 GMT", None)


def _some(dice: Random, paths: tuple[str, ...], how: str, **more: Any) -> dict[str, Any]:
    return {"path": dice.choice(paths), "how": how, "times": None, "share": dice.uniform(0.05, 0.5), **more}


_FAULTS: dict[str, Any] = {
    "fair": lambda dice: {"path": "nowhere", "how": "error", "times": 0},
    "answers lost": lambda dice: _some(dice, (POST, TASKS, HOOK), "lost"),
    "answers late": lambda dice: _some(dice, (POST, TASKS, HOOK), "late", delay_s=dice.uniform(1, 110)),
    "500 and it acted": lambda dice: _some(dice, (POST, TASKS, HOOK), "error", acts=True),
    "500 and it did not": lambda dice: _some(dice, ANY, "error"),
    "503": lambda dice: _some(dice, ANY, "unavailable", acts=dice.random() < 0.3),
    "fatal_error": lambda dice: _some(dice, (POST,), "fatal_error", acts=dice.random() < 0.5),
    "internal_error": lambda dice: _some(dice, (POST,), "internal_error", acts=dice.random() < 0.5),
    "429": lambda dice: _some(dice, ANY, "rate_limited", retry_after=dice.choice(SHAPES)),
    "207": lambda dice: _some(
        dice, (TASKS,), "partial", rows=0.3, categories=("RATE_LIMITS", "VALIDATION_ERROR", "INTERNAL_ERROR")
    ),
    "no history": lambda dice: _some(dice, ("conversations.history", "conversations.replies"), "unavailable"),
    "slow": lambda dice: _some(dice, ANY, "slow", delay_s=0.02),
    "slow body": lambda dice: _some(dice, ANY, "slow_body", delay_s=0.04),
    "down": lambda dice: {**_some(dice, ANY, "down"), "share": 1.0, "delay_s": dice.uniform(60, 3000)},
}


def _dice(*parts: object) -> Random:
    return Random("|".join(str(part) for part in parts))  # noqa: S311  # repeatable on purpose
