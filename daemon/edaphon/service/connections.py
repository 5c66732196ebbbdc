"""Bounds on who is connected to the daemon's socket: how many, how long, and with how many bytes.

One that sends nothing, or slowly, or does not take its answer, can't keep others out: when there
are as many as there may be, the one that has waited longest for its peer makes room.
"""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["LARGEST_REQUEST", "BadRequest", "Connections"]

MOST = 64  # the page, people and tools at once, with room for what hangs
LARGEST_REQUEST = 8_000_000  # bytes; a file of evidence, in base64
SMALL_REQUEST = 65_536  # bytes; larger ones share LARGEST_IN_ALL
LARGEST_IN_ALL = 24_000_000  # bytes of requests that are being received
REQUEST_WITHIN_S = 10.0  # from the connection to the end of its line
TAKEN_WITHIN_S = 30.0  # the answer
STUCK_S = 1.0  # an answer that is not taken for so long makes room for others


class BadRequest(ValueError):
    """What came is no request; the text says what was expected."""


class _Stage(StrEnum):
    RECEIVING = "receiving"
    WORKING = "working"  # in the daemon: never ended from here
    SENDING = "sending"


@dataclass(slots=True)
class _State:
    stage: _Stage
    since_s: float
    n_bytes: int = 0  # of its request


class Connections:
    """Every method may be called from any thread."""

    def __init__(self, most: int = MOST, within_s: float = REQUEST_WITHIN_S) -> None:
        self._most, self._within_s = most, within_s
        self._lock = threading.Lock()
        self._open: dict[socket.socket, _State] = {}

    def admit(self, connection: socket.socket) -> bool:
        """Whether there is room for it; another one that only waits is ended for it."""
        with self._lock:
            if len(self._open) >= self._most and not self._make_room():
                return False
            self._open[connection] = _State(_Stage.RECEIVING, time.monotonic())
            return True

    def _make_room(self) -> bool:
        """End the one that waits for its peer since the longest time."""
        stuck_s = time.monotonic() - STUCK_S
        waiting = [
            (state.since_s, connection)
            for connection, state in self._open.items()
            if state.stage is _Stage.RECEIVING
            or (state.stage is _Stage.SENDING and state.since_s < stuck_s)
        ]
        if not waiting:
            return False
        _, connection = min(waiting, key=lambda each: each[0])
        del self._open[connection]
        with suppress(OSError):  # its peer was faster
            connection.shutdown(socket.SHUT_RDWR)  # the thread that waits there goes on and closes
        return True

    def forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.pop(connection, None)

    def receive(self, connection: socket.socket) -> bytes:
        """The line that was sent, "" where nothing was; raises BadRequest or OSError."""
        parts: list[bytes] = []
        end_s = time.monotonic() + self._within_s
        while not (parts and parts[-1].endswith(b"\n")):
            left_s = end_s - time.monotonic()
            part = _part(connection, left_s) if left_s > 0 else None
            if part is None:
                raise BadRequest(
                    f"expected one line of JSON within {self._within_s:.0f} s, got"
                    f" {sum(map(len, parts))} bytes without an end; end it with a newline"
                )
            if not part:
                break
            parts.append(part)
            self._count(connection, len(part))
        self._enter(connection, _Stage.WORKING)
        return b"".join(parts)

    def send(self, connection: socket.socket, reply: bytes) -> None:
        """All of it within TAKEN_WITHIN_S; raises OSError."""
        self._enter(connection, _Stage.SENDING)
        connection.settimeout(TAKEN_WITHIN_S)  # of the whole
        connection.sendall(reply)

    def _enter(self, connection: socket.socket, stage: _Stage) -> None:
        with self._lock:
            if (state := self._open.get(connection)) is not None:
                state.stage, state.since_s = stage, time.monotonic()

    def _count(self, connection: socket.socket, n_bytes: int) -> None:
        """Raises BadRequest where a request, or all large ones at once, would be too large."""
        with self._lock:
            state = self._open.get(connection, _State(_Stage.RECEIVING, 0.0))
            state.n_bytes += n_bytes
            large = (s.n_bytes for s in self._open.values() if s.n_bytes > SMALL_REQUEST)
            if state.n_bytes > LARGEST_REQUEST:
                raise BadRequest(
                    f"expected a request of at most {LARGEST_REQUEST} bytes, got more; ask for less"
                    " at once"
                )
            if state.n_bytes > SMALL_REQUEST and sum(large) > LARGEST_IN_ALL:
                raise BadRequest("expected one large request at a time, got several; ask again")


def _part(connection: socket.socket, within_s: float) -> bytes | None:
    """What comes next, b"" at the end; None: nothing comes in time."""
    connection.settimeout(within_s)
    try:
        return connection.recv(SMALL_REQUEST)
    except TimeoutError:
        return None
