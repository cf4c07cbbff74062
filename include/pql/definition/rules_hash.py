"""A definition in, its version out: a hash of everything that decides, nothing that only words (SEM-Q5)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from pql.definition.model import Definition

_WORDS = ("title", "plays", "path", "reviewed", "rules_hash", "lines")
_UNORDERED = ("events", "signals", "only", "criteria")  # sections in which the order says nothing


def rules_hash(definition: Definition) -> str:
    """12 hex digits, equal for equal rules: not changed by titles, plays, comments, or the order of named things."""
    rules = {key: value for key, value in asdict(definition).items() if key not in _WORDS}
    for key in _UNORDERED:
        rules[key] = sorted(rules[key], key=_written)
    return hashlib.sha256(_written(_untitled(rules)).encode()).hexdigest()[:12]


def _untitled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untitled(inner) for key, inner in value.items() if key != "title"}
    return [_untitled(inner) for inner in value] if isinstance(value, list | tuple) else value


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True)
