"""Stand-ins on the loopback for Slack, HubSpot, Mixpanel and webhooks, serving a simulated company."""

from pql.sandbox.server import Server
from pql.sandbox.webhook import WEBHOOK_SECRET

__all__ = ["WEBHOOK_SECRET", "Server"]
