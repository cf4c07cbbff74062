"""Cross-site posts refused: an act must come from a page of this site, with a token signed for the person who acts.

The browser says where a post comes from (`Sec-Fetch-Site`, `Origin`; no page can forge either), and the token cannot
be read from another site. One alone would do; both are asked for, since Airflow's cookie is sent along with any post
that its `SameSite` rule lets through, and a demo's Airflow takes everybody for an admin.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

VALID = timedelta(hours=12)  # a page left open over a working day can still be used
FIELD = "token"


class Refused(Exception):
    """The post is not from a page of ours; the message says what the person can do."""


@dataclass(frozen=True)
class Guard:
    """Knows its own addresses and signs with the secret."""

    secret: str = field(repr=False)
    origins: tuple[str, ...] = ()

    def token(self, user: str, now: datetime) -> str:
        """A token for this person's forms."""
        issued = str(int(now.timestamp()))
        return f"{issued}.{self._signature(user, issued)}"

    def check(self, headers: Mapping[str, str], user: str, token: str, now: datetime) -> None:
        """Raise Refused unless the post comes from this site and carries the person's own, fresh token."""
        self._check_site(headers)
        issued, _, signature = token.partition(".")
        if not issued.isascii() or not issued.isdigit() or len(issued) > 12:
            raise Refused("The form carried no valid token. Go back, reload the page and try again.")
        if not hmac.compare_digest(self._signature(user, issued).encode(), signature.encode()):
            raise Refused("The form was made for somebody else. Go back, reload the page and try again.")
        age = now.timestamp() - int(issued)
        if not -60 <= age <= VALID.total_seconds():
            raise Refused("The page had been open for too long. Reload it and try again.")

    def _check_site(self, headers: Mapping[str, str]) -> None:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is None and origin is None:
            raise Refused("The browser did not say where the request comes from. Use the buttons on the page.")
        if site not in (None, "same-origin"):
            raise Refused("The request came from another site. Use the buttons on the page.")
        if origin is not None and not self._is_ours(origin, headers.get("host", "")):
            raise Refused(
                "The request came from another site. If Airflow is behind a proxy, [api] base_url must say its address."
            )

    def _is_ours(self, origin: str, host: str) -> bool:
        asked = urlsplit(origin).netloc.lower()
        known = {host.lower(), *(urlsplit(known).netloc.lower() for known in self.origins)}
        return bool(asked) and asked in known

    def _signature(self, user: str, issued: str) -> str:
        message = f"pql page form\n{issued}\n{user}".encode()
        return hmac.new(self.secret.encode(), message, hashlib.sha256).hexdigest()
