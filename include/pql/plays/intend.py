"""Decisions of one definition in, the actions its plays want out: trigger → filter → actions (PRODUCT-A1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pandas as pd

from pql.definition.actions import FIELDS
from pql.definition.model import Action, Definition, Play
from pql.definition.templates import is_template
from pql.plays.alert import alert, headline
from pql.plays.model import Cause, Intent, direct_lane
from pql.plays.rendering import render
from pql.plays.values import template_values
from pql.qualification.model import Decisions
from pql.qualification.triggers import passes
from pql.types import Alert, Champion


@dataclass(frozen=True)
class _Firing:
    """One play that fires for one subject."""

    play: Play
    subject_key: str
    of: Literal["episode", "occurrence"]
    announced: bool
    qualified_at: datetime | None = None


def intend(
    definition: Definition,
    decisions: Decisions,
    frame: pd.DataFrame,
    *,
    champions: Mapping[str, Sequence[Champion]] | None = None,
    timezone: str = "UTC",
) -> tuple[Intent, ...]:
    """What the plays want done about these decisions, in the order of the definition's plays and actions.

    `frame` is the snapshot the decisions were made from, optionally with `score_delta_night`/`_week`; `champions` are
    by account key. Episodes that opened silently are intended too, with `announced` False, so that they can be
    released later; occurrences that opened silently are not.
    """
    firings = list(_firings(definition, decisions, frame))
    wanted = {f.subject_key for f in firings}
    found = frame[frame["subject_key"].isin(wanted)]
    rows = {str(row["subject_key"]): row for row in found.to_dict("records")}
    intents: list[Intent] = []
    for firing in firings:
        row = {str(name): value for name, value in rows[firing.subject_key].items()}
        who = (champions or {}).get(row["account_key"], ())
        intents += _actions(definition, firing, row, who, timezone)
    return tuple(intents)


def _firings(definition: Definition, decisions: Decisions, frame: pd.DataFrame) -> Iterator[_Firing]:
    """Filters of `newly_qualified` plays are read at the opening; those of the others are part of their trigger."""
    opened = frame[frame["subject_key"].isin({o.subject_key for o in decisions.opened})]
    for play in definition.plays:
        if play.on.kind == "newly_qualified":
            through = set(opened.loc[passes(play, opened, definition), "subject_key"])
            for o in decisions.opened:
                if o.subject_key in through:
                    yield _Firing(play, o.subject_key, "episode", o.announced, o.as_of)
            continue
        for occurrence in decisions.occurrences_opened:
            if occurrence.play == play.id and occurrence.announced:
                yield _Firing(play, occurrence.subject_key, "occurrence", announced=True)


def _actions(
    definition: Definition,
    firing: _Firing,
    row: Mapping[str, Any],
    champions: Sequence[Champion],
    timezone: str,
) -> Iterator[Intent]:
    play = firing.play
    said = alert(definition, row, headline=headline(play, row), champions=champions, timezone=timezone)
    values = template_values(definition, row, said)
    next_step = render(play.next, values) if play.next else ""
    said = alert(definition, row, headline=said.headline, champions=champions, next_step=next_step, timezone=timezone)
    values |= {"next_step": next_step, "qualified_at": firing.qualified_at and firing.qualified_at.isoformat()}
    for index, action in enumerate(play.actions):
        options = _options(action, values)
        yield Intent(
            cause=Cause(definition.id, firing.of, firing.subject_key, play.id, f"{index}:{action.kind}"),
            account_key=row["account_key"],
            subject_key=firing.subject_key,
            destination=action.destination,
            kind=action.kind,
            lane=lane(definition, action, options, said),
            options=options,
            alert=said,
            priority=definition.priority,
            announced=firing.announced,
        )


def _options(action: Action, values: Mapping[str, Any]) -> dict[str, Any]:
    """Options with their templates filled in; a CRM property whose value is unknown is not written at all."""
    if action.kind == "crm_update":
        written = {name: _written(option, values) for name, option in action.options.items()}
        return {name: value for name, value in written.items() if value is not None}
    return {name: render(o, values) if isinstance(o, str) else o for name, o in action.options.items()}


def _written(option: object, values: Mapping[str, Any]) -> object:
    """A field or signal by its name, a template's text, or the literal itself."""
    if not isinstance(option, str):
        return option
    if is_template(option):
        return render(option, values) or None
    value = values.get(option)
    return " · ".join(value) if option == "reasons" and option in FIELDS and value is not None else value


def lane(definition: Definition, action: Action, options: Mapping[str, Any], said: Alert) -> str:
    """What the action shares a message with (SEM-D5): a channel, a person, the task list, a CRM record, a webhook."""
    if action.kind == "slack":
        person = str(options.get("dm") or "")
        address = said.owner_email if person == "owner" else person
        channel = str(options.get("channel") or "")
        return direct_lane(address) if address else f"slack:{channel or 'dm:owner'}"
    if action.kind == "crm_task":
        return "crm_task"
    if action.kind == "crm_update":
        return f"crm_update:{said.crm_kind}:{said.crm_id}" if said.crm_id else f"crm_update:{said.subject_key}"
    own = f":{said.subject_key}" if definition.subject == "user" else ""
    return f"webhook:{action.destination}{own}"
