"""A server that is its own model server: refused at start, and at run time where the address hides it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.server.listen import open_port
from proxy.server.loops import HOP_HEADER, check_not_itself, hop_of
from proxy.upstreams.scripted import Said, Says
from tests.serving import CHAT, QUESTION, serving
from tests.training import SmallIndex


@pytest.mark.parametrize(
    ("listens", "upstream"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "LOCALHOST"),
        ("127.0.0.1", "0.0.0.0"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("127.0.0.1", "127.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.77"),
        ("0.0.0.0", socket.gethostname()),
        ("localhost", "127.0.0.1"),
    ],
)
def test_its_own_address_is_refused(listens: str, upstream: str) -> None:
    """Under each name that it has on this machine."""
    with open_port(listens, 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match="is this server itself"):
            check_not_itself(listener, [("192.0.2.1", port), (upstream, port)])


@pytest.mark.parametrize(("listens", "upstream"), [("::1", "::1"), ("::1", "localhost"), ("::", "::1")])
def test_its_own_address_is_refused_under_ipv6(listens: str, upstream: str) -> None:
    try:
        listener = open_port(listens, 0)
    except ConfigError:
        pytest.skip("no IPv6 here")
    with listener:
        port = listener.getsockname()[1]
        if upstream == "localhost" and all(
            each[4][0] != "::1" for each in socket.getaddrinfo("localhost", port)
        ):
            pytest.skip("localhost has no IPv6 address here")
        with pytest.raises(ConfigError, match="is this server itself"):
            check_not_itself(listener, [(upstream, port)])


def test_another_server_is_fine() -> None:
    """Another port, another loopback address, another machine, a name that nobody knows."""
    with open_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        others = [("127.0.0.1", port - 1), ("127.0.0.2", port), ("192.0.2.1", port), ("a.invalid", port)]
        check_not_itself(listener, [*others, ("a..b", port)])


@contextmanager
def forwarding() -> Iterator[tuple[int, list[int]]]:
    """A port that hands connections on to the port in the list, as a load balancer does."""
    target: list[int] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", target[0]))
            except OSError:
                return
            for ends in ((client, server), (server, client)):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], target


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_comes_back_is_refused(
    small_index: SmallIndex, tmp_path: Path, stream: bool
) -> None:
    """Behind a load balancer the address is another one; the second round is refused, and counted."""
    with (
        forwarding() as (port, target),
        serving(small_index, tmp_path, upstream=f"http://127.0.0.1:{port}/v1") as served,
    ):
        target.append(int(served.url.rpartition(":")[2]))
        answer = served.ask(stream=stream)
        assert answer.status_code == 502
        assert served.metric("sluicegate_http_responses_total", path=CHAT, status="508") == 1
        assert served.metric("sluicegate_upstream_requests_total", result="status") == 1


def test_a_client_cannot_forge_the_header(small_index: SmallIndex, tmp_path: Path) -> None:
    """It is a keyed hash; any other value, and that of another proxy in front, is let through."""
    with serving(small_index, tmp_path) as served:
        body = {"model": "m", "messages": QUESTION}
        for value in ("", "1", "0" * 32, "\u00e9"):
            served.up.script(Says(Said("Hi")))
            headers = [(b"authorization", b"Bearer " + served.key("public").encode())]
            headers.append((HOP_HEADER.encode(), value.encode("latin-1")))
            assert served.web.post(CHAT, json=body, headers=headers).status_code == 200
        (*_, last) = served.up.received
        assert last.headers[HOP_HEADER] == hop_of(served.house.firewall.index.key)
