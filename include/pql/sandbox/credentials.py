"""How to reach the sandbox: its address in, the connections of the project as environment variables out."""

from __future__ import annotations

import base64
import json
from typing import Any

SLACK_TOKEN = "xoxb-sandbox"  # noqa: S105 - the sandbox's own, public credentials, here and below
HUBSPOT_TOKEN = "pat-sandbox"  # noqa: S105
MIXPANEL_USER, MIXPANEL_SECRET, MIXPANEL_PROJECT = "sandbox", "sandbox", "3141592"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"relay-sandbox-webhook-secret-32b").decode()


def connections(url: str) -> dict[str, str]:
    """`AIRFLOW_CONN_…` variables (JSON) that lead every client of the project to the sandbox at that address."""
    webhook = {"host": f"{url}/webhook/zapier_nudge", "password": WEBHOOK_SECRET, "extra": {"allow_private": True}}
    mixpanel = {"login": MIXPANEL_USER, "password": MIXPANEL_SECRET, "extra": {"project_id": MIXPANEL_PROJECT}}
    found: dict[str, dict[str, Any]] = {
        "slack_default": {"host": f"{url}/slack", "password": SLACK_TOKEN},
        "hubspot_default": {"host": f"{url}/hubspot", "password": HUBSPOT_TOKEN},
        "mixpanel_default": {"host": f"{url}/mixpanel", **mixpanel},
        "zapier_nudge": webhook,
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps({"conn_type": "http", **c}) for name, c in found.items()}
