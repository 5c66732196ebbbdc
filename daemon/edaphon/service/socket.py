"""The unix socket between the daemon and other commands: one JSON object asked, one answered."""

import logging
import os
import socket
import socketserver
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from edaphon.databases import explained, fault_of
from edaphon.people import peer_account
from edaphon.printer import json_bytes
from edaphon.service.connections import BadRequest, Connections
from edaphon.storage.owner import as_caller

__all__ = ["ACCOUNT", "ControlServer", "DaemonOff", "DaemonRefuses", "DaemonSilent", "ask"]

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
ACCOUNT = "account"  # key of a request, set by the daemon itself
SOCKET_MODE = 0o660
TRY_AGAIN_S = 2.0
CONNECT_AGAIN_S = 0.05
_log = logging.getLogger("edaphon")


class DaemonOff(ConnectionError):
    """No daemon answers at that socket; the text says what to do."""


class DaemonSilent(ConnectionError):
    """A daemon took the question and gave no answer: what is stored may be older than it knows."""


class DaemonRefuses(ValueError):
    """The daemon's own words why it did not do what was asked; `result` may hold more."""

    def __init__(self, why: str, result: Any = None) -> None:
        self.result = result
        super().__init__(why)


class ControlServer:
    """Answers until `stop`; only the owner and the group of the socket's folder may ask.

    Where the disk refuses the socket, it is tried again until there is one.
    """

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


def ask(path: Path, request: Mapping[str, Any], timeout_s: float = 10.0) -> Any:
    """The daemon's result. Raises DaemonOff, DaemonSilent, or DaemonRefuses with its words."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            _connect(connection, path, timeout_s)
        except TimeoutError:
            raise _silent(path, timeout_s) from None
        except OSError as error:
            raise DaemonOff(_off(path, error)) from error
        try:
            with suppress(BrokenPipeError):  # refused before it was read: the answer says why
                connection.sendall(json_bytes(request) + b"\n")
            with connection.makefile("rb") as answers:
                reply = orjson.loads(answers.readline())
        except (OSError, orjson.JSONDecodeError) as error:
            raise _silent(path, timeout_s) from error
    if not reply["ok"]:
        raise DaemonRefuses(reply["error"], reply.get("result"))
    return reply["result"]


def _connect(connection: socket.socket, path: Path, timeout_s: float) -> None:
    """Waits while as many wait as the system lets wait (EAGAIN, unix(7)); raises OSError."""
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            with as_caller():
                return connection.connect(str(path))
        except BlockingIOError:
            if time.monotonic() > end_s:
                raise TimeoutError from None
            time.sleep(CONNECT_AGAIN_S)


def _off(path: Path, error: OSError) -> str:
    """In words for a person who knows no sockets."""
    if isinstance(error, PermissionError):
        why = f"this account may not ask the service ({path}: {error.strerror})"
        return f"{why}; ask as the account of the service, or with sudo"
    start = "start it with `edaphon run`, or `systemctl start edaphon` where it is installed"
    return f"the service is not running (nothing answers at {path}); {start}"


def _silent(path: Path, timeout_s: float) -> DaemonSilent:
    return DaemonSilent(
        f"expected an answer of the daemon at {path} within {timeout_s:.0f} s, got none; ask again,"
        " or see `systemctl status edaphon`"
    )
