"""Standard Webhooks (github.com/standard-webhooks): a body and its id in, signed and sent once to a pinned address."""

from __future__ import annotations

import base64
import binascii
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import certifi
from standardwebhooks import Webhook
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import HTTPError

from pql.clients.addresses import AddressRefusedError, Resolver, Target, pin, system_resolver
from pql.clients.http import retry_after_s
from pql.clients.meanings import of_failure, of_webhook
from pql.types import Connection, Outcome

# At DEBUG urllib3 writes whole URLs into the log, and a webhook's URL is often the secret itself.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

MIN_SECRET_BYTES = 24  # Standard Webhooks: between 24 and 64 bytes
_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 20.0  # Standard Webhooks: 15 to 30 seconds
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class WebhookError(Exception):
    """One webhook that was not taken; never shows the secret, nor the URL's path (which often is one)."""

    def __init__(self, reason: str, outcome: Outcome, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.outcome = outcome
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Accepted:
    """The receiver's 2xx."""

    status: int
    webhook_id: str


class WebhookEndpoint:
    """One receiver.

    connection: password = whsec_… (several, separated by spaces, while rotating: all sign); host = the URL, or
    extra.url where the URL itself is a secret; extra.allow_private for loopback and private networks.
    """

    def __init__(
        self, connection: Connection, *, clock: Callable[[], datetime], resolver: Resolver = system_resolver
    ) -> None:
        self.connection_id = connection.id
        self._url = str(connection.extra.get("url") or connection.host)
        self._allow_private = str(connection.extra.get("allow_private", "")).lower() in ("true", "1", "yes")
        self._secrets = connection.password.split()
        self._clock = clock
        self._resolver = resolver

    def __repr__(self) -> str:
        return f"WebhookEndpoint(connection={self.connection_id!r})"

    def send(self, key: str, body: str) -> Accepted:
        """POST the body once, signed. The same key gives the same webhook-id, by which receivers drop doubles.

        Raises WebhookError; what each refusal means stands in `meanings`.
        """
        identity = webhook_id(key)
        headers = self._signed(identity, body)
        target = self._target()
        with _pool(target) as pool:
            try:
                answer = pool.urlopen(
                    "POST",
                    target.path,
                    body=body.encode(),
                    headers=headers | {"Host": _host(target)},
                    redirect=False,
                    retries=False,
                    preload_content=False,  # the status is all that counts; an endless body is not read
                )
                answer.close()
            except HTTPError as error:
                raise self._failed(target, error) from None
        if 200 <= answer.status < 300:
            return Accepted(answer.status, identity)
        raise self._refused(target, answer.status, retry_after_s(answer.headers, answer.status))

    def _target(self) -> Target:
        try:
            return pin(self._url, allow_private=self._allow_private, resolver=self._resolver)
        except AddressRefusedError as error:
            fate = of_webhook("AddressRefusedError").outcome
            raise WebhookError(f"Connection {self.connection_id}: not called: {error}", fate) from None
        except OSError:  # looking a name up sends nothing to its owner
            raise WebhookError(f"Connection {self.connection_id}: its host cannot be resolved", "not_sent") from None

    def _signed(self, identity: str, body: str) -> dict[str, str]:
        sent_at = self._clock().astimezone(UTC)  # sign() reads the wall time as UTC
        keys = [_key(secret) for secret in self._secrets]
        if not keys or any(len(key) < MIN_SECRET_BYTES for key in keys):
            raise WebhookError(
                f"Connection {self.connection_id}: its password must be a Standard Webhooks secret, whsec_ and the "
                f"base64 of at least {MIN_SECRET_BYTES} bytes",
                of_webhook("secret").outcome,
            )
        return {
            "Content-Type": "application/json",
            "User-Agent": "pql-webhook",
            "webhook-id": identity,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": " ".join(Webhook(key).sign(identity, sent_at, body) for key in keys),
        }

    def _failed(self, target: Target, error: HTTPError) -> WebhookError:
        who = f"Connection {self.connection_id}: {target.host}"
        meaning = of_failure(error)
        how = "cannot be reached" if meaning.outcome == "not_sent" else "did not answer"
        return WebhookError(f"{who} {how} ({type(error).__name__})", meaning.outcome)

    def _refused(self, target: Target, status: int, retry_after_s: float | None) -> WebhookError:
        who = f"Connection {self.connection_id}: {target.host} answered {status}"
        meaning = of_webhook(status)
        reason = f"{who}; {meaning.advice}" if meaning.advice else who
        return WebhookError(reason, meaning.outcome, None if meaning.outcome == "rejected" else retry_after_s)


def webhook_id(key: str) -> str:
    """An id fit for a header and for the signed text, where "." separates; the same key always gives the same.

    >>> webhook_id("episode-12_0"), webhook_id("épisode.12")
    ('episode-12_0', 'pql_243325209df37ad6817e8de2be529bbb')
    """
    return key if _PLAIN_ID.fullmatch(key) else f"pql_{sha256(key.encode()).hexdigest()[:32]}"


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_") + "==", validate=False)
    except (binascii.Error, ValueError):
        return b""


def _host(target: Target) -> str:
    name = f"[{target.host}]" if ":" in target.host else target.host
    default = 443 if target.scheme == "https" else 80
    return name if target.port == default else f"{name}:{target.port}"


def _pool(target: Target) -> HTTPConnectionPool:
    """A connection to the pinned address; no proxy settings of the environment reach a bare pool."""
    timeout = Timeout(connect=_CONNECT_TIMEOUT_S, read=_READ_TIMEOUT_S)
    if target.scheme == "http":
        return HTTPConnectionPool(target.address, target.port, timeout=timeout, maxsize=1)
    return HTTPSConnectionPool(
        target.address,
        target.port,
        timeout=timeout,
        maxsize=1,
        cert_reqs="CERT_REQUIRED",
        ca_certs=certifi.where(),
        server_hostname=target.host,
        assert_hostname=target.host,
    )
