"""Destinations: a name from the settings in; the object that carries out its orders, one file per system, out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

from pql import settings as project
from pql.clients.hubspot import HubSpot
from pql.clients.slack import Slack
from pql.clients.webhook import WebhookEndpoint
from pql.destinations.hubspot import HubSpotDestination
from pql.destinations.slack import SlackDestination
from pql.destinations.webhook import WebhookDestination
from pql.types import Alert, Connections, Destination, UnknownConnection, UserError

Clock = Callable[[], datetime]

_RECORD_TYPES = {"company": "0-2", "contact": "0-1"}  # HubSpot's object type ids, as in its own record links


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
    if isinstance(chosen, project.HubSpotDestination):
        return HubSpotDestination(HubSpot(connection), clock=clock, timezone=settings.timezone)
    return WebhookDestination(WebhookEndpoint(connection, clock=clock))


def record_links(settings: project.Settings, connections: Connections) -> Callable[[Alert], str]:
    """How to link to an alert's CRM record; "" where the project has no HubSpot or does not say which portal."""
    base = next(
        (
            _base(one, connections)
            for one in settings.destinations.values()
            if isinstance(one, project.HubSpotDestination)
        ),
        "",
    )

    def link(alert: Alert) -> str:
        if not base or not alert.crm_id or alert.crm_kind not in _RECORD_TYPES:
            return ""
        return f"{base}/record/{_RECORD_TYPES[alert.crm_kind]}/{quote(alert.crm_id, safe='')}"

    return link


def _base(destination: project.HubSpotDestination, connections: Connections) -> str:
    if destination.url:
        return destination.url.rstrip("/")
    try:
        portal = str(connections(destination.connection).extra.get("portal") or "")
    except UnknownConnection:
        return ""
    return f"https://app.hubspot.com/contacts/{quote(portal, safe='')}" if portal else ""


__all__ = ["build", "record_links", "wall_clock"]
