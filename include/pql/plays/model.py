"""What plays want to be done (Intent) and what is left of it when all definitions have spoken (Merged)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pql.types import Alert, Champion, DeliveryKind, Reason

Kind = DeliveryKind


@dataclass(frozen=True)
class Cause:
    """Why a delivery exists. With the ledger's id of that episode or occurrence it is the guard against doubles."""

    definition: str
    of: Literal["episode", "occurrence"]
    subject_key: str
    play: str
    action: str  # index and kind of the action in its play: "0:slack"


@dataclass(frozen=True)
class Intent:
    """One action one play wants for one subject. `announced` False: it opened silently; kept for `pql release`."""

    cause: Cause
    account_key: str
    subject_key: str
    destination: str  # name in settings.destinations
    kind: Kind
    lane: str  # what it shares a message with: "slack:#pql-mid", "slack:dm:dana@x.com", "crm_task", "crm_update" …
    options: Mapping[str, Any] = field(hash=False)  # rendered; JSON values only
    alert: Alert
    priority: int  # the definition's; lower speaks first
    announced: bool = True


@dataclass(frozen=True)
class Merged:
    """One delivery to be: the only one of its (account, destination, lane) in this run (SEM-D5)."""

    account_key: str
    subject_key: str  # of the intent that speaks
    destination: str
    kind: Kind
    lane: str
    options: Mapping[str, Any] = field(hash=False)
    alert: Alert
    causes: tuple[Cause, ...]  # every intent it stands for, the one that speaks first


def direct_lane(address: str) -> str:
    """The lane of direct messages to the person of that e-mail address."""
    return f"slack:dm:{address}"


def dump(intent: Intent) -> dict[str, Any]:
    """The intent as plain JSON values (for `episodes.alert`); `load` reads it back equal."""
    return asdict(intent)


def load(data: Mapping[str, Any]) -> Intent:
    """The intent that `dump` wrote, also after a round trip through JSON."""
    return Intent(**{**data, "cause": Cause(**data["cause"]), "alert": load_alert(data["alert"])})


def load_alert(data: Mapping[str, Any]) -> Alert:
    """The alert whose `dataclasses.asdict` this is, also after a round trip through JSON."""
    return Alert(
        **{
            **data,
            "definitions": tuple(data["definitions"]),
            "titles": tuple(data["titles"]),
            "reasons": tuple(Reason(**r) for r in data["reasons"]),
            "champions": tuple(Champion(**c) for c in data["champions"]),
            "flags": tuple(data["flags"]),
        }
    )
