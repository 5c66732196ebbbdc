"""Servers that are fakes: each answers what a document says, or what no server should."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answers = Callable[[Asked], tuple[int, dict[str, str], bytes]]


class FakeServer(ThreadingHTTPServer):
    """An HTTP server whose answers a function gives; it keeps what it was asked."""

    daemon_threads = True

    def __init__(self, answers: Answers) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked = answers, list[Asked]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        server.asked.append(asked)
        status, more, answer = server.answers(asked)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(answer)

    do_GET = do_PUT = do_POST

    def log_message(self, *_: object) -> None: ...


@contextmanager
def fake_server(answers: Answers) -> Iterator[FakeServer]:
    with FakeServer(answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def always(status: int, body: bytes = b"", **headers: str) -> Answers:
    return lambda _: (status, {k.replace("_", "-"): v for k, v in headers.items()}, body)


def fake_ntfy(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    """docs.ntfy.sh/publish: "Publish as JSON"; the answer as in "Message fields"."""
    found = json.loads(asked.body)
    answer = {"id": "xE73Iyuabi", "time": 1673542291, "event": "message", "topic": found["topic"]}
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def fake_healthchecks(known: str) -> Answers:
    """healthchecks.io/docs/http_api: a ping by UUID gets 200 whatever happens."""

    def answer(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b"OK" if asked.path.startswith(f"/{known}") else b"OK (not found)"

    return answer


@contextmanager
def dripping(greeting: bytes, byte: bytes, pause_s: float) -> Iterator[int]:
    """A server that sends a greeting and then one byte every so often; its port."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(greeting)
                    while not stop.wait(pause_s):
                        connection.sendall(byte)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        with suppress(OSError):
            socket.create_connection(server.getsockname(), 0.2).close()
        thread.join(2)
