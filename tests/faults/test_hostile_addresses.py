"""Webhook addresses that lead inside: tried through the outbox, with every connection of the process written down."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest
from tests.faults.conftest import SETTINGS

from pql import outbox
from pql.connections import from_environment
from pql.destinations import build
from pql.sandbox.credentials import WEBHOOK_SECRET

PUBLIC, SECOND = "93.184.215.14", "93.184.215.15"
INSIDE = (
    "https://127.0.0.1/", "https://localhost/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
    "https://0177.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://10.0.0.1/", "https://192.168.1.1/",
    "https://172.16.0.1/", "https://100.64.0.1/", "https://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/", "https://[::ffff:169.254.169.254]/", "https://0.0.0.0/",
    "https://224.0.0.251/", "https://[fe80::1%25lo]/", "http://93.184.215.14/", "https://user:pass@93.184.215.14/",
    "https://inside.example/", "https://both.example/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL",
)  # fmt: skip
NAMES = {"inside.example": ["10.0.0.7"], "both.example": [PUBLIC, "127.0.0.1"]}
METADATA = "http://169.254.169.254/latest/meta-data/"


@dataclass
class Network:
    """Whom this process connected to; public addresses do not answer, names lead where `names` says."""

    called: list[str] = field(default_factory=list)
    names: dict[str, list[list[str]]] = field(default_factory=dict)  # one answer after the other, the last for ever

    def inside(self, but: int | None = None) -> list[str]:
        """Connections to addresses that are not public, without those to the port `but`."""
        hosts = [each.rsplit(" ", 1) for each in self.called]
        return [host for host, port in hosts if not ip_address(host).is_global and int(port) != but]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """The process's own network, written down."""
    seen = Network(names={name: [addresses] for name, addresses in NAMES.items()})
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def noted(self: socket.socket, address: Any) -> None:
        seen.called.append(f"{address[0]} {address[1]}")
        if ip_address(address[0]).is_global:
            raise ConnectionRefusedError(111, "nobody there")
        connect(self, address)

    def named(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        answers = seen.names.get(str(host))
        if answers is None:
            return resolve(host, port, *arguments, **options)
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket.socket, "connect", noted)
    monkeypatch.setattr(socket, "getaddrinfo", named)
    return seen


def _to(url: str, **extra: Any) -> dict[str, Any]:
    """The webhook destination of a connection that somebody pointed at that address."""
    connection = {"conn_type": "http", "password": WEBHOOK_SECRET, "extra": {"url": url, **extra}}
    found = from_environment({"AIRFLOW_CONN_ZAPIER_NUDGE": json.dumps(connection)})
    return {"zapier_nudge": build("zapier_nudge", SETTINGS, found)}


def _delivered_to(line: Any, destinations: dict[str, Any]) -> None:
    outbox.deliver(line.engine, destinations, recheck=lambda claim: None, clock=line.clock, sleep=line.clock.sleep)


@pytest.mark.parametrize("url", INSIDE)
def test_no_spelling_of_an_address_inside_is_called(line: Any, network: Network, url: str) -> None:
    """Not one connection is made, and the delivery ends with the reason instead of disappearing."""
    line.queue(1, "webhook")
    network.called.clear()
    _delivered_to(line, _to(url))
    assert network.called == []
    (row,) = line.all()
    assert row.state in ("dead", "pending")
    assert "zapier_nudge" in str(row.reason)
    line.holds(0)


def test_a_name_that_changes_its_address_is_held_to_the_first(line: Any, network: Network) -> None:
    """DNS rebinding: the name is resolved once an attempt; what was checked is called, what comes next is refused."""
    network.names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"]]
    line.queue(1, "webhook")
    network.called.clear()
    _delivered_to(line, _to("https://rebinding.example/hook"))
    assert set(network.called) == {f"{PUBLIC} 443"}
    line.clock.turn(hours=1)
    _delivered_to(line, _to("https://rebinding.example/hook"))
    assert network.inside() == []
    assert [each.state for each in line.all()] == ["dead"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere(line: Any, loopback: Any, network: Network, status: int) -> None:
    """A receiver that sends on to the machine's metadata is called once and not followed."""
    loopback.script = lambda seen: loopback.answer(status=status, headers={"location": METADATA})
    line.queue(1, "webhook")
    _delivered_to(line, _to(f"{loopback.url}/hook", allow_private=True))
    assert network.inside(but=loopback.port) == []
    assert len(loopback.seen) == 1
    assert "redirects are not followed" in str(line.all()[0].reason)


def test_private_receivers_do_not_open_the_metadata(line: Any, network: Network) -> None:
    """A connection that may call private addresses still never calls a machine's metadata."""
    line.queue(1, "webhook")
    network.called.clear()
    _delivered_to(line, _to(METADATA, allow_private=True))
    assert network.called == []
    assert "metadata" in str(line.all()[0].reason)
