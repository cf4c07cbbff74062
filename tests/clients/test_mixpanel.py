"""The Mixpanel export: a whole file or none, whatever the line does."""

from __future__ import annotations

import gzip
from base64 import b64encode
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pql.clients.http import RemoteError
from pql.clients.mixpanel import Mixpanel
from pql.types import Connection, UserError

LINES = b"".join(b'{"event":"Message Sent","properties":{"time":%d}}\n' % n for n in range(2000))
DAY = date(2026, 3, 1)


def client(loopback: Any, **fields: Any) -> Mixpanel:
    connection = Connection("mixpanel_default", host=loopback.url, **{"login": "svc", "password": "s3cret", **fields})
    return Mixpanel(connection, sleep=lambda _s: None)


def zipped(loopback: Any, body: bytes) -> Any:
    return loopback.answer(body, 200, {"Content-Encoding": "gzip", "content-type": "text/plain"})


def test_the_whole_request(loopback: Any, tmp_path: Path) -> None:
    """Days, project and service account are sent as the raw export wants them; gzip is undone on disk."""
    loopback.script = lambda _seen: zipped(loopback, gzip.compress(LINES))
    file = client(loopback, extra={"project_id": 42}).export(DAY, date(2026, 3, 3), tmp_path)
    assert file.read_bytes() == LINES
    [seen] = loopback.seen
    assert (seen.method, seen.path.partition("?")[0]) == ("GET", "/api/2.0/export")
    assert seen.body == {"from_date": "2026-03-01", "to_date": "2026-03-03", "project_id": "42"}
    assert seen.headers["authorization"] == "Basic " + b64encode(b"svc:s3cret").decode()
    assert seen.headers["accept-encoding"] == "gzip"


def test_an_export_cut_off_in_the_middle_of_its_gzip_is_fetched_again(loopback: Any, tmp_path: Path) -> None:
    """A truncated gzip is noticed even when the transfer looks complete, and only the whole file is handed on."""
    whole = gzip.compress(LINES)
    bodies = [whole[: len(whole) // 2], whole]
    loopback.script = lambda _seen: zipped(loopback, bodies.pop(0))
    assert client(loopback).export(DAY, DAY, tmp_path).read_bytes() == LINES
    assert len(loopback.seen) == 2


def test_an_export_that_never_gets_whole_stops_with_a_reason(loopback: Any, tmp_path: Path) -> None:
    """After five cut-off transfers the run fails, says why, and leaves no half file behind that could be read."""
    loopback.script = lambda _seen: zipped(loopback, gzip.compress(LINES)[:500])
    with pytest.raises(RemoteError, match=r"Connection mixpanel_default: .*gzip ends in the middle"):
        client(loopback).export(DAY, DAY, tmp_path)
    assert len(loopback.seen) == 5
    assert not list(tmp_path.glob("*.part"))


def test_terminated_early_is_not_taken_for_the_end(loopback: Any, tmp_path: Path) -> None:
    """Mixpanel ends an export it gives up with two words and status 200: that is fetched again."""
    bodies = [LINES[: len(LINES) // 2] + b"\nterminated early\n", LINES]
    loopback.script = lambda _seen: loopback.answer(bodies.pop(0))
    assert client(loopback).export(DAY, DAY, tmp_path).read_bytes() == LINES


def test_an_old_api_secret_is_a_login_without_password_and_stays_secret(loopback: Any, tmp_path: Path) -> None:
    """The older projects' API secret travels as the login, and no error shows it."""
    loopback.script = lambda _seen: loopback.answer({"error": "bad secret topsecret"}, 401)
    with pytest.raises(RemoteError, match="AIRFLOW_CONN_MIXPANEL_DEFAULT") as raised:
        client(loopback, login="topsecret", password="").export(DAY, DAY, tmp_path)
    assert loopback.seen[0].headers["authorization"] == "Basic " + b64encode(b"topsecret:").decode()
    assert "topsecret" not in str(raised.value)


def test_a_connection_without_login_is_refused_by_name() -> None:
    """An empty connection is said at once, with its id and what belongs into it."""
    with pytest.raises(UserError, match=r"Connection mixpanel_default: it has no login"):
        Mixpanel(Connection("mixpanel_default"))
