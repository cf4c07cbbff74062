"""The JSON Schema of a definition file, for editors: completion and a first check. The last word is `parse`.

In an editor with the YAML language server: `# yaml-language-server: $schema=<path of the file>` as the first line.
"""

from __future__ import annotations

from typing import Any

from pql.definition.actions import FIELDS
from pql.definition.by_size import ACTIVATION_PCT
from pql.definition.comparisons import COMPARISONS
from pql.definition.names import CRITERIA, KNOWN_ATTRIBUTES, OPERANDS
from pql.definition.parse import KEYS, STATUSES
from pql.definition.signals import MEASURES

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_SCALARS: Schema = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_DURATION: Schema = {
    "type": "string",
    "pattern": r"^\s*\d+(\.\d+)?\s*(hours?|h|days?|d|weeks?|w)\s*$",
    "examples": ["7d", "2w", "48h"],
}
_NAME_PATTERN = "^[a-z][a-z0-9_]*$"

_MEASURE_WORDS = {
    "count": "How often it happened.",
    "active_days": "Local days on which it happened.",
    "users": "How many different users did it.",
    "sum": "Sum of the event's `value`.",
    "average": "Average of the event's `value`.",
    "distinct": "How many of the named events were used, or `event.property`: how many values it had.",
    "days_since": "Days since the last one; from sign-up if never.",
    "time_to": "Hours from sign-up to an event or a stage.",
    "change": "This window against the one before, in %.",
    "share": "Of a limit (`of`), in %.",
    "attribute": "Of the account (CRM, billing); of the user as `user.x`.",
    "sessions": "Sessions, cut at gaps of 30 minutes.",
    "minutes": "Minutes in sessions.",
}


def json_schema() -> Schema:
    """The schema (draft 2020-12) as plain JSON values."""
    properties = _properties()
    assert set(properties) == set(KEYS)  # every section the reader knows
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "PQL definition",
        **_object(properties, required=("definition",)),
        "$defs": {"condition": _condition(), "comparison": _comparison()},
    }


def _object(properties: Schema, required: tuple[str, ...] = (), **more: Any) -> Schema:
    closed: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return closed | ({"required": list(required)} if required else {}) | more


def _map(values: Schema, keys: str = ".") -> Schema:
    return {"type": "object", "patternProperties": {keys: values}, "additionalProperties": False}


def _choice(*words: str) -> Schema:
    return {"enum": list(words)}


def _properties() -> Schema:
    after = _object({"after": _DURATION}, required=("after",))
    condition = {"$ref": "#/$defs/condition"}
    return {
        "definition": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$", "description": "Its id."},
        "title": _TEXT,
        "status": _choice(*STATUSES),
        "priority": {"type": "integer", "minimum": 0, "description": "The lowest speaks first."},
        "subject": _choice("account", "user"),
        "complexity": _choice(*ACTIVATION_PCT),
        "reviewed": {"type": "string", "format": "date"},
        "events": _map(_event(), _NAME_PATTERN),
        "only": _map(_SCALARS),
        "exclude": _object({"domains": _TEXTS, "attributes": _map(_SCALARS), "accounts": _TEXTS}),
        "size": _object(
            {"by": _TEXT, "from": _map(_NUMBER, _NAME_PATTERN), "unknown": _TEXT}, ("by", "from", "unknown")
        ),
        "signals": _map(_signal(), _NAME_PATTERN),
        "activation": {
            "type": "array",
            "items": _object(
                {"stage": _TEXT, "when": condition, "weight": {"type": "number", "exclusiveMinimum": 0}},
                ("stage", "when"),
            ),
        },
        "criteria": _object(dict.fromkeys(CRITERIA, condition)),
        "score": _score(),
        "qualify": condition,
        "alive": _DURATION,
        "leave": after,
        "return": after,
        "stale": after,
        "plays": {"type": "array", "items": _play()},
    }


def _event() -> Schema:
    tests = {"in": _SCALARS, "not": _SCALARS, "min": _NUMBER, "max": _NUMBER, "exists": {"type": "boolean"}}
    where = _map({"anyOf": [*_SCALARS["anyOf"], _object(tests, minProperties=1)]})
    long = _object(
        {"event": _TEXTS, "where": where, "value": _TEXT, "passive": {"type": "boolean"}}, required=("event",)
    )
    return {"anyOf": [*_TEXTS["anyOf"], long]}


