"""Standard Webhooks on the wire, and the addresses that are never called."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from pql.clients.addresses import AddressRefusedError, forbidden, pin
from pql.clients.webhook import WebhookEndpoint, WebhookError, webhook_id
from pql.types import Connection

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmnopqrstuv").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"an older secret of 32 bytes 0123").decode()
PATH = "/hooks/catch/secret-path"


def real_clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  # the package that verifies reads the real clock


def at(host: str, secret: str = SECRET, **extra: object) -> WebhookEndpoint:
    connection = Connection("zapier", host, password=secret, extra={"allow_private": True, **extra})
    return WebhookEndpoint(connection, clock=real_clock)


def error_of(call: Callable[[], object]) -> WebhookError:
    with pytest.raises(WebhookError) as caught:
        call()
    return caught.value


def test_receiver_can_verify_it(loopback) -> None:
    """The receiver's own library accepts the signature, on the exact bytes that were sent."""
    accepted = at(loopback.url + PATH).send("key-1", '{"name":"Söhne 😀"}')
    (seen,) = loopback.seen
    assert Webhook(SECRET).verify(seen.raw, seen.headers) == {"name": "Söhne 😀"}
    assert (seen.method, seen.path, accepted.webhook_id) == ("POST", PATH, "key-1")
    assert seen.headers["host"] == f"127.0.0.1:{loopback.port}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == "key-1"


def test_known_signature(loopback) -> None:
    """The signature is the one the Standard Webhooks reference gives for this id, time and body."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the example of the specification's libraries
    connection = Connection("zapier", loopback.url, password=secret, extra={"allow_private": "true"})
    clock = datetime.fromtimestamp(1614265330, UTC)
    WebhookEndpoint(connection, clock=lambda: clock).send("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}')
    headers = loopback.seen[0].headers
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_both_secrets_sign_while_rotating(loopback) -> None:
    """With two secrets in the connection, a receiver that knows either one verifies."""
    at(loopback.url, f"{SECRET} {OLD_SECRET}").send("key-1", "{}")
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(loopback.seen[0].raw, loopback.seen[0].headers)
    assert len(loopback.seen[0].headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize("key", ["episode:12|play.1", "ключ", "a b", "x" * 500, "line\r\nbreak: 1"])
def test_any_key_becomes_a_fit_id(key: str) -> None:
    """A key that cannot be a header or would blur the signed text is hashed, always to the same id."""
    assert webhook_id(key) == webhook_id(key)
    assert webhook_id(key).isascii()
    assert not set(webhook_id(key)) & set(". \r\n|")
    assert webhook_id(key) != webhook_id(key + "x")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (410, "rejected"),
        (400, "not_sent"),
        (404, "not_sent"),
        (429, "not_sent"),
        (500, "ambiguous"),
        (503, "ambiguous"),
    ],
)
def test_what_a_refusal_means(loopback, status: int, outcome: str) -> None:
    """410 ends it, a server that breaks may have acted, the rest is tried again; neither path nor secret shows."""
    loopback.script = lambda seen: loopback.answer({}, status=status, headers={"Retry-After": "120"})
    error = error_of(lambda: at(loopback.url + PATH).send("key-1", "{}"))
    assert error.outcome == outcome
    assert error.retry_after_s == (None if status == 410 else 120.0)
    assert "zapier" in error.reason
    assert "secret-path" not in repr(error)
    assert SECRET not in repr(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(loopback, status: int) -> None:
    """A redirect reaches nobody else."""
    loopback.script = lambda seen: loopback.answer({}, status=status, headers={"Location": loopback.url + "/other"})
    error = error_of(lambda: at(loopback.url + PATH).send("key-1", "{}"))
    assert "redirects are not followed" in error.reason
    assert len(loopback.seen) == 1


def test_lost_answer_is_ambiguous(loopback) -> None:
    """A receiver that hangs up may have taken it."""
    loopback.script = lambda seen: loopback.answer(hang_up=True)
    assert error_of(lambda: at(loopback.url).send("key-1", "{}")).outcome == "ambiguous"
    assert len(loopback.seen) == 1


def test_refused_connection_is_not_sent() -> None:
    """Nothing listens there: surely nothing was taken."""
    assert error_of(lambda: at("http://127.0.0.1:9/x").send("key-1", "{}")).outcome == "not_sent"


def test_proxies_of_the_environment_are_ignored(loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy variable cannot carry the message elsewhere."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    at(loopback.url).send("key-1", "{}")
    assert loopback.seen[0].path == "/"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64 at all!"])
def test_weak_secret_signs_nothing(loopback, secret: str) -> None:
    """A missing, short or broken secret is said so, and nothing leaves."""
    error = error_of(lambda: at(loopback.url, secret).send("key-1", "{}"))
    assert "at least 24 bytes" in error.reason
    assert loopback.seen == []


def test_secret_url_may_live_in_extra(loopback) -> None:
    """A URL that is itself a secret goes into extra.url, which no repr shows."""
    endpoint = at("", url=loopback.url + PATH)
    endpoint.send("key-1", "{}")
    assert loopback.seen[0].path == PATH
    assert "secret-path" not in repr(endpoint)
    assert SECRET not in repr(endpoint)


NEVER = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",  # noqa: S104  # an address to refuse, nothing is bound
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.0.8",
    "64:ff9b:1::a00:1",
    "fec0::1",
    "198.18.0.1",
    "224.0.0.251",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "not an address",
]


@pytest.mark.parametrize("address", NEVER)
def test_addresses_never_called(address: str) -> None:
    """No name may lead to loopback, private, shared, link-local, multicast or metadata addresses, in any notation."""
    assert forbidden(address)
    with pytest.raises(AddressRefusedError):
        pin("https://hooks.example/x", resolver=lambda host, port: [address])


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200"])
def test_metadata_is_never_allowed(address: str) -> None:
    """allow_private opens private networks, never a machine's metadata."""
    assert "metadata" in forbidden(address, allow_private=True)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_called(address: str) -> None:
    """Public addresses pass, also through NAT64."""
    assert pin("https://hooks.example/x", resolver=lambda host, port: [address]).address == address


