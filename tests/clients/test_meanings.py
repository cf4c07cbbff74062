"""The one table of what answers mean: whole, without contradiction, and what the clients go by."""

from __future__ import annotations

import socket
import ssl
from collections import Counter

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError

from pql.clients import meanings
from pql.clients.meanings import TABLE, of_failure, of_http, of_row, of_slack, of_webhook


def test_each_answer_stands_in_the_table_once() -> None:
    """Two rows for one answer would be two meanings."""
    assert [code for code, n in Counter((row.system, row.code) for row in TABLE).items() if n > 1] == []


def test_every_row_says_why() -> None:
    """A row without a reason could not be judged."""
    assert all(row.why for row in TABLE)


def test_what_is_not_known_may_have_happened() -> None:
    """PRODUCT-A5: an answer nobody has heard of is looked into before anything is sent again."""
    unknown = [of_slack("a_code_of_tomorrow"), of_slack("", 599), of_http(599), of_webhook(599), of_row("TOMORROW")]
    assert {meaning.outcome for meaning in unknown} == {"ambiguous"}
    assert of_failure(RuntimeError("what is this")).outcome == "ambiguous"


def test_a_request_that_had_left_is_never_called_unsent() -> None:
    """A gateway that gave up waiting, a server that broke, a time-out while reading: each may have acted."""
    late = (500, 502, 504, 520, 522, 524)
    assert {of_http(status).outcome for status in late} == {"ambiguous"}
    assert {of_webhook(status).outcome for status in late} == {"ambiguous"}
    assert {of_slack("", status).outcome for status in late} == {"ambiguous"}
    assert of_failure(ReadTimeoutError(None, "u", "read timed out")).outcome == "ambiguous"  # type: ignore[arg-type]
    assert of_failure(requests.ReadTimeout()).outcome == "ambiguous"
    assert of_failure(ConnectionResetError()).outcome == "ambiguous"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        socket.gaierror(8, "not known"),
        ssl.SSLCertVerificationError("self-signed"),
        requests.ConnectTimeout(),
        requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "no"))),  # type: ignore[arg-type]
        requests.exceptions.SSLError(MaxRetryError(None, "/", ssl.SSLCertVerificationError("x"))),  # type: ignore[arg-type]
    ],
    ids=lambda error: type(error).__name__,
)
def test_without_a_connection_nothing_left(error: Exception) -> None:
    """However a library wraps it, what failed before a connection came about sent nothing."""
    assert of_failure(error).outcome == "not_sent"


def test_only_a_limit_is_waited_for_as_told() -> None:
    """Being told to wait uses up no attempt, so it is only what surely was not sent."""
    told = [row for row in TABLE if row.wait == "told"]
    assert {row.outcome for row in told} == {"not_sent"}
    assert {row.code for row in told} == {"ratelimited", "rate_limited", "429"}
    assert {row.wait for row in TABLE if row.outcome in ("delivered", "rejected")} == {""}


def test_a_wrong_token_gives_nothing_up() -> None:
    """What is wrong for every delivery and put right by ops leaves the deliveries waiting."""
    by_ops = [row for row in TABLE if row.kind in ("unauthorized", "forbidden")]
    assert by_ops
    assert {row.outcome for row in by_ops} == {"not_sent"}
    assert meanings.THREAD_CODES.isdisjoint(meanings.NOBODY_CODES)
