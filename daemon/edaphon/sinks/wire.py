"""Requests to one database server: bounded in time and bytes as a whole, verified by TLS.

No request is sent on elsewhere. A limit for each read would not do: a server that sends one byte
every few seconds keeps within it for ever.
"""

import base64
import contextlib
import select
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from edaphon.sinks.answers import Answer
from edaphon.sinks.sink import Later

__all__ = ["ANSWER_BYTES", "CONNECT_S", "READ_S", "Limits", "Wire", "basic", "hide", "tls_trouble"]

CONNECT_S = 5.0
READ_S = 30.0  # from the first byte sent to the last byte of the answer
ANSWER_BYTES = 65_536  # of an answer to a write; before and after it is unpacked
_UNPACK = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits


class Limits:
    """How long one exchange may take as a whole [s], and how many bytes of the answer are read."""

    def __init__(self, whole_s: float | None = None, answer_bytes: int = ANSWER_BYTES) -> None:
        self.whole_s = READ_S if whole_s is None else whole_s
        self.answer_bytes = answer_bytes


class Wire:
    """One server; `authorization` is the header's value and shows up in no text or error."""

    def __init__(
        self,
        url: str,
        authorization: str = "",
        ca_file: Path | None = None,
        secrets: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self._connection: HTTPConnection | None = None
        self.url = url.rstrip("/")
        self._headers = {"Authorization": authorization} if authorization else {}
        self._secrets = [authorization.partition(" ")[2], *secrets]
        self._ca_file = ca_file
        self._limits = limits or Limits()

    def post(
        self,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The server's answer of whatever status; Later when there is none in time."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self.request("POST", target, body, {**self._headers, **(headers or {})})

    def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """As `post`, of any method; `target` is the path with its query."""
        expired = threading.Event()
        try:
            connection = self._connected()
            with _ended_after(self._limits.whole_s, connection.sock, expired):
                connection.request(method, target, body, dict(headers))
                return self._answer(connection)
        except (OSError, HTTPException, ValueError) as error:
            later = self._too_slow() if expired.is_set() else self._later(error)
            self.close()
            raise later from None

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> HTTPConnection:
        if self._connection is not None and _is_stale(self._connection):
            self.close()
        if self._connection is None:
            parts = urlsplit(self.url)
            host, port = parts.hostname or "", parts.port
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=self._ca_file)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                made: HTTPConnection = HTTPSConnection(
                    host, port, timeout=CONNECT_S, context=context
                )
            else:
                made = HTTPConnection(host, port, timeout=CONNECT_S)
            made.connect()
            made.sock.settimeout(self._limits.whole_s)
            self._connection = made
        return self._connection

    def _answer(self, connection: HTTPConnection) -> Answer:
        response = connection.getresponse()
        limit = self._limits.answer_bytes
        data = _read(response, limit)
        headers = {name.lower(): value for name, value in response.getheaders()}
        if len(data) > limit or response.will_close:
            self.close()
        whole = len(data) <= limit
        data = _unpacked(data[:limit], headers.get("content-encoding", ""), limit)
        text = hide(data[:limit].decode("utf-8", "replace"), self._secrets)
        return Answer(response.status, headers, text, whole and len(data) <= limit)

    def _too_slow(self) -> Later:
        return Later(f"{self.url} does not answer within {self._limits.whole_s:g} s", slow=True)

    def _later(self, error: Exception) -> Later:
        if isinstance(error, ssl.SSLError):
            return tls_trouble(self.url, str(error))
        if isinstance(error, TimeoutError):
            if self._connection is None:
                return Later(f"{self.url} does not take a connection within {CONNECT_S:g} s")
            return self._too_slow()
        words = hide(_short(error), self._secrets)
        if isinstance(error, ConnectionRefusedError | socket.gaierror):
            return Later(f"{self.url} can't be reached: {words}")
        return Later(f"the connection to {self.url} broke: {words}")


@contextmanager
def _ended_after(whole_s: float, sock: socket.socket, expired: threading.Event) -> Iterator[None]:
    """End the connection under whoever reads or writes it once that time is over."""

    def end() -> None:
        expired.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    watch = threading.Timer(whole_s, end)
    watch.daemon = True
    watch.start()
    try:
        yield
        if expired.is_set():  # what was read until then may look whole
            raise TimeoutError
    finally:
        watch.cancel()


def _is_stale(connection: HTTPConnection) -> bool:
    """Whether the server has closed it, or said something that nobody asked for."""
    if connection.sock is None:
        return True
    watch = select.poll()
    watch.register(connection.sock, select.POLLIN)
    return bool(watch.poll(0))


def _read(response: HTTPResponse, limit: int) -> bytes:
    """At most one byte more than the limit, so that a longer body shows."""
    data = b""
    while len(data) <= limit and (more := response.read(limit + 1 - len(data))):
        data += more
    return data


def _unpacked(data: bytes, encoding: str, limit: int) -> bytes:
    """At most one byte more than the limit; what can't be unpacked stays as it is."""
    if (wbits := _UNPACK.get(encoding.strip().lower())) is None:
        return data
    try:
        return zlib.decompressobj(wbits).decompress(data, limit + 1)
    except zlib.error:
        return data


def tls_trouble(url: str, words: str) -> Later:
    """A certificate from the future means that this machine's clock is not set."""
    if "not yet valid" in words:
        return Later(f"the clock of this machine is not set: {url}'s certificate lies ahead of it")
    return Later(f"{url} can't prove who it is (TLS): {words[:200]}", blocked=True)


def _short(error: Exception) -> str:
    words = getattr(error, "strerror", None) or str(error)
    return str(words)[:200] or type(error).__name__


def basic(username: str, password: str) -> str:
    """The value of an Authorization header, RFC 7617."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def hide(text: str, secrets: Sequence[str]) -> str:
    """The text without our own secrets, should a server or proxy repeat them."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text
