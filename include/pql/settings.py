"""The project's settings: `include/settings.yaml` in, one frozen object out; secrets are named here, never kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pql.located_yaml import Items, Leaf, Mapping, Node, compose, did_you_mean, quoted
from pql.types import UserError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a folder of the zone database
        raise ValueError(f"there is no time zone {quoted(name)}, for example `Europe/Berlin`") from None
    return name


def _testable(where: dict[str, Any]) -> dict[str, Any]:
    for column, wanted in where.items():
        members = wanted if isinstance(wanted, list) else [wanted]
        tested = isinstance(wanted, dict) and set(wanted) == {"exists"} and isinstance(wanted["exists"], bool)
        if not tested and (not members or any(isinstance(m, dict | list) or m is None for m in members)):
            raise ValueError(f"column {quoted(column)} must be a value, a list of values or `{{exists: true}}`")
    return where


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Hours = Annotated[float, Field(gt=0)]
RowTest = Annotated[dict[str, Any], AfterValidator(_testable)]


class Emit(_Strict):
    """One kind of event a file row stands for. Column names unless said otherwise."""

    event: str | None = None  # column with the event's name
    name: str | None = None  # or: a fixed event name
    time: str
    time_format: str | None = None  # strptime format; else "ms", "s" or None for anything DuckDB reads as a timestamp
    timezone: TimeZone | None = None  # of these times, where they have no offset; default: the source's
    user: str | None = None
    anonymous: str | None = None
    account: str | None = None
    id: str | None = None  # unique id of the event; else a hash of the row
    where: RowTest = Field(default_factory=dict)  # column: value | [values] | {exists: true}
    user_traits: dict[str, str] = Field(default_factory=dict)  # attribute: column
    account_traits: dict[str, str] = Field(default_factory=dict)
    properties: list[str] | None = None  # columns kept as properties; None = all

    @model_validator(mode="after")
    def _one_name_and_somebody(self) -> Self:
        if (self.event is None) == (self.name is None):
            raise ValueError("say either `event` (the column with the event's name) or `name` (one fixed name)")
        if self.user is None and self.anonymous is None:
            raise ValueError("say who did it: `user` or `anonymous` (the column with the id), or both")
        return self


class FilesSource(_Strict):
    """Files: NDJSON, CSV or Parquet; local or on any fsspec store."""

    kind: Literal["files"]
    path: str  # glob, relative to the settings file, or an fsspec URL
    format: Literal["ndjson", "csv", "parquet"] | None = None  # None: by file name
    encoding: str = "utf-8"
    timezone: TimeZone | None = None  # of times without an offset; default: the project's
    late_after_hours: Hours | None = None  # behind its newest event; files cannot tell how far they are complete
    emits: list[Emit] = Field(min_length=1)


class MixpanelSource(_Strict):
    kind: Literal["mixpanel"]
    connection: str = "mixpanel_default"
    timezone: TimeZone = "UTC"  # of the Mixpanel project
    account: str | None = None  # property with the group/account id
    email: str = "$email"
    user_traits: dict[str, str] = Field(default_factory=dict)  # attribute: property
    account_traits: dict[str, str] = Field(default_factory=dict)
    lookback_days: int = 5
    history_days: int = 60  # what the first read loads
    settles_after_hours: float = Field(default=0, ge=0)  # how long after a moment its events may still come in
    late_after_hours: Hours | None = 3  # beyond what it needs to settle; two missed hours


class HubSpotSource(_Strict):
    kind: Literal["hubspot"]
    connection: str = "hubspot_default"
    attributes: dict[str, str] = Field(default_factory=dict)  # attribute: company property
    contact_attributes: dict[str, str] = Field(default_factory=dict)
    account_id_property: str | None = None  # company property holding the product's account id
    not_a_fit_property: str = "pql_not_a_fit"
    snooze_property: str = "pql_snooze_until"
    late_after_hours: Hours | None = 26  # a missed night


Source = Annotated[FilesSource | MixpanelSource | HubSpotSource, Field(discriminator="kind")]


class SlackDestination(_Strict):
    kind: Literal["slack"]
    connection: str = "slack_default"


class HubSpotDestination(_Strict):
    kind: Literal["hubspot"]
    connection: str = "hubspot_default"
    url: str = ""  # base of record links; default https://app.hubspot.com/contacts/<portal>


class WebhookDestination(_Strict):
    kind: Literal["webhook"]
    connection: str


DestinationSettings = Annotated[SlackDestination | HubSpotDestination | WebhookDestination, Field(discriminator="kind")]


class Settings(_Strict):
    """Everything that is a choice of the whole project, not of one definition."""

    timezone: TimeZone = "UTC"
    horizon_hours: float = 48
    sources: dict[str, Source] = Field(default_factory=dict)
    destinations: dict[str, DestinationSettings] = Field(default_factory=dict)
    own_domains: list[str] = Field(default_factory=list)  # own staff and test domains: never a subject
    free_mail_domains: list[str] = Field(default_factory=list)  # added to the built-in list
    ops_channel: str = ""  # Slack channel for failures and lateness; empty: nobody is told
    storm_floor: int = 50  # a run may announce max(floor, factor × busiest run of 14 days)
    storm_factor: float = 3
    volume_drop_pct: float = Field(default=70, gt=0, le=100)  # so far below its usual a source holds alerts; 100: never
    quarantine_pct: float = Field(default=5, ge=0, le=100)  # ops are told when a read had more unusable records
    retention_days: int = 400  # raw events
    hourly_scores_days: int = Field(default=35, ge=2)  # hourly snapshots; nightly ones are kept for ever
    quarantine_days: int = Field(default=90, ge=1)
    alerts_days: int = Field(default=400, ge=30)  # what finished deliveries and ended stays said


class Paths(_Strict):
    """Where this run's things are; each can be pointed elsewhere (option, else PQL_*, else beside the project)."""

    settings: Path
    definitions: Path
    lake: str  # folder or fsspec URL
    ledger: str  # SQLAlchemy URL


# ---------------------------------------------------------------------------------------------------------------
# Reading the file


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
            return line, f"`{last}`{inside} cannot be {quoted(error['input'])}", f"it can be {expected}"
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
    }
    if not loc:
        return list(Settings.model_fields)
    model = Emit if "emits" in loc else kinds.get(str(loc[-1]))
    return list(model.model_fields) if model is not None else []
