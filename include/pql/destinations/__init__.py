"""Destinations: a name from the settings in; the object that carries out its orders, one per system, out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pql import settings as project
from pql.clients.hubspot import HubSpot
from pql.clients.slack import Slack
from pql.clients.webhook import WebhookEndpoint
from pql.destinations.hubspot import HubSpotDestination
from pql.destinations.record_links import RecordLinks
from pql.destinations.slack import SlackDestination
from pql.destinations.webhook import WebhookDestination
from pql.types import Alert, Connections, Destination, UnknownConnection, UserError

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """The real time in UTC: what signatures and due dates are about, whatever moment is being evaluated."""
    return datetime.now(UTC)  # noqa: TID251  # an attempt happens now, not at the as-of


def build(name: str, settings: project.Settings, connections: Connections, *, clock: Clock = wall_clock) -> Destination:
    """The destination of that name, ready to send.

    Raises UserError for a name the settings do not know and UnknownConnection for a missing connection.
    """
    chosen = settings.destinations.get(name)
    if chosen is None:
        known = ", ".join(sorted(settings.destinations)) or "none"
        raise UserError(f"There is no destination `{name}` in the settings (known: {known}).")
    connection = connections(chosen.connection)
    if isinstance(chosen, project.SlackDestination):
        return SlackDestination(Slack(connection), record_url=record_links(settings, connections))
    if isinstance(chosen, project.HubSpotDestination):  # one attempt: waiting and trying again is the outbox's business
        return HubSpotDestination(HubSpot(connection, attempts=1), clock=clock, timezone=settings.timezone)
    return WebhookDestination(WebhookEndpoint(connection, clock=clock))


def record_links(settings: project.Settings, connections: Connections) -> Callable[[Alert], str]:
    """How to link to an alert's CRM record; always "" where the project has no HubSpot."""
    for one in settings.destinations.values():
        if isinstance(one, project.HubSpotDestination):
            try:
                return RecordLinks(connections(one.connection), one.url)
            except UnknownConnection:
                break
    return lambda alert: ""


__all__ = ["build", "record_links", "wall_clock"]
