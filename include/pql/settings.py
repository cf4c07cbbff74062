"""The project's settings: `include/settings.yaml` in, one frozen object out; secrets are named here, never kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Emit(_Strict):
    """One kind of event a file row stands for. Column names unless said otherwise."""

    event: str | None = None  # column with the event's name
    name: str | None = None  # or: a fixed event name
    time: str
    time_format: str | None = None  # strptime format; else "ms", "s" or None for anything DuckDB reads as a timestamp
    user: str | None = None
    anonymous: str | None = None
    account: str | None = None
    id: str | None = None  # unique id of the event; else a hash of the row
    where: dict[str, Any] = Field(default_factory=dict)  # column: value | [values] | {exists: true}
    user_traits: dict[str, str] = Field(default_factory=dict)  # attribute: column
    account_traits: dict[str, str] = Field(default_factory=dict)
    properties: list[str] | None = None  # columns kept as properties; None = all


class FilesSource(_Strict):
    """Files: NDJSON, CSV or Parquet; local or on any fsspec store."""

    kind: Literal["files"]
    path: str  # glob, relative to the settings file, or an fsspec URL
    format: Literal["ndjson", "csv", "parquet"] | None = None  # None: by file name
    encoding: str = "utf-8"
    timezone: str | None = None  # of times without an offset; default: the project's
    emits: list[Emit]


class MixpanelSource(_Strict):
    kind: Literal["mixpanel"]
    connection: str = "mixpanel_default"
    timezone: str = "UTC"  # of the Mixpanel project
    account: str | None = None  # property with the group/account id
    email: str = "$email"
    user_traits: dict[str, str] = Field(default_factory=dict)  # attribute: property
    account_traits: dict[str, str] = Field(default_factory=dict)
    lookback_days: int = 5
    history_days: int = 60  # what the first read loads


class HubSpotSource(_Strict):
    kind: Literal["hubspot"]
    connection: str = "hubspot_default"
    attributes: dict[str, str] = Field(default_factory=dict)  # attribute: company property
    contact_attributes: dict[str, str] = Field(default_factory=dict)
    account_id_property: str | None = None  # company property holding the product's account id
    not_a_fit_property: str = "pql_not_a_fit"
    snooze_property: str = "pql_snooze_until"


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


DestinationSettings = Annotated[
    SlackDestination | HubSpotDestination | WebhookDestination, Field(discriminator="kind")
]


class Settings(_Strict):
    """Everything that is a choice of the whole project, not of one definition."""

    timezone: str = "UTC"
    horizon_hours: float = 48
    sources: dict[str, Source] = Field(default_factory=dict)
    destinations: dict[str, DestinationSettings] = Field(default_factory=dict)
    own_domains: list[str] = Field(default_factory=list)  # own staff and test domains: never a subject
    free_mail_domains: list[str] = Field(default_factory=list)  # added to the built-in list
    ops_channel: str = ""  # Slack channel for failures and lateness; empty: nobody is told
    storm_floor: int = 50  # a run may announce max(floor, factor × busiest run of 14 days)
    storm_factor: float = 3
    retention_days: int = 400


class Paths(_Strict):
    """Where this run's things are; each can be pointed elsewhere (option, else PQL_*, else beside the project)."""

    settings: Path
    definitions: Path
    lake: str  # folder or fsspec URL
    ledger: str  # SQLAlchemy URL
