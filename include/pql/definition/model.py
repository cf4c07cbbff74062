"""What a definition means once it has been read: frozen, resolved, without any YAML left in it.

Names are resolved (`any_event` is expanded, durations are whole days, `by_size` is a table), so later rooms never
look anything up twice. Everything is hashable; `Definition.rules_hash` is the version (SEM-Q5).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Scalar = str | int | float | bool


# --- events --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Where:
    """A condition on one event property. `in` compares as text or number, `min`/`max` as numbers, inclusive."""

    property: str
    op: Literal["in", "not_in", "min", "max", "exists"]
    values: tuple[Scalar, ...] = ()


@dataclass(frozen=True)
class EventMatch:
    """What daily usage is counted for: source event names, property conditions, optional value field (SEM-M3)."""

    events: tuple[str, ...]
    where: tuple[Where, ...] = ()
    value: str | None = None  # property that `sum` and `average` read

    @property
    def key(self) -> str:
        """16 hex digits, the name of this match's partition in the lake; depends on exactly the three fields."""
        where = sorted((w.property, w.op, sorted(map(repr, w.values))) for w in self.where)
        written = json.dumps([sorted(set(self.events)), where, self.value], ensure_ascii=True)
        return hashlib.sha256(written.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class NamedEvent:
    name: str
    match: EventMatch
    passive: bool = False  # does not count as activity (SEM-M2)


# --- signals -------------------------------------------------------------------------------------------------------

Measure = Literal[
    "count",
    "active_days",
    "users",
    "sum",
    "average",
    "distinct",
    "days_since",
    "time_to",
    "change",
    "share",
    "attribute",
    "sessions",
    "minutes",
]


@dataclass(frozen=True)
class Window:
    """`all`: everything retained. `last`: n local days ending at T (SEM-T3). `first`: days 1–n from signup (SEM-T4)."""

    kind: Literal["all", "last", "first"] = "all"
    days: int | None = None


@dataclass(frozen=True)
class Bound:
    """An inclusive numeric interval; None is open."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Signal:
    """A named, measurable fact about a subject; which fields are set depends on `measure`."""

    name: str
    measure: Measure
    events: tuple[str, ...] = ()  # names of NamedEvents; any_event is already expanded to all that are not passive
    any_event: bool = False  # it was written `any_event` (for words only)
    window: Window = Window()
    per_user: Bound | None = None  # set for `per: user`: how many users meet the bound (SEM-W1)
    property: str | None = None  # distinct: the property whose values are counted; None = of the named events
    stage: str | None = None  # time_to a stage
    numerator: str | None = None  # share: a signal
    denominator: str | None = None  # share: an attribute
    attribute: str | None = None  # attribute: its name, "user.x" for a user's own (SEM-W2)
    title: str = ""


# --- conditions (three-valued: SEM-M4) -----------------------------------------------------------------------------

Operand = Literal[
    "signal",
    "attribute",
    "criterion",
    "score",
    "activation_pct",
    "grade",
    "stage",
    "size",
    "score_delta_night",
    "score_delta_week",
]


@dataclass(frozen=True)
class Compare:
    """One comparison. A `criterion` or `stage` has no bound: it holds when it is met or reached."""

    operand: Operand
    name: str = ""  # signal, attribute, criterion or stage
    min: float | None = None
    max: float | None = None
    one_of: tuple[Scalar, ...] | None = None  # `is: x` and `x: [a, b]`
    exists: bool | None = None
    by_size: tuple[tuple[str, float], ...] | None = None  # activation_pct: {min: by_size}, resolved (SEM-Q2)


@dataclass(frozen=True)
class All:
    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Any:
    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    of: Condition


Condition = Compare | All | Any | Not


# --- activation, score, qualification ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    name: str
    when: Condition  # over usage signals only (count, active_days, users, sum, average, distinct, sessions, minutes …)
    weight: float = 1.0


@dataclass(frozen=True)
class ScoreLine:
    """`points` × whole units of `per`, held to ±`max`, × 0.5^(whole days ÷ half_life), rounded half up (SEM-S1)."""

    group: str  # fit | value | intent, or any other group
    signal: str
    points: float
    when: Condition | None = None  # None: whenever the signal is known and not 0/false
    per: float | None = None
    max: float | None = None
    half_life_days: float | None = None
    title: str = ""


@dataclass(frozen=True)
class ScoreGroup:
    name: str
    lines: tuple[ScoreLine, ...]
    max: float | None = None  # cap on the group's sum


@dataclass(frozen=True)
class Score:
    groups: tuple[ScoreGroup, ...] = ()
    scale: tuple[int, int] = (0, 100)
    fit_cuts: tuple[float, float, float] = (75, 50, 25)  # A, B, C by share of attainable fit points, in %
    engagement_cuts: tuple[float, float, float] = (75, 50, 25)  # 1, 2, 3


@dataclass(frozen=True)
class Size:
    """Sizes are lower bounds on an attribute or a signal, ascending (SEM-Q2)."""

    by: str
    by_kind: Literal["attribute", "signal"]
    bounds: tuple[tuple[str, float], ...]
    unknown: str


@dataclass(frozen=True)
class Exclude:
    domains: tuple[str, ...] = ()
    attributes: tuple[tuple[str, tuple[Scalar, ...]], ...] = ()
    accounts: tuple[str, ...] = ()


# --- plays ---------------------------------------------------------------------------------------------------------

TriggerKind = Literal["newly_qualified", "score_up", "score_down", "stage", "near_limit", "gone_quiet", "stuck", "left"]


@dataclass(frozen=True)
class Trigger:
    kind: TriggerKind
    by: float | None = None  # score_up/score_down: points
    in_days: int | None = None  # score_up/score_down: within; stuck/gone_quiet: for how long
    stage: str | None = None
    signal: str | None = None  # near_limit
    min: float | None = None  # near_limit


How = Literal["instant", "digest"]
ReaderHours = Literal["any", "working"]


@dataclass(frozen=True)
class Action:
    """One thing to do. `options` are templates or literals, as written, checked for the kind."""

    kind: Literal["slack", "crm_task", "crm_update", "webhook"]
    destination: str  # name in settings.destinations
    options: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Play:
    id: str  # slug of the title, unique in the definition
    title: str
    on: Trigger
    actions: tuple[Action, ...]
    filter: Condition | None = None
    next: str = ""  # template of the suggested next step
    rearm_days: float = 1.0
    at_most_every_days: float | None = None
    # of its Slack messages that do not say otherwise themselves (their options then hold it)
    how: How = "instant"
    hours: ReaderHours | None = None  # None: the working hours of the settings, if they name any


# --- the whole -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Definition:
    id: str
    title: str
    status: Literal["draft", "live", "retired"]
    priority: int  # lower speaks first
    subject: Literal["account", "user"]
    complexity: Literal["simple", "moderate", "complex"]
    events: tuple[NamedEvent, ...]
    signals: tuple[Signal, ...]  # in an order in which each depends only on earlier ones
    stages: tuple[Stage, ...]
    criteria: tuple[tuple[str, Condition], ...]
    score: Score
    qualify: Condition
    size: Size | None
    only: tuple[tuple[str, tuple[Scalar, ...]], ...]  # attribute → allowed values
    exclude: Exclude
    alive_days: int
    leave_after_days: float
    return_after_days: float
    stale_after_days: float  # SEM-D3 (b), default 7
    plays: tuple[Play, ...]
    reviewed: date | None = None  # last human review, if written
    path: str = ""
    rules_hash: str = ""  # of everything but titles and plays (SEM-Q5)
    lines: tuple[tuple[str, int], ...] = field(default=(), compare=False, repr=False)  # "activation.A habit" → line

    def line(self, place: str) -> int:
        """The line on which a section ("qualify") or a member of one ("signals.habit") begins; 1 if it has none."""
        return dict(self.lines).get(place, 1)

    def has_line(self, place: str) -> bool:
        """Whether that place is written in the file at all."""
        return any(written == place for written, _ in self.lines)

    def signal(self, name: str) -> Signal:
        """The signal of that name; KeyError if there is none."""
        return next(s for s in self.signals if s.name == name)

    def event(self, name: str) -> NamedEvent:
        """The named event of that name."""
        return next(e for e in self.events if e.name == name)


@dataclass(frozen=True)
class Problem:
    """One thing wrong (or suspicious) in a definition file."""

    path: str
    line: int  # 1-based
    message: str
    hint: str = ""  # "did you mean …?"
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" + (f" — {self.hint}" if self.hint else "")
