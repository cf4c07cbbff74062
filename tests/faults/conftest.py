"""One delivery line with its judge: a ledger, the real destinations, and a sandbox whose log says what happened.

Time is simulated: the ledger, the sandbox and its limits follow one clock that sleeping turns. `PQL_CHAOS=1` makes the
stories as large as the guarantees promise; without it they are small enough for every run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import Engine, insert
from tests.conftest import new_ledger

from pql import outbox, store
from pql.connections import from_environment
from pql.destinations import build
from pql.outbox import DeliverReport, Delivery
from pql.outbox.sending.claims import LEASE
from pql.sandbox import Server, connections
from pql.sandbox.credentials import HUBSPOT_TOKEN
from pql.settings import Settings
from pql.store.instants import to_naive
from pql.store.tables import deliveries
from pql.types import Alert, Destination, Reason

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
LARGE = bool(os.environ.get("PQL_CHAOS"))
SETTINGS = Settings.model_validate(
    {
        "destinations": {
            "slack": {"kind": "slack"},
            "crm": {"kind": "hubspot"},
            "zapier_nudge": {"kind": "webhook", "connection": "zapier_nudge"},
        }
    }
)
KINDS = ("slack", "crm_task", "webhook")
DESTINATION = {"slack": "slack", "crm_task": "crm", "webhook": "zapier_nudge"}
OPTIONS = {"slack": {"channel": "#pql-mid"}, "crm_task": {"due": "1 business day"}, "webhook": {}}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every story runs on SQLite; on PostgreSQL, too, with `PQL_CHAOS=1` and where it is about several workers.

    One that names its ledger itself is about that one only.
    """
    names_its_own = any(mark.args[0] == "ledger_url" for mark in metafunc.definition.iter_markers("parametrize"))
    if "ledger_url" in metafunc.fixturenames and not names_its_own:
        both = LARGE or metafunc.definition.get_closest_marker("both_ledgers") is not None
        metafunc.parametrize("ledger_url", ["sqlite", "postgresql"] if both else ["sqlite"], indirect=True)


def many(small: int, large: int) -> int:
    """How many a story takes: few in every run, as many as promised with `PQL_CHAOS=1`."""
    return large if LARGE else small


@dataclass
class Clock:
    """One clock for everybody; sleeping turns it."""

    now: datetime = T0

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass(frozen=True)
class Verdict:
    """What the sandbox's log says of the ledger's deliveries."""

    lost: tuple[str, ...]  # delivered by the ledger, no effect
    doubled: tuple[str, ...]  # more than one effect
    unknown: tuple[str, ...]  # an effect nobody decided
    effects: int


@dataclass
class Line:
    """Everything a story about faults needs."""

    url: str
    engine: Engine
    sandbox: Server
    clock: Clock
    company_id: str
    extra: dict[str, Any] = field(default_factory=dict)
    _queued: int = 0

    def queue(self, number: int, kind: str = "slack", name: str = "Acme {}", **options: Any) -> list[str]:
        """Write deliveries that are due now; returns their keys."""
        rows = [self._row(kind, name, {**OPTIONS[kind], **options}) for _ in range(number)]
        with store.writing(self.engine) as conn:
            conn.execute(insert(deliveries), rows)
        return [row["key"] for row in rows]

    def _row(self, kind: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
        self._queued += 1
        account = f"org:{self._queued}"
        alert = Alert(
            "just qualified", ("new-business",), ("New business",), account, account, name.format(self._queued),
            T0.isoformat(), 82, 75, "B1", 9, crm_id=self.company_id, crm_kind="company",
            reasons=(Reason(25, "turned on self-serve billing"),),
        )  # fmt: skip
        lane = {"slack": f"slack:{options.get('channel')}", "crm_task": "crm_task"}.get(kind, f"webhook:{kind}")
        return {
            "key": f"pql-{self._queued:040x}",
            "destination": DESTINATION[kind],
            "kind": kind,
            "account_key": account,
            "subject_key": account,
            "lane": lane,
            "options": options,
            "alert": asdict(alert),
            "state": "pending",
            "created_at": to_naive(self.clock()),
            "not_before": to_naive(self.clock()),
        }

    def destinations(self) -> dict[str, Destination]:
        """New ones, as every process has them."""
        found = from_environment(connections(self.sandbox.url))
        return {name: build(name, SETTINGS, found) for name in SETTINGS.destinations}

    def deliver(self, **options: Any) -> DeliverReport:
        """One drain of the outbox by a worker of its own."""
        wanted = {"recheck": lambda claim: None, "clock": self.clock, "sleep": self.clock.sleep, "max_seconds": 3600}
        return outbox.deliver(self.engine, self.destinations(), **{**wanted, **options})

    def until_settled(self, hours: float = 48, **options: Any) -> None:
        """Deliver, with these options, again and again until nothing is left to do, or the hours are over."""
        end = self.clock() + timedelta(hours=hours)
        while self.clock() < end:
            self.deliver(**options)
            waiting = [each for each in self.all() if each.state in ("pending", "ambiguous")]
            held = [each for each in self.all() if each.state in ("claimed", "sending")]
            if not waiting and not held:
                return
            soonest = [each.not_before for each in waiting] + ([self.clock() + LEASE] if held else [])
            self.clock.now = max(min(soonest), self.clock() + timedelta(seconds=30))

    def all(self) -> list[Delivery]:
        """All deliveries, the oldest first."""
        with store.reading(self.engine) as conn:
            return list(reversed(outbox.list_deliveries(conn)))

    def states(self) -> Counter[str]:
        return Counter(each.state for each in self.all())

    def judged(self) -> Verdict:
        """The sandbox's log held against the ledger."""
        made = Counter(str(e["key"]) for e in self.sandbox.effects() if e["kind"] in KINDS)
        decided = {each.key: each.state for each in self.all()}
        return Verdict(
            lost=tuple(key for key, state in decided.items() if state == "delivered" and key not in made),
            doubled=tuple(key for key, number in made.items() if number > 1),
            unknown=tuple(key for key in made if key not in decided),
            effects=len(made),
        )

    def holds(self, effects: int) -> None:
        """Nothing lost, nothing doubled, nothing nobody decided; so many effects."""
        assert self.judged() == Verdict((), (), (), effects)

    def figures(self) -> dict[str, int]:
        """What `make chaos` says of the story: by the sandbox's log, added up over all its cases."""
        verdict = self.judged()
        found = {"effects": verdict.effects, "lost": len(verdict.lost), "doubled": len(verdict.doubled)}
        return found | {"foreign": len(verdict.unknown)}


def _a_company(sandbox: Server) -> str:
    headers = {"Authorization": f"Bearer {HUBSPOT_TOKEN}"}
    url = f"{sandbox.url}/hubspot/crm/v3/objects/companies"
    answer = requests.get(url, params={"limit": 1}, headers=headers, timeout=30).json()
    return str(answer["results"][0]["id"])


@pytest.fixture
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger on the database the story is told on."""
    return new_ledger(request, tmp_path)


@pytest.fixture
def line(ledger_url: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> Iterator[Line]:
    clock = Clock()
    engine = store.connect(ledger_url)
    with Server(tmp_path / "sandbox", clock=clock, paced_by_clock=True, company_at=T0) as sandbox:
        made = Line(ledger_url, engine, sandbox, clock, _a_company(sandbox))
        yield made
        for name, number in made.figures().items():
            record_property(name, number)
    engine.dispose()
