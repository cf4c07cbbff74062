"""The JSON Schema of a definition file, for editors: completion, hover texts, a first check. `parse` says the rest.

Draft 7, the newest that editors' YAML language server knows whole. Its first line in a file:
`# yaml-language-server: $schema=<path of the schema>`.
"""

from __future__ import annotations

from typing import Any

from pql.definition.actions import FIELDS, TIMING
from pql.definition.by_size import ACTIVATION_PCT
from pql.definition.comparisons import COMPARISONS
from pql.definition.names import CRITERIA, KNOWN_ATTRIBUTES, OPERANDS
from pql.definition.parse import KEYS, STATUSES
from pql.definition.schema_words import WORDS
from pql.definition.signals import MEASURES

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_YES: Schema = {"type": "boolean"}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_SCALARS: Schema = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_DURATION: Schema = {
    "type": "string",
    "pattern": r"^\s*\d+(\.\d+)?\s*(hours?|h|days?|d|weeks?|w)\s*$",
    "examples": ["7d", "2w", "48h"],
}
_NAME_PATTERN = "^[a-z][a-z0-9_]*$"
_CONDITION: Schema = {"$ref": "#/definitions/condition"}
_COMPARISON: Schema = {"$ref": "#/definitions/comparison"}


def json_schema() -> Schema:
    """The schema (draft 7) as plain JSON values; every key has a description."""
    properties = _top()
    assert set(properties) == set(KEYS)  # every section the reader knows
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "PQL definition",
        "description": "When an account is a product-qualified lead, and what happens then.",
        **_object("", properties, required=("definition",)),
        "definitions": {"condition": _condition(), "comparison": _comparison()},
    }


def _object(section: str, properties: Schema, required: tuple[str, ...] = (), **more: Any) -> Schema:
    """A mapping with these keys and no others, each with its words."""
    closed: Schema = {"type": "object", "properties": _told(section, properties), "additionalProperties": False}
    return closed | ({"required": list(required)} if required else {}) | more


def _told(section: str, properties: Schema) -> Schema:
    words = WORDS["any"] | WORDS[section]
    return {key: schema | {"description": words[key]} for key, schema in properties.items()}


def _map(values: Schema, what: str, keys: str = ".") -> Schema:
    """A mapping of names of one's own."""
    named = values if "description" in values else values | {"description": what}
    return {"type": "object", "patternProperties": {keys: named}, "additionalProperties": False}


def _choice(*words: str) -> Schema:
    return {"enum": list(words)}


def _list(items: Schema, least: int = 1, **more: Any) -> Schema:
    return {"type": "array", "items": items, "minItems": least} | more


def _top() -> Schema:
    sizes = _map(_NUMBER, "Its lower bound.", _NAME_PATTERN)
    exclude = {"domains": _TEXTS, "attributes": _map(_SCALARS, "Values that exclude."), "accounts": _TEXTS}
    stage = {"stage": _TEXT, "when": _CONDITION, "weight": {"type": "number", "exclusiveMinimum": 0}}
    return {
        "definition": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$", "examples": ["new-business"]},
        "title": _TEXT,
        "status": _choice(*STATUSES),
        "priority": {"type": "integer", "minimum": 0, "examples": [10, 100]},
        "subject": _choice("account", "user"),
        "complexity": _choice(*ACTIVATION_PCT),
        "reviewed": {"type": "string", "format": "date", "examples": ["2026-01-31"]},
        "events": _map(_event(), "An event of your own name.", _NAME_PATTERN),
        "only": _map(_SCALARS, "Values that may enter.") | {"examples": [{"plan": ["free", "trial"]}]},
        "exclude": _object("exclude", exclude),
        "size": _object("size", {"by": _TEXT, "from": sizes, "unknown": _TEXT}, ("by", "from", "unknown")),
        "signals": _map(_signal(), "A signal: one measure, usually with a window.", _NAME_PATTERN),
        "activation": {"type": "array", "items": _object("stage", stage, ("stage", "when"))},
        "criteria": _object("criteria", dict.fromkeys(CRITERIA, _CONDITION)),
        "score": _score(),
        "qualify": _CONDITION,
        "alive": _DURATION,
        **{key: _object(key, {"after": _DURATION}, ("after",)) for key in ("leave", "return", "stale")},
        "plays": {"type": "array", "items": _play()},
    }


def _event() -> Schema:
    tests = _object("where", {"in": _SCALARS, "not": _SCALARS, "min": _NUMBER, "max": _NUMBER, "exists": _YES})
    where = _map({"anyOf": [*_SCALARS["anyOf"], tests | {"minProperties": 1}]}, "What the property must be.")
    keys = {"event": _TEXTS, "where": where, "value": _TEXT, "passive": _YES}
    return {"anyOf": [*_TEXTS["anyOf"], _object("event", keys, ("event",))]}


