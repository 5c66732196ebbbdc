"""Requests to servers: one deadline and size cap for all, verified by TLS, no secret in a message.

No request is sent on elsewhere.

References: RFC 9110, section 10.2.3 (Retry-After); RFC 7617 (Basic).
"""

import base64
import contextlib
import html
import os
import queue
import re
import select
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

from edaphon_drivers.outside import read_certificates

CONNECT_S = 5.0  # of one address
_LEAST_S = 0.001  # a time-out of 0 would mean none


class Deadline:
    """Begins when it is made."""

    def __init__(self, whole_s: float) -> None:
        self.whole_s = whole_s
        self._end_s = time.monotonic() + whole_s

    @property
    def left_s(self) -> float:
        """Never 0, so that it can be a time-out."""
        return max(_LEAST_S, self._end_s - time.monotonic())

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._end_s


def dial(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection; raises OSError: gaierror for an unknown name, TimeoutError."""
    problem: OSError = socket.gaierror(socket.EAI_NONAME, "no address of this name")
    for family, kind, protocol, _, address in _addresses(host, port, deadline):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT_S, deadline.left_s))
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        else:
            sock.settimeout(deadline.left_s)
            return sock
    raise problem


def _addresses(host: str, port: int, deadline: Deadline) -> list[Any]:
    found: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            problem = error if isinstance(error, OSError) else OSError("no name of a host")
            found.put(problem)

    threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
    try:
        answer = found.get(timeout=deadline.left_s)
    except queue.Empty:
        raise TimeoutError("the name is not found in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


@contextmanager
def ended_at(sock: socket.socket, deadline: Deadline) -> Iterator[None]:
    """End the connection when time is over; TimeoutError then, as what was read may look whole."""
    twin = socket.socket(fileno=os.dup(sock.fileno()))  # TLS may take `sock` itself over

    def end() -> None:
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(deadline.left_s, end)
    watch.daemon = True
    watch.start()
    try:
        yield
        if deadline.over:
            raise TimeoutError("no whole answer in time")
    finally:
        watch.cancel()
        twin.close()


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer that checks certificate and name; raises OSError for an unreadable file."""
    try:
        trusted = read_certificates(ca_file) if ca_file else None
    except OSError as error:
        raise OSError(error.errno, f"ca_file {ca_file}: {error.strerror}") from None
    context = ssl.create_default_context(cadata=trusted)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


RUN = 6  # characters of a secret in a row that are shown nowhere
MASK = "***"
_SPELLED = re.compile(
    r"(?P<percent>(?:%(?:25)*[0-9a-f]{2})+)"
    r"|&(?:amp;)*(?P<entity>#x[0-9a-f]{1,6}|#[0-9]{1,7}|[a-z][a-z0-9]{1,31});"
    r"|\\+u(?P<four>[0-9a-f]{4})|\\+x(?P<two>[0-9a-f]{2})|\\+"
    r"|(?P<blank>[\s+]+)",
    re.IGNORECASE,
)
_AGAIN = re.compile("(?<=%)(?:25)+(?=[0-9a-f]{2}(?:%|$))", re.IGNORECASE)


Spelling = tuple[int, int, str]  # first and last + 1 character, and what they mean


class Secrets:
    """What is hidden in a text: every run of RUN characters of a secret, however it is spelled.

    So no place at which a text is cut, by us or by a server, shows more of it. A secret shorter
    than that is hidden as a whole.
    """

    __slots__ = ("_runs",)

    def __init__(self, *secrets: str) -> None:
        shapes = {shape for secret in secrets if secret for shape in _shapes(secret)}
        ways = [way for shape in shapes for way in (_spellings(shape), _as_it_is(shape))]
        plain = ["".join(c for c, *_ in _letters(way)) for way in ways]
        hexed = [secret.encode("utf-8", "replace").hex() for secret in secrets]
        runs = (*_cut(plain, RUN), *_cut(hexed, 2 * RUN))
        self._runs = frozenset(runs) - {"", " "}

    def hide(self, text: str) -> str:
        """The same text with *** in place of what it holds of the secrets."""
        letters = list(_letters(_spellings(text)))
        plain = "".join(c for c, *_ in letters)
        shown, done = "", 0
        for first, last in self._found(plain):
            start, end = letters[first][1], letters[last][2]
            if start > done or not done:
                shown += text[done:start] + MASK
            done = max(done, end)
        return shown + text[done:]

    def excerpt(self, text: str, most: int) -> str:
        """At most so many characters of it, on one line."""
        return self.hide(" ".join(text[: 40 * most].split()))[:most]

    def _found(self, plain: str) -> Iterator[tuple[int, int]]:
        """First and last letter of every run of a secret, in order; they may overlap."""
        lengths = {len(run) for run in self._runs}
        for at in range(len(plain)):
            fits = [n for n in lengths if plain[at : at + n] in self._runs and at + n <= len(plain)]
            if fits:
                yield at, at + max(fits) - 1


def _cut(texts: Iterable[str], length: int) -> Iterator[str]:
    """Every run of so many characters; a shorter text as a whole."""
    for text in texts:
        yield from (text[at : at + length] for at in range(max(1, len(text) - length + 1)))


def _shapes(secret: str) -> Iterator[str]:
    """As it is, and what stands of it in the base64 of any text that holds it."""
    yield secret
    for ahead in range(3):
        data = bytes(ahead) + secret.encode("utf-8", "replace")
        whole = base64.b64encode(data).decode()[(0, 2, 3)[ahead] : len(data) * 8 // 6]
        if len(whole) >= RUN:
            yield whole
            yield whole.translate(str.maketrans("+/", "-_"))


def _letters(spellings: Iterator[Spelling]) -> Iterator[tuple[str, int, int]]:
    """Each letter in one spelling, with the first and last + 1 character it stands at.

    Small letters without backslashes; one blank for blanks and +; one mark for letters that are
    not ASCII, which another encoding turns into others.
    """
    last = ""
    for start, end, meant in spellings:
        for c in meant.casefold():
            letter = " " if c in " +" or c.isspace() else c if c.isascii() else "\ufffd"
            if letter == "\\":
                continue
            if letter != last or letter not in " \ufffd":
                yield letter, start, end
            last = letter


def _as_it_is(text: str) -> Iterator[Spelling]:
    """Nothing in it spells anything else."""
    return ((at, at + 1, c) for at, c in enumerate(text))


def _spellings(text: str) -> Iterator[Spelling]:
    done = 0
    for found in _SPELLED.finditer(text):
        yield from ((at, at + 1, text[at]) for at in range(done, found.start()))
        yield found.start(), found.end(), _meant(found)
        done = found.end()
    yield from ((at, at + 1, text[at]) for at in range(done, len(text)))


def _meant(found: re.Match[str]) -> str:
    if percent := found["percent"]:
        return unquote(_AGAIN.sub("", percent), errors="replace")
    if entity := found["entity"]:
        return html.unescape(f"&{entity};")
    if code := found["four"] or found["two"]:
        return chr(int(code, 16))
    return " " if found["blank"] else ""


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
            problem = self._too_slow() if deadline.over else self._problem(error)
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

    def _problem(self, error: Exception) -> Unreachable:
        if isinstance(error, ssl.SSLError):
            return tls_problem(self.url, self._secrets.excerpt(str(error), WORDS))
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


def tls_problem(url: str, words: str) -> Unreachable:
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


def is_loopback(host: str) -> bool:
    """`localhost` and what ends in it (RFC 6761, section 6.3), 127.0.0.0/8 and ::1."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
