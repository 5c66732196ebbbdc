"""What stands in the place of a server for a while costs no point, no worker and no memory."""

import gzip
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import pytest
from tests.daemon.sinks.samples import CHANNELS, T0, ListFeed, MemoryAside, keys_of, run
from tests.programs import wait_until

from edaphon.clock import SystemClock
from edaphon.network.requests import ANSWER_BYTES, Limits
from edaphon.sinks import delivery
from edaphon.sinks.delivery import Delivery
from edaphon.sinks.influxdb import InfluxSettings, open_sink
from edaphon.sinks.lines import DatabaseWire
from edaphon.sinks.sink import Later

LONG = os.environ.get("EDAPHON_FAULTS") == "long"
WHOLE_S, FOREIGN_S, WITHIN_S = (30.0, 12.0, 120.0) if LONG else (0.5, 0.8, 20.0)
PORTAL = b"<html><title>Log in</title></html>"

Say = Callable[[socket.socket], None]


def answered(status: int, kind: str, body: bytes, more: bytes = b"") -> Say:
    head = b"HTTP/1.1 %d X\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n"
    return lambda to: to.sendall(head % (status, kind.encode(), more, len(body)) + body)


def dripping(before: bytes) -> Say:
    """One byte at a time, each well within a limit for each read."""

    def say(to: socket.socket) -> None:
        to.sendall(before)
        while True:
            time.sleep(WHOLE_S / 6)
            to.sendall(b"x")

    return say


def endless(before: bytes) -> Say:
    def say(to: socket.socket) -> None:
        to.sendall(before)
        for _ in range(2_000):
            to.sendall(b" " * 1_000_000)

    return say


FOREIGN: dict[str, Say] = {
    "a log-in page": answered(200, "text/html", PORTAL),
    "another API": answered(200, "application/json", b'{"ok":true}'),
    "no content of another kind": answered(202, "text/plain", b""),
    "413": answered(413, "text/html", b"<html>too large</html>"),
    "a passing 400": answered(400, "application/json", b'{"message":"mood"}'),
    "a passing 422": answered(422, "application/json", b'{"message":"mood"}'),
    "a dripping head": dripping(b"HTTP/1.1 204 No Content\r\nX-A: "),
    "a dripping body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
    "dripping before its head": dripping(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body of 2 GB": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n"),
    "an error of 2 GB": endless(b"HTTP/1.1 503 X\r\nContent-Length: 2000000000\r\n\r\n"),
    "a head without end": endless(b"HTTP/1.1 200 OK\r\nX-A: "),
}


class Stranger(socketserver.ThreadingTCPServer):
    """Answers as `say` does; with None it is an InfluxDB that stores the lines."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.say: Say | None = None
        self.lines: set[bytes] = set()
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Talk(socketserver.StreamRequestHandler):
    server: Stranger

    def handle(self) -> None:
        while self.rfile.readline():
            length = 0
            while (line := self.rfile.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = gzip.decompress(self.rfile.read(length)) if length else b""
            self.server.requests += 1
            try:
                if (say := self.server.say) is not None:
                    say(self.connection)
                    return
                self.server.lines |= set(body.splitlines())
                self.connection.sendall(b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 2\r\n\r\n")
            except OSError:
                return


@contextmanager
def stranger() -> Iterator[Stranger]:
    with Stranger() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait divided by some fifty, but in the long form."""
    if not LONG:
        monkeypatch.setattr("edaphon.network.requests.WHOLE_S", WHOLE_S)
        monkeypatch.setattr(delivery, "BLOCKED_S", (0.2, 0.4))
        monkeypatch.setattr(delivery, "BACK_OFF_S", (0.1, 0.4))
        monkeypatch.setattr(delivery, "IDLE_S", 0.1)
        monkeypatch.setattr(delivery, "AGAIN_S", (0.4, 1.0))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("version", [1, 2])
def test_every_point_arrives_once_the_true_server_is_back(version: int) -> None:
    """All strangers at once, a plot for each, or the test would wait for one after another."""
    batches = [[run(n=30, start_ns=T0 + k * 10**13, seed=k)] for k in range(6)]
    wanted = {t for batch in batches for _, t in keys_of(batch)}
    running: list[tuple[str, Stranger, Delivery, ListFeed, MemoryAside]] = []
    with stranger_each(FOREIGN) as servers:
        for name, server in zip(FOREIGN, servers, strict=True):
            settings = InfluxSettings.model_validate(
                {"url": server.url, "version": version, "bucket": "b", "org": "o", "database": "b"}
            )
            feed, aside = ListFeed(batches[:3]), MemoryAside()
            worker = Delivery(
                name,
                lambda settings=settings: open_sink(settings, CHANNELS),  # type: ignore[misc]
                feed,
                aside,
                SystemClock(),
            )
            worker.start()
            running.append((name, server, worker, feed, aside))
        time.sleep(FOREIGN_S)
        for _, server, worker, feed, _ in running:
            server.say = None
            for batch in batches[3:]:
                feed.add(batch)
            worker.wake()
        for name, server, worker, feed, aside in running:
            wait_until(lambda f=feed: f.done, f"all batches after {name}", WITHIN_S)  # type: ignore[misc]
            wait_until(lambda a=aside: not a.points, f"nothing aside after {name}", WITHIN_S)  # type: ignore[misc]
            assert {int(line.rsplit(b" ", 1)[1]) for line in server.lines} == wanted, name
            assert worker.stop()


@contextmanager
def stranger_each(says: dict[str, Say]) -> Iterator[Sequence[Stranger]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(stranger()) for _ in says]
        for server, say in zip(servers, says.values(), strict=True):
            server.say = say
        yield servers


@pytest.mark.parametrize("name", [n for n in FOREIGN if "2 GB" in n or "without end" in n])
def test_no_more_of_an_answer_is_read_than_is_kept(name: str) -> None:
    sent = 0

    def counted(to: socket.socket) -> None:
        nonlocal sent
        to.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)

        class Counting:
            def sendall(self, data: bytes) -> None:
                nonlocal sent
                to.sendall(data)
                sent += len(data)

        FOREIGN[name](Counting())  # type: ignore[arg-type]

    with stranger() as server:
        server.say = counted
        wire = DatabaseWire(server.url)
        with suppress(Later):
            assert not wire.post("/write", {}, b"").whole
        wire.close()
    assert sent < 20_000_000


def test_a_packed_answer_is_not_unpacked_beyond_what_is_kept() -> None:
    bomb = gzip.compress(b" " * 100_000_000, 1)[:ANSWER_BYTES]
    with stranger() as server:
        server.say = answered(400, "application/json", bomb, b"Content-Encoding: gzip\r\n")
        answer = DatabaseWire(server.url).post("/write", {}, b"")
        assert answer.body == " " * ANSWER_BYTES
        assert not answer.whole
        words = gzip.compress(b'{"message":"partial write: dropped=1"}')
        server.say = answered(500, "application/json", words, b"Content-Encoding: gzip\r\n")
        assert "dropped=1" in DatabaseWire(server.url).post("/write", {}, b"").body


@pytest.mark.parametrize("name", [n for n in FOREIGN if "dripping" in n])
def test_an_answer_that_never_ends_is_given_up_as_a_whole(name: str) -> None:
    with stranger() as server:
        server.say = FOREIGN[name]
        wire = DatabaseWire(server.url, limits=Limits(0.3))
        began = time.monotonic()
        with pytest.raises(Later, match="does not answer within 0.3 s") as caught:
            wire.post("/write", {}, b"")
        assert time.monotonic() - began < 2.0
        assert caught.value.slow
