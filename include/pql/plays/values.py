"""One scored row and its alert in, the names a template can use out (the list is `pql.definition.templates.VALUES`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pql.definition.model import Definition
from pql.definition.templates import VALUES
from pql.scoring.reasons import is_unknown
from pql.types import Alert, Reason

_MADE_HERE = ("top_reason", "reasons", "definition", "title")  # the alert has them too, in another shape
_FROM_ALERT = tuple(name for name in VALUES if name not in _MADE_HERE)


def template_values(definition: Definition, row: Mapping[str, Any], said: Alert) -> dict[str, Any]:
    """Signals, fields of the alert, and `account.x` / `user.x` for attributes; None is unknown.

    A field of the alert wins over a signal of the same name: that is what the message shows.
    """
    values: dict[str, Any] = {s.name: plain(row.get(f"signal.{s.name}")) for s in definition.signals}
    values |= {name: getattr(said, name) for name in _FROM_ALERT}
    attributes = {name.removeprefix("attr."): plain(row[name]) for name in row if name.startswith("attr.")}
    return values | {
        "reasons": [line(reason) for reason in said.reasons],
        "top_reason": _top(said),
        "definition": definition.id,
        "title": definition.title,
        "qualified": bool(row["qualified"]),
        "account": {"name": said.account_name}
        | {name: value for name, value in attributes.items() if not name.startswith("user.") and value is not None},
        "user": {name.removeprefix("user."): value for name, value in attributes.items() if name.startswith("user.")},
    }


def _top(said: Alert) -> str:
    """The strongest of what they did; how well the account fits is why one may call, seldom why now."""
    gains = [reason for reason in said.reasons if reason.points > 0]
    did = [reason for reason in gains if reason.group != "fit"]
    return next((reason.text for reason in (*did, *gains)), said.headline)


def line(reason: Reason) -> str:
    """
    >>> line(Reason(25, "turned on self-serve billing")), line(Reason(-5, "free mail")), line(Reason(0, "size unknown"))
    ('+25 turned on self-serve billing', '−5 free mail', 'size unknown')
    """
    return f"{'+' if reason.points > 0 else '−'}{abs(reason.points)} {reason.text}" if reason.points else reason.text


def plain(value: object) -> object:
    """The value as JSON knows it: str, int, float, bool or None; instants as ISO text."""
    if is_unknown(value):
        return None
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else str(value)
