"""Every choice of the whole project, with its default and a word about it; the words make docs/reference/settings.md.

The word stands below its key. `make docs` reads it there, so it costs an import nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pql.located_yaml import quoted


class Strict(BaseModel):
    """What all of them have in common: no key that is not known, and no change."""

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


def _time_of_day(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError(f"{quoted(text)} is no time of day, for example `08:30`")
    return text


TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Days = Annotated[tuple[Day, ...], Field(min_length=1)]
WORKDAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Hours = Annotated[float, Field(gt=0)]
RowTest = Annotated[dict[str, Any], AfterValidator(_testable)]


class Emit(Strict):
    """One kind of event a file row stands for. Column names unless said otherwise."""

    event: str | None = None
    """column with the event's name"""
    name: str | None = None
    """or: one fixed name"""
    time: str
    """when it happened"""
    time_format: str | None = None
    """null: ISO 8601 and whatever else DuckDB reads as a timestamp; `ms` or `s` since 1970; or a strptime format such
    as `%d-%m-%Y %H:%M`"""
    timezone: TimeZone | None = None
    """of these times, where they have no offset; null: the source's"""
    user: str | None = None
    """the user's id"""
    anonymous: str | None = None
    """the visitor's or device's id. A row with both ids joins what the visitor did to the user"""
    account: str | None = None
    """the account's explicit id, where the data has one"""
    id: str | None = None
    """unique id of the event; null: the row itself, so the same row twice is one event"""
    where: RowTest = Field(default_factory=dict)
    """only rows with these values: `column: value`, `column: [one, of, these]` or `column: {exists: true}`"""
    user_traits: dict[str, str] = Field(default_factory=dict)
    """attribute: column. `email` and `name` are used by identity and messages"""
    account_traits: dict[str, str] = Field(default_factory=dict)
    """attribute: column, of the account named by `account`. `name` is used in messages"""
    properties: list[str] | None = None
    """list of columns kept as the event's properties; null: all of them"""

    @model_validator(mode="after")
    def _one_name_and_somebody(self) -> Self:
        if (self.event is None) == (self.name is None):
            raise ValueError("say either `event` (the column with the event's name) or `name` (one fixed name)")
        if self.user is None and self.anonymous is None:
            raise ValueError("say who did it: `user` or `anonymous` (the column with the id), or both")
        return self


class FilesSource(Strict):
    """Files: NDJSON, CSV or Parquet; local or on any fsspec store."""

    kind: Literal["files"]
    """`files`"""
    path: str
    """a glob, relative to the settings file (`exports/*.json.gz`), or a URL that fsspec knows"""
    format: Literal["ndjson", "csv", "parquet"] | None = None
    """`ndjson`, `csv` or `parquet`; null: by the file's name (`.ndjson`, `.jsonl`, `.json`, `.csv`, `.tsv`,
    `.parquet`). `.gz`, `.bz2`, `.xz` and `.zst` are unpacked on the way"""
    encoding: str = "utf-8"
    """of text files"""
    timezone: TimeZone | None = None
    """of times without an offset; null: the project's"""
    late_after_hours: Hours | None = None
    """ops are told when its newest event is older than so; null: files come when they come"""
    emits: list[Emit] = Field(min_length=1)
    """the kinds of event a row stands for, at least one; a row may be several"""


class MixpanelSource(Strict):
    """Mixpanel's raw export, by whole days."""

    kind: Literal["mixpanel"]
    """`mixpanel`"""
    connection: str = "mixpanel_default"
    """host, service account (login, password), and `project_id` in `extra`"""
    timezone: TimeZone = "UTC"
    """of the Mixpanel project: its days, and the times of older projects"""
    account: str | None = None
    """property with the account's or group's id"""
    email: str = "$email"
    """property with the user's e-mail"""
    user_traits: dict[str, str] = Field(default_factory=dict)
    """attribute: property"""
    account_traits: dict[str, str] = Field(default_factory=dict)
    """attribute: property, of the account named by `account`"""
    lookback_days: int = 5
    """days that a nightly run reads again"""
    history_days: int = 60
    """days that the first read loads"""
    settles_after_hours: float = Field(default=0, ge=0)
    """how long after a moment its events may still come in. What rests on absence (`days_since`, quiet, stuck, leaving)
    is decided only by a run that read the source this long after its own moment; whatever counting proves is decided at
    once. 0: what was exported is taken to be all. With more, runs at their usual minute decide no absence at all: then
    clear the night in Airflow, or `pql run --kind nightly --as-of …`, when that time has passed"""
    late_after_hours: Hours | None = 3
    """ops are told when it has not been complete for so long, beyond `settles_after_hours`; null: never"""


class HubSpotSource(Strict):
    """HubSpot's companies, contacts, owners, deals, meetings."""

    kind: Literal["hubspot"]
    """`hubspot`"""
    connection: str = "hubspot_default"
    """the private app's token"""
    attributes: dict[str, str] = Field(default_factory=dict)
    """attribute: company property"""
    contact_attributes: dict[str, str] = Field(default_factory=dict)
    """attribute: contact property"""
    account_id_property: str | None = None
    """company property that holds the product's own account id"""
    not_a_fit_property: str = "pql_not_a_fit"
    """company property with which a rep says that it is no fit"""
    snooze_property: str = "pql_snooze_until"
    """company property with which a rep snoozes the account"""
    late_after_hours: Hours | None = 26
    """ops are told when it has not been read for so long; null: never"""


