"""Requests to one HTTP server: bounded in time and bytes as a whole, verified by TLS.

No request is sent on elsewhere.

References: RFC 9110, section 10.2.3 (Retry-After); RFC 7617 (Basic).
"""

import base64
import select
import socket
import ssl
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from edaphon.network.deadline import CONNECT_S, Deadline, dial, ended_at, tls_context
from edaphon.network.secrets import Secrets

__all__ = [
    "ANSWER_BYTES",
    "WHOLE_S",
    "Answer",
    "Limits",
    "Unreachable",
    "Wire",
    "basic",
    "retry_after_s",
    "tls_trouble",
    "wait_s",
]

WHOLE_S = 30.0  # from the look-up of the name to the last byte of the answer
ANSWER_BYTES = 65_536  # of an answer; before and after it is unpacked
WORDS = 200  # characters of an error that are shown
_UNPACK = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits


class Answer(NamedTuple):
    """One answer; `headers` are found by lower-case name, `whole` says that `body` is all of it.

    `body` is for programs, as it came: it may repeat our secrets. People get `words`.
    """

    status: int
    headers: Mapping[str, str]
    body: str
    whole: bool = True
    secrets: Secrets = Secrets()

    def words(self, most: int) -> str:
        """At most so many characters of the body, on one line, without our secrets."""
        return self.secrets.excerpt(self.body, most)


class Unreachable(Exception):
    """There is no answer; `blocked`: a person must act, `slow`: it did not come in time."""

    def __init__(self, why: str, *, blocked: bool = False, slow: bool = False) -> None:
        self.why, self.blocked, self.slow = why, blocked, slow
        super().__init__(why)


class Limits:
    """How long one exchange may take as a whole [s], and how many bytes of the answer are read."""

    def __init__(self, whole_s: float | None = None, answer_bytes: int = ANSWER_BYTES) -> None:
        self.whole_s = WHOLE_S if whole_s is None else whole_s
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
        self._secrets = Secrets(authorization.partition(" ")[2], *secrets)
        self._reached = False
        self._ca_file = ca_file
        self._limits = limits or Limits()

    def post(
        self,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The server's answer of whatever status; Unreachable when there is none in time."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self.request("POST", target, body, {**self._headers, **(headers or {})})

    def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """As `post`, of any method; `target` is the path with its query."""
        deadline = Deadline(self._limits.whole_s)
        self._reached = False
        try:
            connection = self._connected(deadline)
            self._reached = True
            with ended_at(connection.sock, deadline):
                connection.request(method, target, body, dict(headers))
                return self._answer(connection)
        except (OSError, HTTPException, ValueError) as error:
            problem = self._too_slow() if deadline.over else self._trouble(error)
            self.close()
        raise problem

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, deadline: Deadline) -> HTTPConnection:
        if self._connection is not None and _is_stale(self._connection):
            self.close()
        if self._connection is None:
            self._connection = _connection(self.url, self._ca_file, deadline)
        self._connection.sock.settimeout(deadline.left_s)
        return self._connection

    def _answer(self, connection: HTTPConnection) -> Answer:
        response = connection.getresponse()
        limit = self._limits.answer_bytes
        data = _read(response, limit)
        headers = {n.lower(): self._secrets.hide(v) for n, v in response.getheaders()}
        if len(data) > limit or response.will_close:
            self.close()
        whole = len(data) <= limit
        data = _unpacked(data[:limit], headers.get("content-encoding", ""), limit)
        text = data[:limit].decode("utf-8", "replace")
        whole = whole and len(data) <= limit
        return Answer(response.status, headers, text, whole, self._secrets)

    def _too_slow(self) -> Unreachable:
        if not self._reached:
            return Unreachable(f"no connection to {self.url} within {self._limits.whole_s:g} s")
        return Unreachable(
            f"{self.url} does not answer within {self._limits.whole_s:g} s", slow=True
        )

    def _trouble(self, error: Exception) -> Unreachable:
        if isinstance(error, ssl.SSLError):
            return tls_trouble(self.url, self._secrets.excerpt(str(error), WORDS))
        if isinstance(error, TimeoutError):
            if not self._reached:
                return Unreachable(f"{self.url} does not take a connection within {CONNECT_S:g} s")
            return self._too_slow()
        text = str(getattr(error, "strerror", None) or error)
        words = self._secrets.excerpt(text, WORDS) or type(error).__name__
        if isinstance(error, ConnectionRefusedError | socket.gaierror):
            return Unreachable(f"{self.url} can't be reached: {words}")
        return Unreachable(f"the connection to {self.url} broke: {words}")


def _connection(url: str, ca_file: Path | None, deadline: Deadline) -> HTTPConnection:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    if not secure:
        plain = HTTPConnection(host, port)
        plain.sock = dial(host, port, deadline)
        return plain
    context = tls_context(ca_file)
    made = HTTPSConnection(host, port, context=context)
    sock = dial(host, port, deadline)
    try:
        with ended_at(sock, deadline):
            made.sock = context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
    return made


def _is_stale(connection: HTTPConnection) -> bool:
    """Whether the server has closed it, or sent something that nobody asked for."""
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


def tls_trouble(url: str, words: str) -> Unreachable:
    """A certificate from the future means that this machine's clock is not set."""
    if "not yet valid" in words:
        why = f"the clock of this machine is not set: {url}'s certificate lies ahead of it"
        return Unreachable(why)
    return Unreachable(f"{url} can't prove who it is (TLS): {words[:WORDS]}", blocked=True)


def basic(username: str, password: str) -> str:
    """The value of an Authorization header, RFC 7617."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def retry_after_s(text: str, now: datetime, most_s: float) -> float | None:
    """Seconds from seconds or an HTTP date, at most `most_s`; None when it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), most_s)
    if (then := _date(text)) is None:
        return None
    return min(max((then - now).total_seconds(), 0.0), most_s)


def wait_s(answer: Answer, most_s: float) -> float | None:
    """What Retry-After asks for, by the server's clock where it sends it: ours may be behind."""
    now = _date(answer.headers.get("date", "")) or datetime.now(UTC)
    return retry_after_s(answer.headers.get("retry-after", ""), now, most_s)


def _date(text: str) -> datetime | None:
    try:
        then = parsedate_to_datetime(text)
        return then.replace(tzinfo=then.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
