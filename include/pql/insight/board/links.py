"""Where a delivery's effect can be looked at: a receipt in, the URL of the Slack message or CRM record out.

Nothing is asked over the network: what a link needs and nobody wrote down (HubSpot's portal) leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pql.clients.hubspot import BASE_URL
from pql.pipeline.project import Project
from pql.settings import DestinationSettings, HubSpotDestination, SlackDestination
from pql.types import Connection

_RECORD_TYPES = {"companies": "0-2", "contacts": "0-1", "company": "0-2", "contact": "0-1"}  # as in HubSpot's own links
_TASK = "0-27"

Link = tuple[str, str]  # what it leads to, and its URL


def links(project: Project) -> Callable[[str, Mapping[str, Any] | None], Link | None]:
    """How to find the effect of a delivery, given its destination's name and its receipt."""
    known: dict[str, tuple[DestinationSettings | None, Connection | None]] = {}

    def link(destination: str, receipt: Mapping[str, Any] | None) -> Link | None:
        if not receipt:
            return None
        if destination not in known:
            chosen = project.settings.destinations.get(destination)
            known[destination] = (chosen, _connection(project, getattr(chosen, "connection", "")))
        chosen, connection = known[destination]
        if isinstance(chosen, SlackDestination):
            return _slack(receipt, connection)
        return _hubspot(receipt, chosen, connection) if isinstance(chosen, HubSpotDestination) else None

    return link


def record_link(project: Project, kind: str, id: str) -> str:
    """The URL of a CRM record (company or contact), "" if it cannot be told."""
    for chosen in project.settings.destinations.values():
        if isinstance(chosen, HubSpotDestination) and kind in _RECORD_TYPES and id:
            return _record(_RECORD_TYPES[kind], id, chosen, _connection(project, chosen.connection))
    return ""


def _connection(project: Project, id: str) -> Connection | None:
    """A link is a convenience: whatever keeps a connection from being read only leaves the link out."""
    try:
        return project.connections(id) if id else None
    except Exception:
        return None


def _slack(receipt: Mapping[str, Any], connection: Connection | None) -> Link | None:
    channel, ts = str(receipt.get("channel") or ""), str(receipt.get("ts") or "")
    if not channel or not ts:
        return None
    host = connection.host if connection else ""
    workspace = str(connection.extra.get("workspace") or "") if connection else ""
    if host and not (urlsplit(host).hostname or "").endswith("slack.com"):
        return "Slack message", f"{host}/archives/{quote(channel)}/p{quote(ts.replace('.', ''))}"  # a stand-in's
    if workspace:
        return (
            "Slack message",
            f"https://{quote(workspace)}.slack.com/archives/{quote(channel)}/p{quote(ts.replace('.', ''))}",
        )
    # api.slack.com/docs/deep-linking: opens the conversation without knowing the workspace
    return "Slack channel", "https://slack.com/app_redirect?" + urlencode({"channel": channel, "message_ts": ts})


def _hubspot(receipt: Mapping[str, Any], chosen: HubSpotDestination, connection: Connection | None) -> Link | None:
    if receipt.get("task"):
        text, url = "CRM task", _record(_TASK, str(receipt["task"]), chosen, connection)
    else:
        kind = _RECORD_TYPES.get(str(receipt.get("object") or ""), "")
        text, url = "CRM record", _record(kind, str(receipt.get("id") or ""), chosen, connection)
    return (text, url) if url else None


def _record(kind: str, id: str, chosen: HubSpotDestination, connection: Connection | None) -> str:
    base = chosen.url.rstrip("/") or _portal(connection)
    return f"{base}/record/{kind}/{quote(id, safe='')}" if base and kind and id else ""


def _portal(connection: Connection | None) -> str:
    if connection is None:
        return ""
    portal = quote(str(connection.extra.get("portal") or ""), safe="")
    if connection.host and urlsplit(connection.host).hostname != urlsplit(BASE_URL).hostname:
        return f"{connection.host}/contacts/{portal or 0}"  # a stand-in has one portal, whatever its number
    return f"https://app.hubspot.com/contacts/{portal}" if portal else ""
