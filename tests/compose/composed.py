"""docker-compose.yaml as Docker Compose reads it: anchors merged, variables filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ruamel.yaml import YAML

from pql.pipeline.project import ROOT

FILE = ROOT / "docker-compose.yaml"
EXAMPLE = ROOT / ".env.example"
PROJECT_IN_IMAGE = "/opt/pql"
REFERENCE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<word>[^}]*))?\}")


class Missing(Exception):
    """A required variable has no value; the message says what to do, as Compose would."""


def raw() -> dict[str, Any]:
    """The file with its anchors merged and its variables as they are written."""
    loaded: dict[str, Any] = YAML(typ="safe").load(FILE.read_text())
    return loaded


def services(variables: Mapping[str, str], profiles: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """name → service, of those that `docker compose --profile … up` would start."""
    chosen = set(profiles)
    found = {
        name: service
        for name, service in raw()["services"].items()
        if not service.get("profiles") or chosen & set(service["profiles"])
    }
    return {name: _filled(service, variables) for name, service in found.items()}


def variables_of_the_file() -> set[str]:
    """Every variable the file reads: `${NAME…}`, and names that are handed on without a value."""
    named = {match["name"] for match in REFERENCE.finditer(FILE.read_text()) if match["name"]}
    handed_on = {
        name
        for service in raw()["services"].values()
        for name, v in service.get("environment", {}).items()
        if v is None
    }
    return named | handed_on


def example() -> dict[str, str]:
    """.env.example: name → value, those in comments with the default they tell."""
    lines = re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    return dict(lines)


def required() -> list[str]:
    """The names .env.example leaves for the reader to fill in."""
    return re.findall(r"^([A-Z][A-Z0-9_]*)=$", EXAMPLE.read_text(), re.MULTILINE)


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: _replacement(match, variables), value)
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    if isinstance(value, dict):
        return {
            key: variables.get(key) if item is None else _filled(item, variables)
            for key, item in value.items()
            if item is not None or key in variables
        }
    return value


def _replacement(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match[0] == "$$":
        return "$"
    value = variables.get(match["name"], "")
    if value or not match["how"]:
        return value
    if match["how"] == ":?":
        raise Missing(f"{match['name']}: {match['word']}")
    return match["word"]
