"""The HTTP session all vendor clients share: a request in, a good response or a helpful `RemoteError` out."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any, TypeVar

import requests
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from pql.clients.meanings import THE_CONNECTION, Kind, of_failure, of_http
from pql.types import Connection, Outcome, UserError

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
READ_ATTEMPTS = 5
DEFAULT_WAIT_S = 30.0  # told to wait, not how long
LONGEST_WAIT_S = 120.0  # a read waits this long in place; longer is the scheduler's business
LONGEST_WRITE_WAIT_S = 5.0  # a write: longer waits put the delivery back with a time
_PASSING: frozenset[Kind] = frozenset({"unreachable", "lost", "rate_limited", "server"})


class RemoteError(UserError):
    """A vendor could not be reached, or refused; the message names the connection and what to do about it.

    `outcome` is what it means for something that was being written: not_sent (surely no effect, may be tried again),
    ambiguous (it may have happened) or rejected (it never will). `body` is the vendor's own JSON, {} if it sent none.
    """

    def __init__(
        self,
        message: str,
        *,
        connection_id: str,
        kind: Kind,
        outcome: Outcome,
        status: int | None = None,
        retry_after_s: float | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.connection_id = connection_id
        self.kind = kind
        self.outcome = outcome
        self.status = status
        self.retry_after_s = retry_after_s
        self.body: Mapping[str, Any] = body or {}


@dataclass(frozen=True, repr=False)
class Bearer(AuthBase):
    """`Authorization: Bearer …`; given as an auth object so that a ~/.netrc cannot replace it."""

    token: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@dataclass(frozen=True, repr=False)
class Basic(AuthBase):
    """`Authorization: Basic …` with a UTF-8 user and password."""

    login: str
    password: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        userpass = f"{self.login}:{self.password}".encode()
        request.headers["Authorization"] = "Basic " + base64.b64encode(userpass).decode()
        return request


class Pace:
    """Keeps calls at least `1 / per_second` seconds apart, so that the limit is not reached in the first place."""

    def __init__(self, per_second: float, sleep: Callable[[float], None]) -> None:
        self._gap_s = 1 / per_second
        self._sleep = sleep
        self._next = 0.0
        self._guard = Lock()  # deliveries to one destination are made by several threads

    def wait(self) -> None:
        """Sleep until the next call may go out; each caller has a moment of its own."""
        with self._guard:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + self._gap_s
        if at > now:
            self._sleep(at - now)


class Http:
    """One vendor behind one connection. Reads are retried with backoff; writes only where surely nothing happened."""

    def __init__(
        self,
        connection: Connection,
        *,
        vendor: str,
        base_url: str,
        auth: AuthBase,
        secrets: tuple[str, ...] = (),
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = READ_ATTEMPTS,
    ) -> None:
        self._attempts = attempts
        self.connection_id = connection.id
        self.vendor = vendor
        self.base_url = (connection.host or base_url).rstrip("/")
        self.sleep = sleep
        self._secrets = tuple(s for s in (connection.password, *secrets) if s)
        self._session = requests.Session()
        self._session.auth = auth
        self._session.headers["User-Agent"] = "pql"

    def __repr__(self) -> str:
        return f"Http({self.vendor}, connection={self.connection_id!r}, base_url={self.base_url!r})"

    def read(self, method: str, path: str, *, timeout_s: float = READ_TIMEOUT_S, **options: Any) -> requests.Response:
        """A call without effect: tried up to `attempts` times, waiting as told by Retry-After. Raises RemoteError."""
        return self.retrying(lambda: self.once(method, path, timeout_s=timeout_s, **options))

    def write(self, method: str, path: str, *, timeout_s: float = READ_TIMEOUT_S, **options: Any) -> requests.Response:
        """A call with an effect: sent once; again only after a 429 that asks for at most 5 s. Raises RemoteError."""
        return Retrying(
            retry=retry_if_exception(_short_rate_limit),
            stop=stop_after_attempt(min(3, self._attempts)),
            wait=_wait_s,
            sleep=self.sleep,
            reraise=True,
        )(lambda: self.once(method, path, timeout_s=timeout_s, **options))

    def retrying(self, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, tried again while it fails for a passing reason."""
        return Retrying(
            retry=retry_if_exception(_passing),
            stop=stop_after_attempt(self._attempts),
            wait=_wait_s,
            sleep=self.sleep,
            reraise=True,
        )(attempt)

    def once(self, method: str, path: str, *, timeout_s: float = READ_TIMEOUT_S, **options: Any) -> requests.Response:
        """One attempt, whatever it is. Raises RemoteError."""
        try:
            response = self._session.request(
                method,
                self.base_url + path,
                timeout=(CONNECT_TIMEOUT_S, timeout_s),
                allow_redirects=False,
                **options,
            )
        except requests.RequestException as error:
            raise self.broken(error) from None  # the cause repeats the request; the message says what matters
        if 200 <= response.status_code < 300:
            return response
        raise self._refused(response)

    def broken(self, error: Exception) -> RemoteError:
        """What a failed transport means: nothing sent if no connection came about, else a lost answer."""
        meaning = of_failure(error)
        cause = self._redact(_cause(error))
        if meaning.outcome == "not_sent":
            return RemoteError(
                f"Connection {self.connection_id}: cannot reach {self.vendor} at {self.base_url} ({cause}). "
                f"Check the host of the connection and the network.",
                connection_id=self.connection_id,
                kind=meaning.kind,
                outcome=meaning.outcome,
            )
        return RemoteError(
            f"Connection {self.connection_id}: the answer of {self.vendor} was lost ({cause}).",
            connection_id=self.connection_id,
            kind=meaning.kind,
            outcome=meaning.outcome,
        )

    def _refused(self, response: requests.Response) -> RemoteError:
        body = _json_object(response)
        status = response.status_code
        said = self._redact(_short(str(body.get("message") or body.get("error") or response.text or response.reason)))
        meaning = of_http(status)
        advice = meaning.advice.replace(THE_CONNECTION, _where(self.connection_id))
        return RemoteError(
            f"Connection {self.connection_id}: {self.vendor} answered {status} ({said}). {advice}".rstrip(),
            connection_id=self.connection_id,
            kind=meaning.kind,
            outcome=meaning.outcome,
            status=status,
            retry_after_s=retry_after_s(response.headers, status),
            body=body,
        )

    def _redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def retry_after_s(headers: Mapping[str, str], status: int = 0) -> float | None:
    """Seconds to wait by `Retry-After` (seconds, or a date held against the answer's own `Date`), never negative.

    None without one that can be read; after a 429, which always means "later", half a minute.

    >>> retry_after_s({"Retry-After": "7"})
    7.0
    >>> retry_after_s({"Retry-After": "Sat, 01 Jan 2026 00:01:30 GMT", "Date": "Sat, 01 Jan 2026 00:00:00 GMT"})
    90.0
    >>> retry_after_s({"Retry-After": "soon"}, 429), retry_after_s({"Retry-After": "-5"}), retry_after_s({}, 503)
    (30.0, 0.0, None)
    """
    told = _told_s(headers.get("Retry-After"), headers.get("Date"))
    if told is None:
        return DEFAULT_WAIT_S if status == requests.codes.too_many_requests else None
    return max(0.0, told)


