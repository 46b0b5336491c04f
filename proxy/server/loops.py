"""A server that is its own model server: found at start by its address, at run time by a header.

The check at start knows addresses of this machine only. A load balancer or a port forwarding in between is
found by the first request: it comes back with the header that this server sends.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable

from proxy.errors import ConfigError
from proxy.grams import GramKey

HOP_HEADER = "X-Sluicegate-Hop"


def hop_of(key: GramKey) -> str:
    """Return the name under which a server asks its model servers.

    All workers and replicas with one index key share it, so a loop through a load balancer is found too. It
    tells nothing about the key.
    """
    return key.derived(b"sluicegate-hop").hex()[:32]


def comes_back(given: bytes, hop: str) -> bool:
    """Say whether a request with this hop header was sent by this server or a replica of it."""
    return hmac.compare_digest(given, hop.encode("ascii"))


def check_not_itself(listener: socket.socket, upstreams: Iterable[tuple[str, int]]) -> None:
    """Raise ConfigError where one of the addresses (host, port) leads to the listening socket.

    A name that cannot be resolved now is no loop; it is reported as an upstream that does not answer.
    """
    own_host, own_port = listener.getsockname()[:2]
    own = ipaddress.ip_address(own_host.partition("%")[0])
    for host, port in upstreams:
        if port == own_port and any(_reaches(each, own) for each in _addresses(host, port)):
            raise ConfigError(
                f"--upstream: {host}:{port} is this server itself ({own_host}:{own_port}); "
                "give the address of the model server, or another --port"
            )


def _addresses(host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    return [getattr(each, "ipv4_mapped", None) or each for each in addresses]


def _reaches(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    own: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> bool:
    """Say whether a connection to ``address`` reaches a socket that listens on ``own``."""
    if address.is_unspecified:  # the kernel connects to this machine
        return own.is_unspecified or own.is_loopback
    if own.is_unspecified:
        # A socket on :: takes IPv4 connections too, unless the system says otherwise.
        return (own.version == 6 or address.version == 4) and _is_local(address)
    return address == own


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Say whether this machine has the address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
