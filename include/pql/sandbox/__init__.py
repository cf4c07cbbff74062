"""Stand-ins on the loopback for Slack, HubSpot, Mixpanel and webhooks, serving a simulated company."""

from pql.sandbox.credentials import WEBHOOK_SECRET, connections
from pql.sandbox.server import Server

__all__ = ["WEBHOOK_SECRET", "Server", "connections"]
