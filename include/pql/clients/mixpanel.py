"""Mixpanel's raw event export: days in, one NDJSON file on disk out, complete or not at all.

API: docs.mixpanel.com, Raw Event Export (`GET /api/2.0/export`): 60 queries an hour, 3 a second. The connection holds a
service account (login, password, extra {"project_id": …}) or an older project's API secret as login without password;
host = https://data-eu.mixpanel.com (or -in) for projects stored there.
"""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from urllib3.exceptions import HTTPError

from pql.clients.http import Basic, Http, RemoteError
from pql.types import Connection, UserError

BASE_URL = "https://data.mixpanel.com"
_READ_TIMEOUT_S = 600.0  # a large export takes minutes before its first byte
_CHUNK = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Received:
    """An export as it was sent: one file of NDJSON, gzipped if its name ends so."""

    path: Path
    chunks: Callable[[], Iterator[bytes]]  # the same without compression; RemoteError at its end if it was cut
    whole: Callable[[], Path]  # all of that in a file


class Mixpanel:
    """One Mixpanel project behind one connection."""

    def __init__(self, connection: Connection, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if not connection.login:
            raise UserError(
                f"Connection {connection.id}: it has no login. Put the service account's name there, its secret as "
                f"password and the project id into extra as project_id."
            )
        self.http = Http(
            connection,
            vendor="Mixpanel",
            base_url=BASE_URL,
            auth=Basic(connection.login, connection.password),
            secrets=() if connection.password else (connection.login,),
            sleep=sleep,
        )
        project_id = connection.extra.get("project_id")
        self._project = {"project_id": str(project_id)} if project_id else {}

    def __repr__(self) -> str:
        return f"Mixpanel({self.http!r})"

    def export(self, first: date, last: date, folder: Path) -> Path:
        """The events of the days first..last (inclusive, in the project's calendar) as one NDJSON file in `folder`.

        A transfer that breaks off is started again; the file appears only when it is whole. Raises RemoteError.
        """
        return self.reading(first, last, folder, lambda received: received.whole())

    def reading(self, first: date, last: date, folder: Path, read: Callable[[Received], T]) -> T:
        """What `read` makes of the same days' export as it was sent. Raises RemoteError.

        The transfer looked whole, its content may not be: if `read` meets something odd it asks for `chunks()` or
        `whole()`, and the export is fetched and read again if that finds it cut.
        """
        return self.http.retrying(lambda: read(self._received(first, last, folder)))

    def probe(self, day: date) -> None:
        """Raises RemoteError if the credentials do not open the export. Costs one call."""
        params = {"from_date": day.isoformat(), "to_date": day.isoformat(), "limit": "1"}
        self.http.read("GET", "/api/2.0/export", params=params | self._project, timeout_s=_READ_TIMEOUT_S)

    def _received(self, first: date, last: date, folder: Path) -> Received:
        params = {"from_date": first.isoformat(), "to_date": last.isoformat()} | self._project
        target = folder / f"export-{first}-{last}.ndjson"
        received = folder / f"{target.name}.part"
        with self.http.once(
            "GET",
            "/api/2.0/export",
            timeout_s=_READ_TIMEOUT_S,
            params=params,
            headers={"Accept": "text/plain", "Accept-Encoding": "gzip"},
            stream=True,
        ) as response:
            try:
                with received.open("wb") as file:
                    # as sent, so that a gzip that ends in the middle is noticed rather than decoded as far as it goes
                    for chunk in response.raw.stream(_CHUNK, decode_content=False):
                        file.write(chunk)
            except (HTTPError, OSError) as error:
                raise self.http.broken(error) from None
            zipped = response.headers.get("Content-Encoding", "").lower() == "gzip"
        path = target.with_name(f"{target.name}.gz") if zipped else target
        received.replace(path)
        return Received(path, lambda: self._chunks(path), lambda: self._whole(path, target))

    def _whole(self, received: Path, target: Path) -> Path:
        unzipped = target.with_name(f"{target.name}.unzipped")
        try:
            with unzipped.open("wb") as plain:
                plain.writelines(self._chunks(received))
        except RemoteError:
            unzipped.unlink()
            raise
        finally:
            received.unlink()
        return unzipped.replace(target)

    def _chunks(self, received: Path) -> Iterator[bytes]:
        """An export that Mixpanel gives up ends with two words, not with an error (so Airbyte's source says)."""
        last = b""
        try:
            with gzip.open(received) if received.suffix == ".gz" else received.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
                    last = (last + chunk)[-100:]
        except (EOFError, OSError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
            raise self._cut(f"its gzip ends in the middle: {error}") from None
        if last.rstrip().endswith(b"terminated early"):
            raise self._cut("it says 'terminated early'")

    def _cut(self, why: str) -> RemoteError:
        return RemoteError(
            f"Connection {self.http.connection_id}: the export of Mixpanel broke off ({why}). Nothing of it is used; "
            f"it is fetched again.",
            connection_id=self.http.connection_id,
            kind="lost",
            outcome="not_sent",
        )
