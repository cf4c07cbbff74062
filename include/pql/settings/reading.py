"""The settings file read: YAML in, `Settings` out, or every mistake with its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pql.located_yaml import Items, Leaf, Mapping, Node, compose, did_you_mean, quoted
from pql.settings.model import (
    Emit,
    FilesSource,
    HubSpotDestination,
    HubSpotSource,
    MixpanelSource,
    Settings,
    SlackDestination,
    WebhookDestination,
    WorkingHours,
)
from pql.types import UserError


def load_settings(path: Path) -> Settings:
    """The settings written in a file, with the paths of its local sources made absolute.

    Raises UserError naming every problem as `file:line: what is wrong`.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}:1: the file is not UTF-8 — save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: the settings cannot be read: {error.strerror or error}") from error
    tree, faults = compose(text)
    if tree is None or faults:
        raise UserError("\n".join(_line(path, f.line, f.message, f.hint) for f in faults))
    try:
        settings = Settings.model_validate(_plain(tree))
    except ValidationError as errors:
        found = sorted({_problem(tree, error) for error in errors.errors()})
        raise UserError("\n".join(_line(path, *problem) for problem in found)) from None
    sources = {name: _located(source, path.parent) for name, source in settings.sources.items()}
    return settings.model_copy(update={"sources": sources})


def _located(source: FilesSource | MixpanelSource | HubSpotSource, folder: Path) -> object:
    if not isinstance(source, FilesSource) or "://" in source.path:
        return source
    return source.model_copy(update={"path": os.path.normpath(folder.resolve() / source.path)})


def _line(path: Path, line: int, message: str, hint: str) -> str:
    return f"{path}:{line}: {message}" + (f" — {hint}" if hint else "")


def _plain(node: Node) -> Any:
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Items):
        return [_plain(item) for item in node.items]
    return {entry.key: _plain(entry.value) for entry in node.entries}


def _problem(tree: Node, error: ErrorDetails) -> tuple[int, str, str]:
    """(line, message, hint) of one of pydantic's errors."""
    loc = error["loc"]
    line, where = _place(tree, loc)
    last, kind, context = str(loc[-1]) if loc else "settings", error["type"], error.get("ctx", {})
    inside = f" of {where}" if where else ""
    match kind:
        case "missing":
            return line, f"`{last}`{inside} is missing", ""
        case "extra_forbidden":
            return line, f"unknown key `{last}`{inside}", did_you_mean(last, _keys(loc[:-1]))
        case "union_tag_invalid":
            kinds = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
            return (
                line,
                f"`{last}` cannot be of kind {quoted(context['tag'])}",
                did_you_mean(str(context["tag"]), kinds),
            )
        case "union_tag_not_found":
            return line, f"`{last}`{inside} does not say its `kind`", ""
        case "literal_error":
            expected = str(context["expected"]).replace("'", "`")
            what = where if loc and isinstance(loc[-1], int) else f"`{last}`{inside}"  # of a list: its place says it
            return line, f"{what} cannot be {quoted(error['input'])}", f"it can be {expected}"
        case "value_error":
            return line, f"{where or last}: {context['error']}", ""
    given = error["input"]
    shown = "" if isinstance(given, dict | list) else f", not {'empty' if given is None else quoted(given)}"
    return line, f"`{last}`{inside}: {error['msg'][0].lower()}{error['msg'][1:]}{shown}", ""


def _place(tree: Node, loc: tuple[int | str, ...]) -> tuple[int, str]:
    """(line, what the last part belongs to): follows a location as far as the file goes; union tags are not in it."""
    node, line, path = tree, tree.line, []
    for part in loc:
        if isinstance(node, Mapping):
            entry = next((e for e in node.entries if e.key == part), None)
            if entry is not None:
                node, line = entry.value, entry.line
                path.append(str(part))
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line = node.line
            path.append(str(part + 1))
    owners = path[:-1] if loc and path and path[-1] == str(loc[-1]) else path
    return line, f"`{' '.join(owners)}`" if owners else ""


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys known where `loc` points."""
    kinds: dict[str, type[BaseModel]] = {
        "files": FilesSource,
        "mixpanel": MixpanelSource,
        "hubspot": HubSpotSource if loc and loc[0] == "sources" else HubSpotDestination,
        "slack": SlackDestination,
        "webhook": WebhookDestination,
        "working_hours": WorkingHours,
    }
    if not loc:
        return list(Settings.model_fields)
    model = Emit if "emits" in loc else kinds.get(str(loc[-1]))
    return list(model.model_fields) if model is not None else []
