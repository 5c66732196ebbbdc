"""The broker dies while commits are late, and a late PUBACK meets another message's identifier."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.programs import Mosquitto, wait_until
from tests.stories import slow_commit_daemon
from tests.stories.load import LONG, Publisher, kept_messages, loaded_station, random_of

KILLS = 10 if LONG else 3
PROGRAM = (slow_commit_daemon.__file__,)


@pytest.mark.timeout(300)
def test_a_broker_killed_during_late_commits_loses_nothing_it_had_accepted(tmp_path: Path) -> None:
    rng = random_of("broker")
    with Mosquitto(tmp_path) as broker:
        station = loaded_station(tmp_path / "station", broker, program=PROGRAM)
        try:
            station.start()
            with Publisher(broker, per_s=50) as nodes:
                for _ in range(KILLS):
                    before = len(nodes.accepted)
                    wait_until(lambda n=before: len(nodes.accepted) > n + 100, "messages", 30)
                    time.sleep(rng.uniform(0, slow_commit_daemon.LATE_S))
                    broker.kill()
                    time.sleep(0.3)
                    broker.start()
                before = len(nodes.accepted)
                wait_until(lambda n=before: len(nodes.accepted) > n, "the nodes to be back", 30)
                nodes.finish()
            wait_until(lambda: nodes.accepted <= kept_messages(station).keys(), "messages", 60)
            verdict = station.json("verify", "--wait", "5")
            assert verdict["good"]
            # What a node sends twice, unsure whether it arrived, is one observation.
            assert verdict["observations"]["current"] == 3 * len(kept_messages(station))
        finally:
            station.kill()


class ScriptedBroker:
    """Speaks MQTT 3.1.1 to one client; `publish` and `cut` are called by the test.

    `puback` collects (number of the connection, identifier, what the journal held just then).
    """

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._server.getsockname()[:2]
        self.kept = lambda: frozenset()
        self.pubacks: list[tuple[int, int, frozenset[bytes]]] = []
        self.connections = 0  # that have come so far
        self.subscribed: set[int] = set()  # connections that asked for messages
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def publish(self, mid: int, topic: str, payload: bytes) -> None:
        body = struct.pack(">H", len(topic)) + topic.encode() + struct.pack(">H", mid) + payload
        self._connection.sendall(bytes([0x32]) + _length(len(body)) + body)

    def cut(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with suppress(OSError):
            self.cut()
        self._thread.join(10)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                self._connection, _ = self._server.accept()
                self.connections += 1
                with self._connection, suppress(OSError), self._connection.makefile("rb") as stream:
                    for kind, body in _packets(stream):
                        self._answer(kind, body)

    def _answer(self, kind: int, body: bytes) -> None:
        if kind == 1:  # CONNECT
            self._connection.sendall(bytes([0x20, 2, 1, 0]))
        elif kind == 8:  # SUBSCRIBE
            self._connection.sendall(bytes([0x90, 3]) + body[:2] + b"\x01")
            self.subscribed.add(self.connections)
        elif kind == 4:  # PUBACK
            self.pubacks.append((self.connections, struct.unpack(">H", body)[0], self.kept()))
        elif kind == 12:  # PINGREQ
            self._connection.sendall(bytes([0xD0, 0]))


def _packets(stream) -> Iterator[tuple[int, bytes]]:
    while head := stream.read(1):
        size, shift = 0, 0
        while True:
            byte = stream.read(1)[0]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        yield head[0] >> 4, stream.read(size)


def _length(size: int) -> bytes:
    assert size < 128 * 128
    return bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])


def pubacks_of_a_used_identifier(folder: Path, *words: str) -> list[tuple[int, frozenset[bytes]]]:
    """(identifier, journal) of the PUBACKs over the second connection, whose first message has
    the identifier of one of the first connection, committed in the meantime."""
    broker = ScriptedBroker()
    station = loaded_station(folder, broker, program=(*PROGRAM, *words))
    broker.kept = lambda: frozenset(kept_messages(station))
    try:
        station.start()
        wait_until(lambda: 1 in broker.subscribed, "the first connection")
        broker.publish(1, "plot/node1", b'{"t":1,"n":"first"}')
        time.sleep(0.5)  # its commit has begun and takes long
        broker.cut()
        wait_until(lambda: 2 in broker.subscribed, "the second connection")
        broker.publish(1, "plot/node2", b'{"t":2,"n":"second"}')
        wait_until(lambda: any(c == 2 for c, _, _ in broker.pubacks), "an acknowledgement")
        wait_until(lambda: len(kept_messages(station)) == 2, "both messages")
        return [(mid, kept) for connection, mid, kept in broker.pubacks if connection == 2]
    finally:
        station.kill()
        broker.close()


def test_a_late_acknowledgement_never_answers_for_another_message(tmp_path: Path) -> None:
    found = pubacks_of_a_used_identifier(tmp_path)
    assert [mid for mid, _ in found] == [1]
    assert b'{"t":2,"n":"second"}' in found[0][1]


def test_a_link_that_forgets_generations_answers_for_a_message_that_is_not_kept(
    tmp_path: Path,
) -> None:
    found = pubacks_of_a_used_identifier(tmp_path, "any-generation")
    assert b'{"t":2,"n":"second"}' not in found[0][1]
