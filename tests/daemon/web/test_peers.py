"""Peers of the page that send slowly, or nothing, or take nothing: they keep nobody out."""

import socket
import time
from contextlib import ExitStack, suppress

import pytest
from tests.daemon.web.served import sample_view, served
from tests.daemon.web.test_routes import ask

from edaphon.web import app

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def port(monkeypatch):
    monkeypatch.setattr(app, "HEAD_WITHIN_S", 1.0)
    monkeypatch.setattr(app, "ANSWER_WITHIN_S", 3.0)
    monkeypatch.setattr(app, "STUCK_S", 0.5)
    with served(sample_view()) as port:
        yield port


def connected(port: int, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(data)
    return connection


def ends(connection: socket.socket) -> bool:
    """Whether the server ends it, whatever it sends before."""
    with suppress(ConnectionError):
        while connection.recv(65_536):
            pass
    return True


@pytest.mark.parametrize("path", ["/", "/metrics"])
@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: local", b"\r\n" * 30])
def test_two_hundred_half_open_connections_keep_nobody_out(monkeypatch, path, data):
    monkeypatch.setattr(app, "HEAD_WITHIN_S", 30.0)  # they do not end by themselves
    with served(sample_view()) as port, ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connected(port, data))
        begun = time.monotonic()
        assert [ask(port, path=path)[0] for _ in range(3)] == [200] * 3
        assert time.monotonic() - begun < 10


def is_ended(connection: socket.socket, data: bytes) -> None:
    """Send a byte at a time until the server ends the connection."""
    for byte in data:
        try:
            connection.sendall(bytes([byte]))
        except ConnectionError:
            return
        time.sleep(0.1)
    raise AssertionError("it goes on")


def test_a_request_head_of_a_byte_a_moment_is_ended(port):
    with connected(port) as connection:
        is_ended(connection, GET * 3)


def test_a_second_head_on_the_same_connection_has_the_same_deadline(port):
    with connected(port, GET) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.sendall(b"GET / HT")
        assert ends(connection)


def test_a_body_that_never_ends_is_ended(port):
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    with connected(port, head) as connection:
        is_ended(connection, b"x" * 100)
        assert ask(port)[0] == 200


def taking_nothing(port: int, requests: int) -> socket.socket:
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.settimeout(20)
    small.connect(("127.0.0.1", port))
    small.sendall(GET * requests)
    return small


def test_answers_that_nobody_takes_end(monkeypatch):
    monkeypatch.setattr(app, "ANSWER_WITHIN_S", 1.0)
    with served(sample_view()) as port, taking_nothing(port, 500) as small:
        assert ask(port)[0] == 200
        is_ended(small, b"G" * 300)


def test_peers_that_take_no_answer_make_room(port, monkeypatch):
    monkeypatch.setattr(app, "MOST", 8)
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(taking_nothing(port, 300))
        assert ask(port)[0] == 200


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x00" * 100_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"f" * 40
        + b"\r\n",
    ],
)
def test_heads_that_are_none_are_refused_and_the_page_goes_on(port, data):
    with connected(port) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
        assert ends(connection)
    assert ask(port)[0] == 200


def test_an_upgrade_is_no_way_to_stay(port):
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    with connected(port, GET[:-2] + upgrade + b"\r\n") as connection:
        assert ends(connection)
