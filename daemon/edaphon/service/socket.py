"""The unix socket between the daemon and other commands: one JSON object asked, one answered."""

import logging
import os
import socketserver
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from edaphon.databases import explained, fault_of
from edaphon.people import peer_account
from edaphon.printer import json_bytes
from edaphon.service.connections import BadRequest, Connections
from edaphon.storage.client import DaemonRefuses

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
ACCOUNT = "account"  # key of a request, set by the daemon itself
SOCKET_MODE = 0o660
TRY_AGAIN_S = 2.0
_log = logging.getLogger("edaphon")


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