def _signal() -> Schema:
    measures = {
        measure: (_TEXT if measure in ("share", "time_to", "attribute") else _TEXTS)
        | {"description": _MEASURE_WORDS[measure]}
        for measure in MEASURES
    }
    options = {
        "last": _DURATION,
        "first": _DURATION,
        "per": _choice("user"),
        "min": _NUMBER,
        "max": _NUMBER,
        "of": _TEXT,
        "title": _TEXT,
    }
    return _object(measures | options, oneOf=[{"required": [measure]} for measure in MEASURES])


def _condition() -> Schema:
    this = {"$ref": "#/$defs/condition"}
    members = {"type": "array", "items": this, "minItems": 1}
    known = {key: {"$ref": "#/$defs/comparison"} for key in (*OPERANDS, *KNOWN_ATTRIBUTES)}
    return {
        "anyOf": [
            _choice(*CRITERIA),
            {
                "type": "object",
                "properties": known | {"all": members, "any": members, "not": this},
                "additionalProperties": {"$ref": "#/$defs/comparison"},  # the definition's own signals
                "minProperties": 1,
            },
        ]
    }


def _comparison() -> Schema:
    least = {"anyOf": [_NUMBER, _choice("by_size"), _map(_NUMBER, _NAME_PATTERN)]}
    tests = {
        "min": least,
        "max": _NUMBER,
        "between": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
        "is": _SCALAR,
        "in": _SCALARS,
        "exists": {"type": "boolean"},
    }
    assert set(tests) == set(COMPARISONS)
    return {"anyOf": [*_SCALARS["anyOf"], _object(tests, minProperties=1)]}


def _score() -> Schema:
    comparison = {"$ref": "#/$defs/comparison"}
    short = _comparison()["anyOf"][-1]["properties"]
    line = _object(
        {key: short[key] for key in ("min", "between", "is", "in", "exists")}
        | {"signal": _TEXT, "points": _NUMBER, "per": _NUMBER, "max": _NUMBER}
        | {"half_life": _DURATION, "when": comparison, "title": _TEXT},
        required=("signal", "points"),
    )
    lines = {"type": "array", "items": line, "minItems": 1}
    group = {"anyOf": [lines, _object({"max": _NUMBER, "lines": lines}, required=("lines",))]}
    cuts = {"type": "array", "items": _NUMBER, "minItems": 3, "maxItems": 3}
    return {
        "type": "object",
        "properties": {
            "scale": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
            "grades": _object({"fit": cuts, "engagement": cuts}),
        },
        "additionalProperties": group,
    }


def _play() -> Schema:
    days = _DURATION
    kinds = [
        _choice("newly_qualified", "left", "gone_quiet", "stuck"),
        *(_object({kind: _NUMBER, "in": days}, (kind, "in")) for kind in ("score_up", "score_down")),
        *(_object({kind: days}, (kind,)) for kind in ("gone_quiet", "stuck")),
        _object({"stage": _TEXT}, ("stage",)),
        _object({"near_limit": _TEXT, "min": _NUMBER}, ("near_limit", "min")),
    ]
    return _object(
        {
            "play": _TEXT,
            "id": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
            "on": {"anyOf": kinds},
            "if": {"$ref": "#/$defs/condition"},
            "next": _TEXT,
            "do": {"type": "array", "items": {"anyOf": _actions()}, "minItems": 1},
            "how": _choice("instant"),
            "rearm": days,
            "at_most_every": days,
        },
        required=("play", "on", "do"),
    )


def _actions() -> list[Schema]:
    to = {"destination": _TEXT}
    slack = _object({"channel": _TEXT, "dm": _TEXT, "mention": _TEXT} | to, minProperties=1)
    task = _object(dict.fromkeys(("subject", "due", "body", "fallback_owner"), _TEXT) | to, required=("subject",))
    update = {"type": "object", "additionalProperties": _SCALAR | {"examples": list(FIELDS)}, "minProperties": 1}
    webhook = {"anyOf": [_TEXT, _object(to, required=("destination",))]}
    written = {"slack": slack, "crm_task": task, "crm_update": update, "webhook": webhook}
    return [_object({kind: options}, required=(kind,)) for kind, options in written.items()]
