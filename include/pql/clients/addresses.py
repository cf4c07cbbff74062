"""Whether an address given by a user may be connected to: a URL in, the one pinned public address out."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Resolver = Callable[[str, int], Sequence[str]]  # (host name, port) → addresses as text; raises OSError

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_IPV4_COMPATIBLE = IPv6Network("::/96")  # RFC 4291, deprecated but still routed by some stacks
# Metadata services: link-local everywhere; these live in otherwise public or private ranges. Never allowed.
_METADATA = (
    ip_network("169.254.0.0/16"),
    ip_network("fe80::/10"),
    ip_network("fd00:ec2::254/128"),  # AWS
    ip_network("100.100.100.200/32"),  # Alibaba
    ip_network("168.63.129.16/32"),  # Azure
    ip_network("192.0.0.192/32"),  # Oracle
)
# Special-purpose by IANA's registry, yet `is_global` for Python 3.11.
_SPECIAL = (
    ip_network("192.0.0.0/24"),
    ip_network("192.88.99.0/24"),
    ip_network("64:ff9b:1::/48"),
    ip_network("fec0::/10"),
)


class AddressRefusedError(Exception):
    """The URL must not be called; the message says why and names the host, never path or query."""


@dataclass(frozen=True)
class Target:
    """A URL with the one address it was resolved to. `path` may hold a secret, so it is not shown."""

    scheme: str
    host: str
    port: int
    address: str
    path: str = field(repr=False)


def system_resolver(host: str, port: int) -> list[str]:
    """All addresses of a host by the system's resolver."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def pin(url: str, *, allow_private: bool = False, resolver: Resolver = system_resolver) -> Target:
    """Resolve the URL's host once; every address it has must be allowed, the first one is pinned.

    `allow_private` lets loopback, private networks and plain http pass, never a metadata service. Raises
    AddressRefusedError, or OSError where the name cannot be resolved.
    """
    scheme, host, port, path = _parts(url)
    if scheme != "https" and not allow_private:
        raise AddressRefusedError(f"{scheme or 'no scheme'}://{host}: only https is called")
    addresses = list(dict.fromkeys(resolver(host, port)))
    if not addresses:
        raise AddressRefusedError(f"{host} has no address")
    for address in addresses:
        why = forbidden(address, allow_private=allow_private)
        if why:
            raise AddressRefusedError(f"{host} is {why}; if that is meant, set extra allow_private on the connection")
    return Target(scheme, host, port, addresses[0], path)


def forbidden(address: str, *, allow_private: bool = False) -> str:
    """Why that address may not be called, "" if it may.

    >>> forbidden("93.184.215.14"), forbidden("::ffff:10.0.0.1")
    ('', '::ffff:10.0.0.1, not a public address')
    >>> forbidden("127.0.0.1", allow_private=True), forbidden("169.254.169.254", allow_private=True)
    ('', '169.254.169.254, an address of machine metadata')
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return "no valid address"
    for form in (ip, *_embedded(ip)):
        if _within(form, _METADATA):
            return f"{address}, an address of machine metadata"
        if form.is_multicast or form.is_unspecified:
            return f"{address}, not the address of one machine"
        if not allow_private and (not form.is_global or _within(form, _SPECIAL)):
            return f"{address}, not a public address"
    return ""


def _within(ip: IPv4Address | IPv6Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def _embedded(ip: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses an IPv6 address stands for (mapped, compatible, NAT64, 6to4, Teredo)."""
    if isinstance(ip, IPv4Address):
        return ()
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64 or (ip in _IPV4_COMPATIBLE and int(ip) > 1):
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return tuple(inner for inner in found if inner is not None)


def _parts(url: str) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressRefusedError("the URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise AddressRefusedError("the URL must look like https://host/path")
    if parts.username is not None or parts.password is not None:
        raise AddressRefusedError(f"{host}: a URL with user or password in it is not called")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path
