"""The daemon's unix sockets: one JSON object asked, one answered; bounds on who is connected.

The socket for people takes every verb. The page's process runs under an account of its own, which
may use the narrow one alone: taken over, it can read what the page shows anyway, and change
nothing. One that sends nothing, or slowly, or does not take its answer, can't keep others out: when
there are as many as there may be, the one that has waited longest for its peer makes room.
"""

import logging
import os
import socket
import socketserver
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from edaphon.databases import explained, fault_of
from edaphon.people import peer_account
from edaphon.printer import json_bytes
from edaphon.service.prerequisites import is_services
from edaphon.storage.client import DaemonRefuses

MOST = 64  # the page, people and tools at once, with room for what hangs
LARGEST_REQUEST = 8_000_000  # bytes; a file of evidence, in base64
SMALL_REQUEST = 65_536  # bytes; larger ones share LARGEST_IN_ALL
LARGEST_IN_ALL = 24_000_000  # bytes of requests that are being received
REQUEST_WITHIN_S = 10.0  # from the connection to the end of its line
TAKEN_WITHIN_S = 30.0  # the answer
STUCK_S = 1.0  # an answer that is not taken for so long makes room for others
Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
ACCOUNT = "account"  # key of a request, set by the daemon itself
SOCKET_MODE = 0o660
TRY_AGAIN_S = 2.0
_log = logging.getLogger("edaphon")
PAGE_FOLDER = Path("/run/edaphon")  # of the installed service; its group is the page's
PAGE_VERBS = frozenset({"status", "series"})  # those that read, and that the page needs


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


class ControlServer:
    """Answers until `stop`; a socket that the disk refuses is tried again until there is one."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path, self._answer = path, answer
        self._stop = threading.Event()
        self._refused = False
        self._connections = Connections()
        self._server = self._bound()
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._server is not None:
            self._server.server_close()
        with suppress(OSError):  # the next start removes it
            self._path.unlink(missing_ok=True)

    def _bound(self) -> "_Server | None":
        """None where the disk refuses it; recording does not wait for it."""
        try:
            self._path.unlink(missing_ok=True)  # the journal's lock says that no other daemon runs
            server = _Server(str(self._path), _Request)
        except OSError as error:
            if not self._refused:
                self._refused = True
                words = "no socket for other commands can be made yet, and is tried again"
                _log.error("%s: %s", words, explained(error, self._path))
            return None
        server.answer, server.path = self._answer, self._path
        server.connections = self._connections
        return server

    def _serve(self) -> None:
        while self._server is None:
            if self._stop.wait(TRY_AGAIN_S):
                return
            self._server = self._bound()
        while not self._stop.is_set():  # serve_forever can't be stopped before it has begun
            self._server.handle_request()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    timeout = 0.1
    request_queue_size = 256  # the page, people and tools at once
    answer: Answer
    path: Path
    connections: Connections

    def server_bind(self) -> None:
        """Never open to others, whatever the umask of the process is, which threads share."""
        os.fchmod(self.socket.fileno(), SOCKET_MODE)  # bind(2) takes it, less the umask
        super().server_bind()
        os.chmod(str(self.server_address), SOCKET_MODE)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if self.connections.admit(request):
            return True
        with suppress(OSError):  # who asks does not wait
            request.settimeout(0)
            request.sendall(_refused("the service answers as many as it can; ask again") + b"\n")
        return False

    def shutdown_request(self, request: Any) -> None:
        self.connections.forget(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.exception("a connection to the socket for other commands ended by an error")


class _Request(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        connections = self.server.connections
        with suppress(OSError):  # who asked did not wait, or waited too long
            try:
                reply = self._reply(connections.receive(self.request))
            except BadRequest as error:
                reply = _refused(str(error))
            connections.send(self.request, reply + b"\n")

    def _reply(self, line: bytes) -> bytes:
        try:
            asked = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return _refused(f"expected one line of JSON, got {line[:80]!r}: {error}")
        if isinstance(asked, dict):
            asked[ACCOUNT] = peer_account(self.request)  # whatever the request claims
        try:
            return _json({"ok": True, "result": self.server.answer(asked)})
        except DaemonRefuses as refusal:
            return _json({"ok": False, "error": str(refusal), "result": refusal.result})
        except sqlite3.Error as error:
            fault = fault_of(error, self.server.path)
            return _refused(f"the storage folder can't be used: {fault} ({error})")
        except Exception as error:  # whatever a verb raises, who asked gets a line of JSON
            _log.exception("a request of another command ended by an error of this program")
            return _refused(
                "expected to answer the request, got an error of this program:"
                f" {type(error).__name__}: {error}; report it with the log of the service"
            )


def _refused(why: str) -> bytes:
    return _json({"ok": False, "error": why})


def _json(reply: Mapping[str, Any]) -> bytes:
    return json_bytes(reply, orjson.OPT_SERIALIZE_NUMPY)


def page_socket(file: Path, storage: Path) -> Path:
    """Where the page asks: the account of a service's page can't enter the storage folder.

    `file` is the configuration, or systemd's copy of it for the page.
    """
    copies = os.environ.get("CREDENTIALS_DIRECTORY")  # systemd.exec(5)
    of_service = is_services(file) or (copies and Path(copies) in file.absolute().parents)
    return (PAGE_FOLDER if of_service and PAGE_FOLDER.is_dir() else storage) / "page.sock"


def page_verbs_only(answer: Answer) -> Answer:
    """What asks `answer` for these verbs, and refuses all others."""

    def narrow(request: Mapping[str, Any]) -> Mapping[str, Any]:
        verb = request.get("verb") if isinstance(request, dict) else None
        if not isinstance(verb, str) or verb not in PAGE_VERBS:
            known, got = ", ".join(sorted(PAGE_VERBS)), str(verb)[:80]
            raise DaemonRefuses(
                f"expected a verb of the page ({known}), got {got!r}; other verbs are for the"
                " edaphon command"
            )
        return answer(request)

    return narrow
