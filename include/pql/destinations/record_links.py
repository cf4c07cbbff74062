"""Links to CRM records: an alert in, the URL of its company or contact in HubSpot out, "" where there is none."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from pql.clients.http import RemoteError
from pql.clients.hubspot import BASE_URL, HubSpot
from pql.types import Alert, Connection

_RECORD_TYPES = {"company": "0-2", "contact": "0-1"}  # HubSpot's object type ids, as in its own record links


class RecordLinks:
    """Knows the portal: by the settings' base URL, by extra.portal, or by asking HubSpot once, when first needed.

    A connection to a stand-in (another host than HubSpot's API) gets its links on that host.
    """

    def __init__(self, connection: Connection, base: str = "") -> None:
        self._connection = connection
        self._base: str | None = base.rstrip("/") or None

    def __call__(self, alert: Alert) -> str:
        """The record's URL. A link is a convenience: without a portal there is none; nothing fails or waits."""
        if not alert.crm_id or alert.crm_kind not in _RECORD_TYPES:
            return ""
        if self._base is None:
            self._base = self._found()
        if not self._base:
            return ""
        return f"{self._base}/record/{_RECORD_TYPES[alert.crm_kind]}/{quote(alert.crm_id, safe='')}"

    def _found(self) -> str:
        portal, domain = str(self._connection.extra.get("portal") or ""), "app.hubspot.com"
        if not portal:
            try:
                # developers.hubspot.com, account information: works with any token of the account
                account = HubSpot(self._connection, attempts=1).get("/account-info/v3/details", {})
            except RemoteError:
                return ""
            portal, domain = str(account.get("portalId") or ""), str(account.get("uiDomain") or domain)
        host = self._connection.host
        stand_in = bool(host) and urlsplit(host).hostname != urlsplit(BASE_URL).hostname
        return f"{host if stand_in else f'https://{domain}'}/contacts/{quote(portal, safe='')}" if portal else ""
