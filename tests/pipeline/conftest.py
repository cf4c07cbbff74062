"""A sandbox's HubSpot, a project that has it, and what the recheck says of a delivery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from pql import pipeline
from pql.connections import from_environment
from pql.outbox import Claim
from pql.pipeline.recheck import rechecker
from pql.sandbox import Server, connections
from pql.sandbox.credentials import HUBSPOT_TOKEN
from pql.settings import Paths
from pql.types import Alert

NOW = datetime(2026, 3, 7, 1, tzinfo=UTC)
DECIDED_AT = datetime(2026, 3, 7, tzinfo=UTC)
DANA, MAREK = "71000001", "71000002"

SETTINGS = """
sources:
  crm:
    kind: hubspot
    attributes: {plan: plan, seats: plan_seats}
    contact_attributes: {role: jobtitle}
"""

DEFINITION = """
definition: d
title: A habit
status: live
events: {acted: Act}
signals: {days: {active_days: acted, last: 7d}}
criteria: {value: {days: {min: 3}}}
score: {value: [{signal: days, points: 10, per: 1}]}
"""

_LINKS = {("contacts", "companies"): 279, ("deals", "companies"): 341, ("deals", "contacts"): 3}


@dataclass
class Desk:
    """Somebody's desk: the CRM open, settings and definitions at hand, and deliveries to be rechecked."""

    folder: Path
    sandbox: Server
    now: datetime = NOW

    def record(self, object: str, links: dict[str, str] | None = None, **properties: str) -> str:
        """A record comes into the CRM, linked to others: its id."""
        linked = [
            {
                "to": {"id": id},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": _LINKS[object, to]}],
            }
            for to, id in (links or {}).items()
        ]
        url = f"{self.sandbox.url}/hubspot/crm/v3/objects/{object}"
        body = {"properties": properties, "associations": linked}
        answer = requests.post(url, json=body, headers={"Authorization": f"Bearer {HUBSPOT_TOKEN}"}, timeout=30)
        assert answer.ok, answer.text
        return str(answer.json()["id"])

    def says(self, *, more: str = "", settings: str = "", kind: Any = "slack", **alert: Any) -> Alert | str:
        """What the recheck says of a delivery with this alert; `more` and `settings` are added to what there is."""
        definitions = self.folder / "definitions"
        definitions.mkdir(exist_ok=True)
        (definitions / "d.yaml").write_text(DEFINITION + more)
        (self.folder / "settings.yaml").write_text(SETTINGS + settings)
        paths = Paths(
            settings=self.folder / "settings.yaml",
            definitions=definitions,
            lake=str(self.folder / "lake"),
            ledger=f"sqlite:///{self.folder / 'ledger.db'}",
        )
        project = pipeline.open_project(paths, from_environment(connections(self.sandbox.url)))
        assert not [p for p in project.problems if p.level == "error"]
        try:
            return rechecker(project, lambda: self.now)(claim_of(kind, alert))
        finally:
            project.close()


def claim_of(kind: Any, given: dict[str, Any], id: int = 1) -> Claim:
    """A delivery of that kind in somebody's hands, whose alert carries what is given."""
    key = given.pop("account_key", "org:1")
    alert = Alert(
        "just qualified", ("d",), ("A habit",), key, key, "Acme", DECIDED_AT.isoformat(), 80, 75, "B1", 8, **given
    )
    return Claim(id, f"pql-{id}", 1, 1, kind, kind, key, key, kind, {}, alert, None, False, DECIDED_AT)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with an empty tray."""
    with Server(tmp_path / "sandbox", seed=7, clock=lambda: NOW, limits=False) as sandbox:
        yield Desk(tmp_path, sandbox)


@pytest.fixture
def company(desk: Desk) -> Callable[..., dict[str, Any]]:
    """Make a company; returns what an alert about it carries."""

    def make(**properties: str) -> dict[str, Any]:
        id = desk.record("companies", name="Acme", **properties)
        return {"crm_kind": "company", "crm_id": id, "company_id": id}

    return make