def _told_s(value: str | None, date: str | None) -> float | None:
    if value is None:
        return None
    with suppress(ValueError):
        return float(value) if math.isfinite(float(value)) else None
    with suppress(TypeError, ValueError):
        return (parsedate_to_datetime(value) - parsedate_to_datetime(date or "")).total_seconds()
    return None


def _where(connection_id: str) -> str:
    return f"connection {connection_id} (AIRFLOW_CONN_{connection_id.upper()}, or Airflow: Admin → Connections)"


def _passing(error: BaseException) -> bool:
    if not isinstance(error, RemoteError) or error.kind not in _PASSING:
        return False
    return (error.retry_after_s or 0) <= LONGEST_WAIT_S and error.body.get("policyName") != "DAILY"


def _short_rate_limit(error: BaseException) -> bool:
    return (
        isinstance(error, RemoteError)
        and error.kind == "rate_limited"
        and error.retry_after_s is not None
        and error.retry_after_s <= LONGEST_WRITE_WAIT_S
    )


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RemoteError) and error.retry_after_s is not None:
        return error.retry_after_s
    return float(min(2 ** (state.attempt_number - 1), 30))


def _json_object(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _cause(error: Exception) -> str:
    text = str(error)
    known = {
        "NameResolution": "the name is not known",
        "refused": "connection refused",
        "timed out": "timed out",
        "Timeout": "timed out",
        "CERTIFICATE": "its certificate is not trusted",
        "RemoteDisconnected": "it hung up",
        "Connection reset": "it hung up",
        "IncompleteRead": "it ended in the middle",
    }
    return next((words for sign, words in known.items() if sign in text), _short(text))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else flat[:299] + "…"