Source = Annotated[FilesSource | MixpanelSource | HubSpotSource, Field(discriminator="kind")]


class SlackDestination(Strict):
    """Slack, through one app's bot."""

    kind: Literal["slack"]
    """`slack`"""
    connection: str = "slack_default"
    """the bot token"""


class HubSpotDestination(Strict):
    """HubSpot's tasks, and properties written back."""

    kind: Literal["hubspot"]
    """`hubspot`"""
    connection: str = "hubspot_default"
    """the private app's token"""
    url: str = ""
    """base of record links; empty: HubSpot's own for the token's portal"""


class WebhookDestination(Strict):
    """One receiver of webhooks."""

    kind: Literal["webhook"]
    """`webhook`"""
    connection: str
    """the receiver's address and signing secret"""


DestinationSettings = Annotated[SlackDestination | HubSpotDestination | WebhookDestination, Field(discriminator="kind")]


class WorkingHours(Strict):
    """When people are at work; local to each of them."""

    days: Days = WORKDAYS
    """of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`"""
    opens: TimeOfDay = "08:00"
    """when work begins"""
    closes: TimeOfDay = "18:00"
    """when it ends, later on the same day"""
    time_zones: dict[str, TimeZone] = Field(default_factory=dict)
    """e-mail → time zone, of people who are elsewhere. Everybody else, and every channel, is where the project is"""

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError(f"`closes` ({self.closes}) must come after `opens` ({self.opens})")
        return self


class Settings(Strict):
    """Everything that is a choice of the whole project, not of one definition."""

    timezone: TimeZone = "UTC"
    """in which days begin and end, for windows, sign-up days and due dates. A lake remembers it and refuses another
    one. `PQL_TIMEZONE` must say the same"""
    horizon_hours: float = 48
    """a run whose moment is older decides nothing and reports who would have been announced"""
    sources: dict[str, Source] = Field(default_factory=dict)
    """name → source, see below"""
    destinations: dict[str, DestinationSettings] = Field(default_factory=dict)
    """name → destination, see below. `slack:` actions go to the one named `slack`, `crm_task:` and `crm_update:` to the
    one named `hubspot`, unless the action says `destination:`"""
    own_domains: list[str] = Field(default_factory=list)
    """own staff and test domains: they never qualify"""
    free_mail_domains: list[str] = Field(default_factory=list)
    """added to the built-in list; somebody with such an address and no company is an account of one"""
    ops_channel: str = ""
    """Slack channel that is told once when a DAG fails, a source is late or brings far less or far more than
    usual, too much is quarantined, deliveries are given up, held or unclear, or differ from what stands there, and once
    when that is over; it is posted to through `slack_default`. Empty: nobody is told"""
    working_hours: WorkingHours | None = None
    """outside of them Slack messages wait, unless their play says `hours: any`; see below. null: they go at any time"""
    digest_at: TimeOfDay = "08:30"
    """when plays with `how: digest` speak: one table a channel or person, in the project's time zone, or in the
    person's own of `working_hours`"""
    digest_days: Days = WORKDAYS
    """on which days"""
    table_above: int | None = Field(default=5, ge=1)
    """when a run has messages about more than so many accounts for one channel or person, they come as one table, each
    message in its thread; null: never"""
    storm_floor: int = 50
    """a run may announce max(`storm_floor`, `storm_factor` × the busiest run of 14 days) accounts; if it wanted more,
    all are held and somebody is asked, in Airflow, on the page and by `pql storms`"""
    storm_factor: float = 3
    """see `storm_floor`"""
    storm_answer_hours: float = Field(default=24, gt=0, le=168)
    """how long Airflow waits for an answer about what is held; then it stays held and can still be answered on the page
    and by `pql storms`"""
    volume_drop_pct: float = Field(default=70, gt=0, le=100)
    """a run holds its alerts, and decides nothing that rests on absence, while a source brought so many % fewer events
    than it usually does at this hour of the week; `100`: never"""
    volume_surge_factor: float = Field(default=10, ge=0)
    """a run holds its alerts while a source brought more than so many times the events that it usually does at this
    hour of the week; `0`: never"""
    quarantine_pct: float = Field(default=5, ge=0, le=100)
    """ops are told when more than so many % of the records of a source's last read could not be used"""
    retract_within_days: float = Field(default=14, ge=0)
    """how long after an announcement late or corrected data can still take it back: the Slack message is struck out,
    the CRM task closed, webhooks are told. Each live night looks; `0`: never"""
    retention_days: int = 400
    """how long raw events are kept behind their source's newest one. Every live night of `nightly_scores` ends by
    removing older ones, once their daily usage is kept (for ever); while a definition has errors, none go"""
    hourly_scores_days: int = Field(default=35, ge=2)
    """how long hourly snapshots are kept; nightly ones are kept for ever"""
    quarantine_days: int = Field(default=90, ge=1)
    """how long records are kept that could not be used"""
    reconcile_days: int = Field(default=2, ge=1)
    """how far back every live night reads what stands at Slack and HubSpot and holds it against the ledger (`pql
    reconcile`)"""
    alerts_days: int = Field(default=400, ge=30)
    """how long finished deliveries and ended stays keep what they said (people, reasons); that they were, when and with
    which receipt is kept"""


class Paths(Strict):
    """Where this run's things are; each can be pointed elsewhere (option, else PQL_*, else beside the project)."""

    settings: Path
    definitions: Path
    lake: str  # folder or fsspec URL
    ledger: str  # SQLAlchemy URL