def _signal() -> Schema:
    single = ("share", "time_to", "attribute")
    measures = {measure: _TEXT if measure in single else _TEXTS for measure in MEASURES}
    window = {"last": _DURATION, "first": _DURATION}
    options = {"per": _choice("user"), "min": _NUMBER, "max": _NUMBER, "of": _TEXT, "title": _TEXT}
    return _object("signal", measures | window | options, oneOf=[{"required": [measure]} for measure in MEASURES])


def _condition() -> Schema:
    known = dict.fromkeys(OPERANDS, _COMPARISON) | {
        "all": _list(_CONDITION),
        "any": _list(_CONDITION),
        "not": _CONDITION,
    }
    attributes = {name: _COMPARISON | {"description": f"The attribute `{name}`."} for name in KNOWN_ATTRIBUTES}
    compared = {
        "type": "object",
        "properties": attributes | _told("condition", known),
        "additionalProperties": _COMPARISON | {"description": "A signal of this definition, or `user.x`."},
        "minProperties": 1,
    }
    return {"anyOf": [_choice(*CRITERIA), compared]}


def _comparison() -> Schema:
    least = {"anyOf": [_NUMBER, _choice("by_size"), _map(_NUMBER, "For this size.", _NAME_PATTERN)]}
    tests = _comparisons() | {"min": least, "max": _NUMBER}
    assert set(tests) == set(COMPARISONS)
    return {"anyOf": [*_SCALARS["anyOf"], _object("comparison", tests, minProperties=1)]}


def _comparisons() -> Schema:
    between = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2, "examples": [[50, 1000]]}
    return {"between": between, "is": _SCALAR, "in": _SCALARS, "exists": _YES}


def _score() -> Schema:
    keys = _comparisons() | {"min": _NUMBER, "signal": _TEXT, "points": _NUMBER, "per": _NUMBER, "max": _NUMBER}
    keys |= {"half_life": _DURATION, "when": _COMPARISON, "title": _TEXT}
    lines = _list(_object("line", keys, ("signal", "points")))
    group = {"anyOf": [lines, _object("group", {"max": _NUMBER, "lines": lines}, ("lines",))]}
    cuts = {"type": "array", "items": _NUMBER, "minItems": 3, "maxItems": 3, "examples": [[75, 50, 25]]}
    ends = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2, "examples": [[0, 100]]}
    own = {name: group | {"description": WORDS["criteria"][name]} for name in CRITERIA}
    return {
        "type": "object",
        "properties": own
        | _told("score", {"scale": ends, "grades": _object("grades", {"fit": cuts, "engagement": cuts})}),
        "additionalProperties": group | {"description": "A group of points of your own name."},
    }


def _play() -> Schema:
    kinds = [
        _choice("newly_qualified", "left", "gone_quiet", "stuck"),
        *(_object("on", {kind: _NUMBER, "in": _DURATION}, (kind, "in")) for kind in ("score_up", "score_down")),
        *(_object("on", {kind: _DURATION}, (kind,)) for kind in ("gone_quiet", "stuck")),
        _object("on", {"stage": _TEXT}, ("stage",)),
        _object("on", {"near_limit": _TEXT, "min": _NUMBER}, ("near_limit", "min")),
    ]
    keys = {
        "play": _TEXT,
        "id": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        "on": {"anyOf": kinds},
        "if": _CONDITION,
        "next": _TEXT,
        "do": _list({"anyOf": _actions()}),
        **_timing(),
        "rearm": _DURATION,
        "at_most_every": _DURATION,
    }
    return _object("play", keys, ("play", "on", "do"))


def _timing() -> Schema:
    return {key: _choice(*words) for key, words in TIMING.items()}


def _actions() -> list[Schema]:
    to = {"destination": _TEXT}
    person = {"type": "string", "examples": ["owner", "dana@example.com"]}
    slack = {"channel": _TEXT | {"examples": ["#pql"]}, "dm": person, "mention": person, "broadcast": _YES}
    slack |= _timing() | to
    due = _TEXT | {"examples": ["1 business day", "4h"]}
    task = {"subject": _TEXT, "due": due, "body": _TEXT, "fallback_owner": _TEXT} | to
    said = "What the property gets: a field, a signal by its name, a template, a number or true/false."
    update = {
        "type": "object",
        "properties": _told("any", to),
        "additionalProperties": _SCALAR | {"examples": list(FIELDS), "description": said},
        "minProperties": 1,
    }
    written = {
        "slack": _object("slack", slack, anyOf=[{"required": ["channel"]}, {"required": ["dm"]}]),
        "crm_task": _object("crm_task", task, ("subject",)),
        "crm_update": update,
        "webhook": {"anyOf": [_TEXT, _object("any", to, ("destination",))]},
    }
    return [_object("do", {kind: options}, (kind,)) for kind, options in written.items()]