def test_one_bad_address_among_many_is_enough() -> None:
    """A name with a public and a private address is refused whole."""
    with pytest.raises(AddressRefusedError):
        pin("https://hooks.example/", resolver=lambda host, port: ["93.184.215.14", "10.0.0.1"])


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",  # not https
        "https://2130706433/",  # 127.0.0.1 as one number
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::1]/",
        "https://localhost/",
        "https://user:pass@93.184.215.14/",
        "ftp://93.184.215.14/",
        "file:///etc/passwd",
        "gopher://93.184.215.14/",
        "https://",
        "//93.184.215.14/",
        "https://93.184.215.14:99999/",
        "https://[::1",
        "",
    ],
)
def test_urls_never_called(loopback, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """With the system's own resolver, no spelling of a forbidden address opens a connection."""
    # a refused URL must not even come to the point where a connection is made
    monkeypatch.setattr("pql.clients.webhook._pool", lambda target: pytest.fail(f"connected to {target}"))
    endpoint = WebhookEndpoint(Connection("zapier", url, password=SECRET), clock=real_clock)
    error = error_of(lambda: endpoint.send("key-1", "{}"))
    assert error.outcome in ("rejected", "not_sent")
    assert loopback.seen == []


def test_name_is_resolved_once(loopback) -> None:
    """A name that changes its address after the check (DNS rebinding) is still called at the checked one."""
    answers = [["127.0.0.1"], ["10.255.255.1"]]
    connection = Connection(
        "zapier", f"http://rebinding.example:{loopback.port}{PATH}", password=SECRET, extra={"allow_private": True}
    )
    endpoint = WebhookEndpoint(connection, clock=real_clock, resolver=lambda host, port: answers.pop(0))
    endpoint.send("key-1", json.dumps({}))
    assert loopback.seen[0].headers["host"] == f"rebinding.example:{loopback.port}"
    assert answers == [["10.255.255.1"]]


def test_rebinding_to_a_private_address_is_refused(loopback) -> None:
    """The second delivery resolves anew and is refused when the name now leads inside."""
    connection = Connection("zapier", f"https://rebinding.example:{loopback.port}/", password=SECRET)
    endpoint = WebhookEndpoint(connection, clock=real_clock, resolver=lambda host, port: ["127.0.0.1"])
    error = error_of(lambda: endpoint.send("key-1", "{}"))
    assert error.outcome == "rejected"
    assert "not a public address" in error.reason
    assert loopback.seen == []


def test_unknown_name_is_tried_again() -> None:
    """A name that cannot be resolved now may be later."""

    def nobody(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    endpoint = WebhookEndpoint(
        Connection("z", "https://nowhere.example/", password=SECRET), clock=real_clock, resolver=nobody
    )
    assert error_of(lambda: endpoint.send("key-1", "{}")).outcome == "not_sent"
