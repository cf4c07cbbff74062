"""A destination's name in; who can read back what stands there, or why nobody can, out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pql import settings as project
from pql.clients.hubspot import HubSpot
from pql.clients.slack import Slack
from pql.destinations.hubspot.history import HubSpotTasks
from pql.destinations.slack.history import SlackHistory
from pql.types import Connections, Reader, UnknownConnection, UserError

CANNOT_BE_ASKED = "a webhook receiver cannot be asked what it holds"


def reader(
    name: str,
    settings: project.Settings,
    connections: Connections,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
    seconds: float,
) -> Reader | str:
    """Who reads the destination of that name, for at most so long; a sentence where nobody can."""
    chosen = settings.destinations[name]
    if isinstance(chosen, project.WebhookDestination):
        return CANNOT_BE_ASKED
    try:
        connection = connections(chosen.connection)
        if isinstance(chosen, project.SlackDestination):
            return SlackHistory(Slack(connection), clock=clock, sleep=sleep, seconds=seconds)
        return HubSpotTasks(HubSpot(connection, sleep=sleep), clock=clock, sleep=sleep, seconds=seconds)
    except (UserError, UnknownConnection) as error:
        return str(error)
