"""The project's settings: `include/settings.yaml` in, one frozen object out; secrets are named here, never kept."""

from pql.settings.model import (
    DestinationSettings,
    Emit,
    FilesSource,
    HubSpotDestination,
    HubSpotSource,
    MixpanelSource,
    Paths,
    Settings,
    SlackDestination,
    Source,
    WebhookDestination,
    WorkingHours,
)
from pql.settings.reading import load_settings

__all__ = [
    "DestinationSettings",
    "Emit",
    "FilesSource",
    "HubSpotDestination",
    "HubSpotSource",
    "MixpanelSource",
    "Paths",
    "Settings",
    "SlackDestination",
    "Source",
    "WebhookDestination",
    "WorkingHours",
    "load_settings",
]
