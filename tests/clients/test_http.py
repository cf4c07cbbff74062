"""The shared HTTP session: what is tried again, how long it waits, what its errors say and what they never say."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pql.clients.http import Bearer, Http, Pace, RemoteError
from pql.types import Connection

SECRET = "pat-very-secret"


def client(url: str, slept: list[float] | None = None) -> Http:
    sleep = (lambda _s: None) if slept is None else slept.append
    connection = Connection("crm_eu", host=url, password=SECRET)
    return Http(connection, vendor="HubSpot", base_url="https://unused", auth=Bearer(SECRET), sleep=sleep)


def in_turn(loopback: Any, *answers: Any) -> None:
    left = list(answers)
    loopback.script = lambda _seen: left.pop(0) if len(left) > 1 else left[0]


def test_a_read_waits_as_long_as_retry_after_says_and_then_succeeds(loopback: Any) -> None:
    """A 429 is waited out for exactly its Retry-After, then the answer is used."""
    slept: list[float] = []
    in_turn(loopback, loopback.answer({}, 429, {"Retry-After": "7"}), loopback.answer({"ok": 1}))
    assert client(loopback.url, slept).read("GET", "/x").json() == {"ok": 1}
    assert slept == [7.0]


def test_a_read_is_given_up_after_five_attempts(loopback: Any) -> None:
    """A server that keeps failing is asked five times, with growing waits, and the error says what it answered."""
    slept: list[float] = []
    loopback.script = lambda _seen: loopback.answer({"message": "out of order"}, 502)
    with pytest.raises(RemoteError, match=r"Connection crm_eu: HubSpot answered 502 \(out of order\)"):
        client(loopback.url, slept).read("GET", "/x")
    assert len(loopback.seen) == 5
    assert slept == [1.0, 2.0, 4.0, 8.0]


def test_a_retry_after_of_an_hour_is_not_slept_through(loopback: Any) -> None:
    """A wait longer than two minutes is left to the scheduler: the error carries it."""
    slept: list[float] = []
    loopback.script = lambda _seen: loopback.answer({}, 429, {"Retry-After": "3600"})
    with pytest.raises(RemoteError) as raised:
        client(loopback.url, slept).read("GET", "/x")
    assert (raised.value.kind, raised.value.retry_after_s, slept) == ("rate_limited", 3600.0, [])


def test_a_daily_limit_is_not_tried_again(loopback: Any) -> None:
    """HubSpot's daily limit does not pass by waiting seconds, so one call is enough."""
    loopback.script = lambda _seen: loopback.answer({"policyName": "DAILY", "message": "daily limit"}, 429)
    with pytest.raises(RemoteError, match="daily limit"):
        client(loopback.url).read("GET", "/x")
    assert len(loopback.seen) == 1


def test_an_expired_token_names_the_connection_and_where_to_put_a_new_one(loopback: Any) -> None:
    """A 401 is not retried; it says which connection and what to do, and never shows the token."""
    body = {"message": f"token {SECRET} expired", "category": "EXPIRED_AUTHENTICATION"}
    loopback.script = lambda _seen: loopback.answer(body, 401)
    with pytest.raises(RemoteError) as raised:
        client(loopback.url).read("GET", "/x")
    said = str(raised.value)
    assert "Connection crm_eu" in said
    assert "AIRFLOW_CONN_CRM_EU" in said
    assert "token *** expired" in said
    assert SECRET not in repr(raised.value) + said
    assert len(loopback.seen) == 1


def test_an_unreachable_host_is_surely_not_sent() -> None:
    """Where no connection came about nothing can have happened, and the error says which host of which connection."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            RemoteError, match=r"Connection crm_eu: cannot reach HubSpot at .* \(connection refused\)"
        ) as raised:
            client(url).write("POST", "/x", json={})
    assert (raised.value.kind, raised.value.outcome) == ("unreachable", "not_sent")


def test_a_lost_answer_to_a_write_is_ambiguous_and_not_sent_again(loopback: Any) -> None:
    """A connection that breaks after the request left may have had its effect: one attempt, outcome ambiguous."""
    loopback.script = lambda _seen: loopback.answer(hang_up=True)
    with pytest.raises(RemoteError) as raised:
        client(loopback.url).write("POST", "/x", json={})
    assert (raised.value.kind, raised.value.outcome, len(loopback.seen)) == ("lost", "ambiguous", 1)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, "rejected"), (401, "not_sent"), (403, "not_sent"), (404, "rejected"), (423, "not_sent"), (429, "not_sent"),
     (500, "ambiguous"), (502, "ambiguous"), (503, "ambiguous"), (302, "rejected")],
)  # fmt: skip
def test_each_status_of_a_write_has_one_meaning(loopback: Any, status: int, outcome: str) -> None:
    """Refusals are final but those ops put right, 'not now' is not sent, a failing server is ambiguous."""
    loopback.script = lambda _seen: loopback.answer({}, status, {"Location": "http://127.0.0.1:1/"})
    with pytest.raises(RemoteError) as raised:
        client(loopback.url).write("POST", "/x", json={})
    assert raised.value.outcome == outcome
    assert len(loopback.seen) == 1


def test_a_write_waits_in_place_for_a_short_rate_limit_only(loopback: Any) -> None:
    """A write sleeps up to five seconds for a 429; a longer wait goes back to the outbox."""
    slept: list[float] = []
    in_turn(loopback, loopback.answer({}, 429, {"Retry-After": "2"}), loopback.answer({"ok": 1}))
    assert client(loopback.url, slept).write("POST", "/x", json={}).json() == {"ok": 1}
    assert slept == [2.0]
    loopback.script = lambda _seen: loopback.answer({}, 429, {"Retry-After": "30"})
    with pytest.raises(RemoteError) as raised:
        client(loopback.url, slept).write("POST", "/x", json={})
    assert (raised.value.retry_after_s, slept) == (30.0, [2.0])


def test_a_netrc_file_cannot_replace_the_token(loopback: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection's token is what is sent, whatever ~/.netrc holds for that host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client(loopback.url).read("GET", "/x")
    assert loopback.seen[0].headers["authorization"] == f"Bearer {SECRET}"


def test_secrets_are_in_no_repr(loopback: Any) -> None:
    """Neither the client nor its auth shows the token."""
    assert SECRET not in repr(client(loopback.url)) + repr(Bearer(SECRET))


def test_threads_that_share_a_pace_each_get_a_moment_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight calls at once at ten a second: they leave a tenth of a second apart, not all at once."""
    monkeypatch.setattr("pql.clients.http.time.monotonic", lambda: 5.0)
    naps: list[float] = []
    pace = Pace(10, naps.append)
    with ThreadPoolExecutor(8) as pool:
        for job in [pool.submit(pace.wait) for _ in range(8)]:
            job.result()
    assert sorted(naps) == pytest.approx([n / 10 for n in range(1, 8)])
